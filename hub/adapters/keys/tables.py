"""The key database: keys, the ledger of destructions, and the names of the key-encryption keys.

`key` and `ledger` are written apart, because the ledger outlives a restored `key` table and is replayed over it.
Times are microseconds since 1970 UTC. Everything is looked up by one JSON parameter, however many keys are wanted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    CTE,
    DDL,
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Select,
    String,
    Table,
    Text,
    and_,
    event,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from hub.adapters.keys.engine import transaction
from hub.ports import KeyRef

metadata = MetaData()

key = Table(
    "key",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("controller", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("sender", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("state", String(10), nullable=False),  # active, fenced, destroyed
    Column("wrapped", LargeBinary),  # nonce and sealed key; NULL once destroyed
    Column(
        "kek", String(32), nullable=False, index=True
    ),  # the name of the key-encryption key it is wrapped under
    Column("fingerprint", String(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("fenced_at", BigInteger),
    Column("destroyed_at", BigInteger),
)
ledger = Table(
    "ledger",
    metadata,
    *(Column(name, Text, primary_key=True) for name in KeyRef._fields),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", String(32), nullable=False),
    Column("destroyed_at", BigInteger, nullable=False),
)
check = Table(
    "kek_check",
    metadata,
    Column("controller", Text, primary_key=True),  # "" is the master key
    Column("name", String(32), nullable=False),  # of the key-encryption key that wraps now
)
retiring = Table(
    "kek_retiring",
    metadata,
    Column("controller", Text, primary_key=True),
    Column("name", String(32), primary_key=True),  # some keys may still be wrapped under it
)
reached = Table(
    "reached",
    metadata,
    Column("who", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),  # how far the store has told that it came; it only rises
)
REF = [key.c[name] for name in KeyRef._fields]

_APPEND_ONLY = {
    "sqlite": (
        """CREATE TRIGGER IF NOT EXISTS ledger_{verb} BEFORE {verb} ON ledger
           BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    ),
    "postgresql": (
        """CREATE OR REPLACE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$""",
        "CREATE OR REPLACE TRIGGER ledger_{verb} BEFORE {verb} ON ledger EXECUTE FUNCTION ledger_append_only()",
    ),
}
for _dialect, _statements in _APPEND_ONLY.items():
    for _verb in ("UPDATE", "DELETE"):
        for _statement in _statements:
            _ddl: Any = DDL(_statement.format(verb=_verb)).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
            event.listen(ledger, "after_create", _ddl)

_NO_SAMPLES: Any = DDL("ALTER TABLE key ALTER COLUMN wrapped SET STATISTICS 0")  # type: ignore[no-untyped-call]
"""PostgreSQL would keep wrapped keys among its statistics, where no purge reaches them."""
event.listen(key, "after_create", _NO_SAMPLES.execute_if(dialect="postgresql"))

_WANTED = {
    "sqlite": """SELECT json_extract(value, '$[0]') AS kind, json_extract(value, '$[1]') AS controller,
                        json_extract(value, '$[2]') AS subject, json_extract(value, '$[3]') AS sender
                 FROM json_each(:wanted)""",
    "postgresql": """SELECT w->>0 AS kind, w->>1 AS controller, w->>2 AS subject, w->>3 AS sender
                     FROM json_array_elements(CAST(:wanted AS json)) AS w""",
}


def wanted_keys(engine: Engine) -> Select[Any]:
    """All versions of the refs in the JSON parameter `wanted`: ref, version, state, wrapped, kek."""
    columns = [Column(name, Text) for name in KeyRef._fields]
    wanted: CTE = text(_WANTED[engine.dialect.name]).columns(*columns).cte("wanted")
    same = and_(*(key.c[name] == wanted.c[name] for name in KeyRef._fields))
    return select(*REF, key.c.version, key.c.state, key.c.wrapped, key.c.kek).select_from(
        wanted.join(key, same)
    )


def create_missing(engine: Engine) -> None:
    """Create what is not there; of two processes that start at once, the slower one looks again."""
    try:
        metadata.create_all(engine)
    except (IntegrityError, OperationalError, ProgrammingError):
        with transaction(engine) as connection:
            metadata.create_all(connection)


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose key is not there yet."""
    if rows:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(insert(table).on_conflict_do_nothing(), list(rows))


def ref_of(row: Row[Any]) -> KeyRef:
    return KeyRef(row.kind, row.controller, row.subject, row.sender)


def find(connection: Connection, statement: Select[Any], refs: Sequence[KeyRef]) -> Sequence[Row[Any]]:
    """The rows of `wanted_keys` in one round trip."""
    return connection.execute(
        statement, {"wanted": orjson.dumps([tuple(ref) for ref in refs]).decode()}
    ).all()
