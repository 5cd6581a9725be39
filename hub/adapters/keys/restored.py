"""Noticing that an older key database was put back: the ledger outside of it knows more than it does."""

from sqlalchemy import Connection, Engine, select

from hub.adapters.keys import destruction
from hub.adapters.keys.engine import transaction
from hub.adapters.keys.journal import DestructionJournal
from hub.adapters.keys.tables import insert_new, key, ledger, reached
from hub.errors import KeysAreOlder
from hub.ports import KeyRef

_STORE = "store"
Version = tuple[KeyRef, int]


def finish(engine: Engine, journal: DestructionJournal | None) -> int:
    """How many destroyed keys are alive again. Where there are none, what a crash left half done is destroyed now, and
    what this database never knew is entered in its ledger."""
    entries = list(journal.entries()) if journal else []
    with transaction(engine) as connection:
        entered = _ledger(connection)
        missing = [one for one in entries if (one.ref, one.versions[0]) not in entered]
        back = _active(connection) & {(one.ref, one.versions[0]) for one in missing} if missing else set()
        if missing and not back:
            destruction.replay(connection, missing)
    return len(back)


def refuse(older: int) -> None:
    """Raise KeysAreOlder when so many destroyed keys are back."""
    if older:
        raise KeysAreOlder(
            f"{older} destroyed keys are back: an older key database was restored",
            place="key database",
            remedy="stop every worker, then `hub restore --ledger FILE`",
        )


def remember(connection: Connection, number: int) -> int:
    """Note how far the store has come, and answer the farthest it ever told."""
    insert_new(connection, reached, [{"who": _STORE, "number": 0}])
    mine = reached.c.who == _STORE
    connection.execute(reached.update().where(mine, reached.c.number < number).values(number=number))
    return int(connection.execute(select(reached.c.number).where(mine)).scalar_one())


def _ledger(connection: Connection) -> set[Version]:
    rows = connection.execute(select(*(ledger.c[name] for name in (*KeyRef._fields, "version"))))
    return {(KeyRef(*row[:4]), row[4]) for row in rows}


def _active(connection: Connection) -> set[Version]:
    columns = (*(key.c[name] for name in KeyRef._fields), key.c.version)
    rows = connection.execute(select(*columns).where(key.c.state == "active"))
    return {(KeyRef(*row[:4]), row[4]) for row in rows}
