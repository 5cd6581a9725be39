"""Fencing and destroying: the end of a key, and the ledger that proves it and outlives every restored backup.

Everything happens on the caller's connection, inside its transaction; `at` is in microseconds since 1970 UTC.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, func, select, update

from hub.adapters.keys.tables import insert_new, key, ledger, ref_of
from hub.domain.clock import micros, moment
from hub.ports import Certificate, KeyRef


def fence(connection: Connection, ref: KeyRef, at: int) -> None:
    """Every version that exists seals nothing any more."""
    active = (*_is(key, ref), key.c.state == "active")
    connection.execute(update(key).where(*active).values(state="fenced", fenced_at=at))


def alive(connection: Connection, ref: KeyRef) -> list[tuple[int, str]]:
    """(version, fingerprint) of every version that is not destroyed."""
    found = select(key.c.version, key.c.fingerprint).where(*_is(key, ref), key.c.wrapped.is_not(None))
    return [(row.version, row.fingerprint) for row in connection.execute(found.order_by(key.c.version))]


def destroy(connection: Connection, ref: KeyRef, at: int, versions: Sequence[int]) -> int:
    """Overwrite these versions and enter them in the ledger; how many still lived."""
    living = (*_is(key, ref), key.c.wrapped.is_not(None), key.c.version.in_(versions))
    gone = connection.execute(
        update(key)
        .where(*living)
        .values(state="destroyed", wrapped=None, destroyed_at=at)
        .returning(key.c.version, key.c.fingerprint)
    ).all()
    insert_new(connection, ledger, [_entry(ref, version, fingerprint, at) for version, fingerprint in gone])
    return len(gone)


def certificate(connection: Connection, ref: KeyRef, at: int) -> Certificate:
    """What the ledger proves of this key; `at` stands where there was nothing to destroy."""
    entries = connection.execute(select(ledger).where(*_is(ledger, ref)).order_by(ledger.c.version)).all()
    return _certificate(ref, entries, at)


def certificates(connection: Connection) -> list[Certificate]:
    """The whole ledger, one certificate per key."""
    order = [ledger.c[name] for name in (*KeyRef._fields, "version")]
    rows = connection.execute(select(ledger).order_by(*order)).all()
    return [_certificate(ref, list(entries), 0) for ref, entries in groupby(rows, key=ref_of)]


def replay(connection: Connection, proofs: Iterable[Certificate]) -> int:
    """Destroy what a restored database brought back, and number no new key like a destroyed one; how many lived."""
    count = 0
    for proof in proofs:
        at = micros(proof.at)
        count += destroy(connection, proof.ref, at, proof.versions)
        for version, fingerprint in zip(proof.versions, proof.fingerprints, strict=True):
            entry = _entry(proof.ref, version, fingerprint, at)
            insert_new(connection, key, [entry | {"state": "destroyed", "kek": "", "created_at": at}])
            insert_new(connection, ledger, [entry])
    return count


def count(connection: Connection) -> int:
    """How many versions were ever destroyed; it only rises."""
    return connection.execute(select(func.count()).select_from(ledger)).scalar_one()


def _is(table: FromClause, ref: KeyRef) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in ref._asdict().items()]


def _entry(ref: KeyRef, version: int, fingerprint: str, at: int) -> dict[str, Any]:
    return {**ref._asdict(), "version": version, "fingerprint": fingerprint, "destroyed_at": at}


def _certificate(ref: KeyRef, entries: Sequence[Row[Any]], at: int) -> Certificate:
    return Certificate(
        ref,
        versions=tuple(entry.version for entry in entries),
        fingerprints=tuple(entry.fingerprint for entry in entries),
        at=moment(max((entry.destroyed_at for entry in entries), default=at)),
    )
