"""Small facts about the store as a whole: when something was last done."""

from sqlalchemy import Connection, select

from hub.store.bulk import merge
from hub.store.tables import meta

_NEW_VALUE = "(name) DO UPDATE SET value = excluded.value"


def get(connection: Connection, name: str, *, lock: bool = False) -> int | None:
    """A moment (microseconds since 1970 UTC) or number kept under a name; with `lock` nobody else changes it until the
    transaction ends."""
    found = text(connection, name, lock=lock)
    return None if found is None else int(found)


def text(connection: Connection, name: str, *, lock: bool = False) -> str | None:
    """A text kept under a name."""
    wanted = select(meta.c.value).where(meta.c.name == name)
    found: str | None = connection.execute(wanted.with_for_update() if lock else wanted).scalar()
    return found


def write(connection: Connection, name: str, said: str) -> None:
    merge(connection, meta, [(name, said)], _NEW_VALUE)


def put(connection: Connection, name: str, value: int) -> None:
    merge(connection, meta, [(name, str(value))], _NEW_VALUE)


def raise_to(connection: Connection, name: str, value: int) -> None:
    """Keep the higher of this number and the one that is kept, whoever else writes it."""
    higher = "CAST(excluded.value AS BIGINT) > CAST(meta.value AS BIGINT)"
    rise = f"(name) DO UPDATE SET value = excluded.value WHERE {higher}"
    merge(connection, meta, [(name, str(value))], rise)


def raise_by_one(connection: Connection, name: str) -> int:
    """The next number under this name, from 1, given out once."""
    following = "CAST(CAST(meta.value AS BIGINT) + 1 AS VARCHAR)"
    merge(connection, meta, [(name, "1")], f"(name) DO UPDATE SET value = {following}")
    return get(connection, name) or 1
