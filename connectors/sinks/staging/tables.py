"""The staging tables in the agency's own database, named for the people and systems that read them there.

`fallbruecke_sicht` holds one row per field; vendors read `fallbruecke_aktuell`, which shows only what still may be
shown: a sink that no longer runs shows nothing either (protocol rule 19).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    String,
    Table,
    Text,
    delete,
    insert,
    inspect,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from connectors.sinks.book import metadata
from connectors.sinks.rows import View
from connectors.sinks.sink import slot

sicht = Table(
    "fallbruecke_sicht",
    metadata,
    Column("fall", String(64)),  # the agency's own number; empty when it does not know the case
    Column("fall_ref", String(64), nullable=False, index=True),
    Column("rolle", String(32), nullable=False),
    Column("fachkraft", String(64), nullable=False),  # whom consents name; empty: for everybody in this role
    Column("person", String(64)),  # the agency's own number; empty when it does not know the person
    Column("person_ref", String(64), nullable=False),
    Column("absender", String(64), nullable=False),
    Column("ereignis", String(64), nullable=False),  # empty: `feld` names a category that is withheld
    Column("eintrag", String(64), nullable=False),
    Column("zeitpunkt", String(40), nullable=False),
    Column("feld", String(64), nullable=False),
    Column("wert", Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")),
    Column("bestritten", Boolean, nullable=False),  # § 84(2) SGB X: usable only with this mark
    Column("stand", BigInteger, nullable=False),
    Column("gilt_bis", BigInteger, nullable=False),  # microseconds since 1970 UTC
)

AKTUELL = "fallbruecke_aktuell"
_NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
    "mysql": "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
    "mariadb": "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
}


def create(connection: Connection) -> None:
    """Make what is missing."""
    metadata.create_all(connection)
    if AKTUELL not in inspect(connection).get_view_names():
        shown = select(*sicht.columns).where(sicht.c.gilt_bis > literal_column(_NOW[connection.dialect.name]))
        connection.execute(text(f"CREATE VIEW {AKTUELL} AS {shown.compile(connection)}"))


def try_row(connection: Connection) -> None:
    """Put a row in and take it out; whoever calls takes back the rest."""
    create(connection)
    row = {column.name: column.type.python_type() for column in sicht.columns} | {
        "fall_ref": "hub connect check"
    }
    connection.execute(insert(sicht), row)
    connection.execute(delete(sicht).where(sicht.c.fall_ref == row["fall_ref"]))


class StagingTable:
    """Rows of `fallbruecke_sicht`; the vendor's view filters by lease."""

    def create(self, connection: Connection) -> None:
        create(connection)

    def replace(self, connection: Connection, view: View, new: Sequence[Mapping[str, Any]]) -> None:
        connection.execute(delete(sicht).where(slot(sicht, view)))
        if new:
            connection.execute(insert(sicht), list(new))

    def expire(self, connection: Connection, now: datetime) -> None:
        """The database's own view shows nothing past its lease."""
