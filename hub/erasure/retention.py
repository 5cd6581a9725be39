"""Retention: what has been kept long enough goes, by state and category (hub/policy/data/retention.toml).

The consents worker does it after each Berlin midnight, by pages; `hub retention` shows before what would go. Only once
all consents are read: a hub that was restored does not know yet what was renewed. The rows that go make no row again in
a rebuild.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from hub.domain.clock import berlin_day, micros, moment
from hub.erasure.proofs import end_proofs, ended_proofs
from hub.erasure.purge import closing, end_closed, gone_with_rows, remove_rows
from hub.failpoints import fail_point
from hub.parts import Parts
from hub.policy.retention import STATES, cutoff
from hub.store import erasures, meta
from hub.store.retention import AGED, count, remove
from hub.subjects.consent_barrier import is_open

_LAST, _AT = "retention.last", "retention.at"
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


Counted = Counter[tuple[str, str, str, str]]
"""Kind, state, table and category → rows."""


class Pass(NamedTuple):
    """One look at everything that may be due at `now`; with `apply` it goes."""

    parts: Parts
    now: datetime
    apply: bool

    def cutoff(self, state: str) -> int:
        return micros(cutoff(self.parts.retention, state, self.now))


Step = Callable[[Connection, Pass, str], tuple[Counted, str]]
"""Does the page behind a name: what is due there, and the page's last name, "" when none comes."""


def retain(parts: Parts, *, apply: bool = False) -> list[Due]:
    """Count the rows that have been kept long enough; with `apply`, delete them by pages, each in its own transaction.
    A call that was killed in the middle is simply made again: deleted rows are not found again."""
    now = parts.clock.now()
    counted = Counted()
    for step in _STEPS.values():
        beyond = ""
        while True:
            with parts.store.transaction() as connection:
                if apply:
                    erasures.lock_forgetting(connection)
                page, beyond = step(connection, Pass(parts, now, apply), beyond)
            counted += page
            if not beyond:
                break
    if apply:
        with parts.store.transaction() as connection:
            _done(connection, micros(now))
    states = list(STATES)
    due = (Due(*what, rows) for what, rows in counted.items())
    return sorted(due, key=lambda one: (states.index(one.state), one.category))


def retain_page(parts: Parts, now: datetime) -> int | None:
    """Do the next page of what is due once a Berlin day; how many rows went. None when nothing is left, and while
    consents are not read to their end. How far it came is in the store: whoever is killed goes on from there."""
    with parts.store.transaction() as connection:
        last = meta.get(connection, _LAST)
    if (last is not None and berlin_day(moment(last)) >= berlin_day(now)) or not is_open(parts):
        return None
    with parts.store.transaction() as connection:
        erasures.lock_forgetting(connection)
        begun, name, beyond = _progress(connection, now)
        page, beyond = _STEPS[name](connection, Pass(parts, now, apply=True), beyond)
        following = name if beyond else next(iter(_behind(name)), "")
        if following:
            meta.write(connection, _AT, f"{begun}\n{following}\n{beyond}")
        else:
            _done(connection, begun)
    fail_point("retention.page")
    return page.total()


def _progress(connection: Connection, now: datetime) -> tuple[int, str, str]:
    """When this pass was begun, its step, and the name behind which it goes on. A step of another release is not known:
    then the pass begins again."""
    begun, name, beyond = [*(meta.text(connection, _AT, lock=True) or "").split("\n", 2), "", ""][:3]
    return (int(begun), name, beyond) if name in _STEPS else (micros(now), next(iter(_STEPS)), "")


def _behind(name: str) -> list[str]:
    names = list(_STEPS)
    return names[names.index(name) + 1 :]


def _done(connection: Connection, begun: int) -> None:
    meta.put(connection, _LAST, begun)
    meta.write(connection, _AT, "")


def _case_page(connection: Connection, one: Pass, beyond: str) -> tuple[Counted, str]:
    """Records of closed cases, by category."""
    found = closing(connection, one.parts.retention, one.now, beyond, PAGE)
    if one.apply:
        end_closed(connection, one.parts, found)
    categories = (category for row in found.rows for category in row.categories)
    return Counted(("records", "case_closed", "case_row", category) for category in categories), found.last


def _dark_page(connection: Connection, one: Pass, beyond: str) -> tuple[Counted, str]:
    """Rows that a crash left behind when their key was destroyed; they are due for no reason of retention."""
    page = gone_with_rows(connection, beyond, PAGE) if one.apply else []
    remove_rows(connection, one.parts, dict(page))
    return Counted(), page[-1][0] if page else ""


def _proof_page(connection: Connection, one: Pass, beyond: str) -> tuple[Counted, str]:
    """Rows of the register whose proofs end."""
    until = one.cutoff("consent_ended")
    found = ended_proofs(connection, one.parts, until, beyond, PAGE)
    if one.apply:
        end_proofs(connection, one.parts, found.rows)
    rows = sum(found.rows.values())
    what = ("consent_proof", "consent_ended", "consent_row", "CT")
    return Counted({what: rows} if rows else {}), found.last


def _aged_page(connection: Connection, one: Pass, beyond: str) -> tuple[Counted, str]:
    """The next of the tables that know the age of their rows themselves; `beyond`: the state that was the last."""
    states = list(AGED)
    state = states[states.index(beyond) + 1 if beyond in states else 0]
    aged, what = AGED[state], _what(one, state)
    until = one.cutoff(state)
    rows = count(connection, aged, until)
    if rows and one.apply:
        remove(connection, aged, until)
    counted = Counted({(what, state, aged.table.name, _UNSORTED): rows} if rows else {})
    return counted, "" if state == states[-1] else state


def _what(one: Pass, state: str) -> str:
    return next(keep.what for keep in one.parts.retention if keep.state == state)


_STEPS: Mapping[str, Step] = {
    "cases": _case_page,
    "dark": _dark_page,
    "proofs": _proof_page,
    "aged": _aged_page,
}
