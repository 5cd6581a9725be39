"""Retention: what has been kept long enough goes, by state and category (hub/policy/data/retention.toml).

The consents worker does it at each Berlin midnight; `hub retention` shows before what would go. Only once all consents
are read: a hub that was restored does not know yet what was renewed. The rows that go make no row again in a rebuild.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from hub.domain.clock import berlin_day, micros, moment
from hub.erasure.closing import closing, end_closed
from hub.erasure.proofs import end_proofs, ended_proofs
from hub.erasure.purge import gone_with_rows, remove_rows
from hub.parts import Parts
from hub.policy.retention import cutoff
from hub.store import erasures, meta
from hub.store.retention import AGED, count, remove
from hub.subjects.consent_barrier import is_open

_LAST = "retention.last"
PAGE = 500
"""Cases, or persons, of one transaction."""
_UNSORTED = "–"


class Due(NamedTuple):
    """How many rows of a table go for one reason; `category` "–" where rows have none. A row with two categories counts
    in both."""

    what: str
    state: str
    table: str
    category: str
    rows: int


def retain(parts: Parts, *, apply: bool = False) -> list[Due]:
    """What has been kept long enough now; with `apply` it is gone when this returns: page by page, each in its own
    transaction. Whoever is killed in the middle begins again: what is gone is not found again."""
    now = parts.clock.now()
    records = _cases(parts, now, apply=apply)
    if apply:
        _dark(parts)
    proofs = _proofs(parts, now, apply=apply)
    due = [
        Due("records", "case_closed", "case_row", category, rows)
        for category, rows in sorted(records.items())
    ]
    if proofs:
        due.append(Due("consent_proof", "consent_ended", "consent_row", "CT", proofs))
    with parts.store.transaction() as connection:
        due += _of_age(connection, parts, now, apply=apply)
        if apply:
            meta.put(connection, _LAST, micros(now))
    return due


def _cases(parts: Parts, now: datetime, *, apply: bool) -> Counter[str]:
    """Category → how many rows of closed cases."""
    counted, beyond = Counter[str](), ""
    while True:
        with parts.store.transaction() as connection:
            if apply:
                erasures.lock_forgetting(connection)
            found = closing(connection, parts.retention, now, beyond, PAGE)
            if apply:
                end_closed(connection, parts, found)
        counted.update(category for row in found.rows for category in row.categories)
        if not found.last:
            return counted
        beyond = found.last


def _proofs(parts: Parts, now: datetime, *, apply: bool) -> int:
    """How many rows of the register."""
    until = micros(cutoff(parts.retention, "consent_ended", now))
    rows, beyond = 0, ""
    while True:
        with parts.store.transaction() as connection:
            if apply:
                erasures.lock_forgetting(connection)
            found = ended_proofs(connection, parts, until, beyond, PAGE)
            if apply:
                end_proofs(connection, parts, found.rows)
        rows += sum(found.rows.values())
        if not found.last:
            return rows
        beyond = found.last


def retain_at_midnight(parts: Parts) -> list[Due]:
    """Once a Berlin day, and not before all consents are read."""
    now = parts.clock.now()
    with parts.store.transaction() as connection:
        last = meta.get(connection, _LAST)
    if (last is not None and berlin_day(moment(last)) >= berlin_day(now)) or not is_open(parts):
        return []
    return retain(parts, apply=True)


def _of_age(connection: Connection, parts: Parts, now: datetime, *, apply: bool) -> Iterator[Due]:
    what = {one.state: one.what for one in parts.retention}
    for state, aged in AGED.items():
        until = micros(cutoff(parts.retention, state, now))
        rows = count(connection, aged, until)
        if rows:
            yield Due(what[state], state, aged.table.name, _UNSORTED, rows)
        if rows and apply:
            remove(connection, aged, until)


def _dark(parts: Parts) -> None:
    """Rows that a crash left behind when their key was destroyed."""
    beyond = ""
    while True:
        with parts.store.transaction() as connection:
            erasures.lock_forgetting(connection)
            page = gone_with_rows(connection, beyond, PAGE)
            for key, version in page:
                remove_rows(connection, key, version)
        if not page:
            return
        beyond = page[-1][0]
