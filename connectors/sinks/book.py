"""The sink's book: which version of which view was handed over, how far was read, what could not be read, what waits.

It stands where the rows stand if that is a database, so that both change together; else in a file of the sink's own.
Its names are German, for an agency's people read it.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from connectors.sinks.rows import ReceivedRecord, View

metadata = MetaData()

fassung = Table(
    "fallbruecke_fassung",
    metadata,
    Column("fall_ref", String(64), primary_key=True),
    Column("rolle", String(32), primary_key=True),
    Column("fachkraft", String(64), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("entfernt", Boolean, nullable=False),
)

stand = Table(
    "fallbruecke_stand",
    metadata,
    Column("thema", String(200), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("thema_id", String(64), nullable=False),
)

unlesbar = Table(
    "fallbruecke_unlesbar",
    metadata,
    Column("ort", String(250), primary_key=True),
    Column("grund", String(64), nullable=False),
    Column("am", BigInteger, nullable=False),
)

uebernommen = (
    Table(  # written by the agency's people or system: whose data they took into their own file, and why
        "fallbruecke_uebernommen",
        metadata,
        Column("fall_ref", String(64), primary_key=True),
        Column("person_ref", String(64), primary_key=True),
        Column("norm", String(120), nullable=False),
    )
)

wartend = (
    Table(  # records that wait, sealed as they came: for other parts of a view, or as it cannot be applied
        "fallbruecke_wartend",
        metadata,
        Column("platz", String(64), primary_key=True),  # hash of case, role and worker
        Column("generation", Integer, primary_key=True, autoincrement=False),
        Column("version", BigInteger, primary_key=True, autoincrement=False),
        Column("teil", Integer, primary_key=True, autoincrement=False),
        Column("von", Integer, nullable=False),
        Column("ort", String(250), nullable=False),
        Column("angehaengt", BigInteger, nullable=False),
        Column("gilt_bis", BigInteger, nullable=False),
        Column("grund", String(64)),  # why it cannot be applied; empty: other parts are missing
        Column("wieder", BigInteger, nullable=False),  # when it is tried again
        Column("wert", LargeBinary(1 << 24), nullable=False),
    )
)


def place_of(view: View) -> str:
    """Names a view's place (case, role, worker) in as many signs as every database takes."""
    parts = "\x1f".join((view["case_ref"], view["role"], view["worker"] or ""))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()


def keep(connection: Connection, records: Iterable[ReceivedRecord], reason: str | None, again: int) -> None:
    """Let these records of one view wait; `reason` None: for its other parts."""
    w = wartend.c
    for one in records:
        mine = and_(_version(one.view), w.teil == one.part)
        connection.execute(delete(wartend).where(mine))
        connection.execute(
            insert(wartend).values(
                platz=place_of(one.view),
                generation=one.view["generation"],
                version=one.view["version"],
                teil=one.part,
                von=one.part_count,
                ort=one.place,
                angehaengt=one.timestamp,
                gilt_bis=one.view["not_after"],
                grund=reason,
                wieder=again,
                wert=one.value,
            )
        )


def kept(connection: Connection, view: View) -> list[tuple[str, bytes, int]]:
    """(place, value, append time) of the waiting records of this version, in order."""
    return _records(connection, _version(view))


def newer_waits(connection: Connection, view: View) -> bool:
    """Whether parts of a newer version of this view are there."""
    w = wartend.c
    newer = or_(
        w.generation > view["generation"],
        and_(w.generation == view["generation"], w.version > view["version"]),
    )
    wanted = select(func.count()).select_from(wartend).where(w.platz == place_of(view), newer)
    return bool(connection.execute(wanted).scalar_one())


def forget_waiting(connection: Connection, view: View, *, older_only: bool = False) -> None:
    """Drop what waits of older versions, and of this one unless `older_only`."""
    w, version = wartend.c, view["version"]
    older = w.version < version if older_only else w.version <= version
    until = or_(w.generation < view["generation"], and_(w.generation == view["generation"], older))
    connection.execute(delete(wartend).where(w.platz == place_of(view), until))


def expire_waiting(connection: Connection, now: int) -> None:
    """Drop what could not be shown any more if it could be applied."""
    connection.execute(delete(wartend).where(wartend.c.gilt_bis <= now))


def due(connection: Connection, now: int, limit: int) -> list[list[tuple[str, bytes, int]]]:
    """The views that could not be applied and are to be tried again, each as its records."""
    w = wartend.c
    wanted = (
        select(w.platz, w.generation, w.version)
        .where(w.grund.is_not(None), w.wieder <= now)
        .distinct()
        .limit(limit)
    )
    found = connection.execute(wanted).all()
    return [
        _records(
            connection, and_(w.platz == row.platz, w.generation == row.generation, w.version == row.version)
        )
        for row in found
    ]


def postpone(connection: Connection, view: View, reason: str, again: int) -> None:
    """It could still not be applied."""
    connection.execute(update(wartend).where(_version(view)).values(grund=reason, wieder=again))


def waiting(connection: Connection) -> dict[str, int]:
    """Why views cannot be applied, and how many."""
    w = wartend.c
    wanted = select(w.grund, func.count()).where(w.grund.is_not(None), w.teil == 1).group_by(w.grund)
    return {str(reason): int(number) for reason, number in connection.execute(wanted)}


def _version(view: View) -> Any:
    w = wartend.c
    return and_(w.platz == place_of(view), w.generation == view["generation"], w.version == view["version"])


def _records(connection: Connection, which: Any) -> list[tuple[str, bytes, int]]:
    w = wartend.c
    wanted = select(w.ort, w.wert, w.angehaengt).where(which).order_by(w.teil)
    return [tuple(row) for row in connection.execute(wanted)]
