"""Store and keys as witnesses for each other: neither can be put back to an older state unnoticed.

The store counts its own heartbeats and tells the keys how far it has come; the keys tell how many of them were ever
destroyed. Both numbers only rise. A store that stands lower than it once told, or keys that know of fewer destructions
than the store was told of, were restored from a backup, and nothing may be served until that has been dealt with.
"""

from hub.errors import KeysAreOlder, StoreIsOlder
from hub.parts import Parts
from hub.store import meta

_REACHED, _DESTROYED = "standing.reached", "standing.destroyed"
_REMEDY = "stop every worker, then `hub restore --ledger FILE`"


def advance(parts: Parts) -> None:
    """One heartbeat: the store first, so that a crash in between looks like nothing at all."""
    with parts.store.transaction() as connection:
        reached = meta.raise_by_one(connection, _REACHED)
    destroyed = parts.keys.standing(reached).destroyed
    with parts.store.transaction() as connection:
        meta.raise_to(connection, _DESTROYED, destroyed)


def require_current(parts: Parts) -> None:
    """Called by everything that serves, at its start: raise KeysAreOlder or StoreIsOlder after a restore."""
    require_current_keys(parts)
    told = parts.keys.standing().reached
    with parts.store.transaction() as connection:
        reached = meta.get(connection, _REACHED) or 0
    if reached < told:
        raise StoreIsOlder(
            "an older store was restored: it has forgotten what it told the keys",
            place="store",
            remedy=_REMEDY,
        )


def require_current_keys(parts: Parts) -> None:
    """Raise KeysAreOlder when keys are missing destructions that the store was told of."""
    destroyed = parts.keys.standing().destroyed
    with parts.store.transaction() as connection:
        known = meta.get(connection, _DESTROYED) or 0
    if destroyed < known:
        raise KeysAreOlder(
            f"an older key database was restored: it lacks {known - destroyed} destructions",
            place="key database",
            remedy=_REMEDY,
        )


def settle(parts: Parts) -> None:
    """After a restore has been dealt with: the store stands where the keys know it to have been."""
    told = parts.keys.standing()
    with parts.store.transaction() as connection:
        meta.raise_to(connection, _REACHED, told.reached)
        meta.raise_to(connection, _DESTROYED, told.destroyed)
