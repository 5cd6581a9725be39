"""Retention: what has been kept long enough goes, by state and category (hub/policy/data/retention.toml).

The consents worker does it at each Berlin midnight; `hub retention` shows before what would go. Only once all consents
are read: a hub that was restored does not know yet what was renewed. The rows that go make no row again in a rebuild.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from hub.adapters.store import erasures, meta
from hub.adapters.store.retention import AGED, count, remove
from hub.domain.clock import berlin_day, micros, moment
from hub.policy.retention import cutoff
from hub.stages.caught_up import is_open
from hub.stages.forgetting.closing import Closing, closing, end_closed
from hub.stages.forgetting.proofs import end_proofs, ended_proofs
from hub.stages.forgetting.purge import remove_rows
from hub.stages.parts import Parts

_LAST = "retention.last"
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
    """What has been kept long enough now; with `apply` it is gone when this returns."""
    now = parts.clock.now()
    with parts.store.transaction() as connection:
        if apply:
            erasures.lock_forgetting(connection)
        found = closing(connection, parts.retention, now)
        due = list(_of_cases(found))
        if apply:
            end_closed(connection, parts, found)
            _dark(connection)
        proofs = ended_proofs(connection, micros(cutoff(parts.retention, "consent_ended", now)))
        if proofs:
            due.append(Due("consent_proof", "consent_ended", "consent_row", "CT", sum(proofs.values())))
        if apply:
            end_proofs(connection, parts, proofs)
        due += _of_age(connection, parts, now, apply=apply)
        if apply:
            meta.put(connection, _LAST, micros(now))
    return due


def retain_at_midnight(parts: Parts) -> list[Due]:
    """Once a Berlin day, and not before all consents are read."""
    now = parts.clock.now()
    with parts.store.transaction() as connection:
        last = meta.get(connection, _LAST)
    if (last is not None and berlin_day(moment(last)) >= berlin_day(now)) or not is_open(parts):
        return []
    return retain(parts, apply=True)


def _of_cases(found: Closing) -> Iterator[Due]:
    counted = Counter(category for row in found.rows for category in row.categories)
    for category, rows in sorted(counted.items()):
        yield Due("records", "case_closed", "case_row", category, rows)


def _of_age(connection: Connection, parts: Parts, now: datetime, *, apply: bool) -> Iterator[Due]:
    what = {one.state: one.what for one in parts.retention}
    for state, aged in AGED.items():
        until = micros(cutoff(parts.retention, state, now))
        rows = count(connection, aged, until)
        if rows:
            yield Due(what[state], state, aged.table.name, _UNSORTED, rows)
        if rows and apply:
            remove(connection, aged, until)


def _dark(connection: Connection) -> None:
    """Rows that a crash left behind when their key was destroyed."""
    for key, version in erasures.all_gone(connection, "box").items():
        remove_rows(connection, key, version)
