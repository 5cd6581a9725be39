"""What happens, day by day. Pure: the changes of a day follow from world, day and seed alone.

Day 0 is what lies on file when the story begins. Days 1 to 4 carry the scripted changes of the model families
(corrections there and back, withdrawals, an expiry, a fifteenth birthday, rows that vanish); the others
have their share of ordinary changes on every day.
"""

import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from hub.simulate import jobcenter_rows as jc
from hub.simulate import youth_rows as ja
from hub.simulate.cast import CAST
from hub.simulate.changes import Change, Office, Operation, Row, Value, stamp
from hub.simulate.consents import consents_on, withdrawals_on
from hub.simulate.staff import by_letter, jobcenter_manager
from hub.simulate.world import Family, SimulatedWorld

Step = tuple[Office, Operation, str, Row]
BUSY_SHARE = 0.02
"""Of the families outside the model cast, those to whom something ordinary happens on a day."""


def is_last_bank_day(day: date) -> bool:
    """The last Monday-to-Friday of its month; bank holidays are not looked at."""
    later = (day + timedelta(days=n) for n in range(1, 4))
    return day.weekday() < 5 and all(d.month != day.month or d.weekday() >= 5 for d in later)


def opening(world: SimulatedWorld) -> Iterator[Change]:
    """All rows of day 0. The model families bring the payments of the current month with them."""
    at = stamp(world.start, 0, 0)
    for table, row in jc.staff():
        yield Change(office="jobcenter", operation="insert", table=table, row=row, at=at)
    for table, row in ja.staff():
        yield Change(office="youth_office", operation="insert", table=table, row=row, at=at)
    for family in world.families:
        yield from _stamped(_opening_steps(family, world.start), world.start, 0, family)


def changes_on(world: SimulatedWorld, index: int) -> Iterator[Change]:
    """The changes of day `index` (1 is the second day)."""
    day = world.start + timedelta(days=index)
    for family in world.families[: len(CAST)]:
        yield from _stamped(_scripted(family, world.start, index), day, index, family)
    for family in world.families[len(CAST) :]:
        yield from _stamped(_agreements(family, world.start, index), day, index, family)
    for busy_index in (index - 1, index):
        for family in _busy(world, busy_index):
            steps = _ordinary(family, world.start, busy_index, undo=busy_index < index)
            yield from _stamped(steps, day, index, family)


def month_end(world: SimulatedWorld, day: date) -> Iterator[Change]:
    """Three payment lines per person for the month that follows, all with one time of change."""
    month = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    at = datetime.combine(day, time(22))
    for family in world.families:
        if family.model.jobcenter:
            for row in jc.payments(family, month):
                yield Change(office="jobcenter", operation="insert", table="T_LEISTUNG", row=row, at=at)


def _stamped(steps: Iterator[Step], day: date, index: int, family: Family) -> Iterator[Change]:
    at = stamp(day, index, family.number)
    for office, operation, table, row in steps:
        gone = operation == "delete" and table in ("T_TERMIN", "T_KOOPPLAN") and family.number % 2 == 0
        yield Change(office=office, operation=operation, table=table, row=row, at=at, gone=gone)


def _opening_steps(family: Family, start: date) -> Iterator[Step]:
    yield from (("jobcenter", "insert", table, row) for table, row in jc.opening(family, start))
    yield from (("youth_office", "insert", table, row) for table, row in ja.opening(family, start))
    yield from _agreements(family, start, 0)
    if family.number < len(CAST) and family.model.jobcenter:
        for row in jc.payments(family, start.replace(day=1)):
            yield "jobcenter", "insert", "T_LEISTUNG", row


def _agreements(family: Family, start: date, index: int) -> Iterator[Step]:
    if not family.joint:
        return
    for c in consents_on(family, start, index):
        if c.office == "jobcenter":
            yield "jobcenter", "insert", "T_EINWILLIGUNG", jc.consent(c)
        else:
            yield "youth_office", "insert", "einwilligungen", ja.consent(c)
    for w in withdrawals_on(family, start, index):
        if w.consent.office == "jobcenter":
            yield "jobcenter", "insert", "T_EINWILLIGUNG_WIDERRUF", jc.withdrawal(w)
        else:
            yield "youth_office", "insert", "widerrufe", ja.withdrawal(w)


def _scripted(family: Family, start: date, index: int) -> Iterator[Step]:
    yield from _agreements(family, start, index)
    script = _SCRIPTS.get((family.model.kind, index))
    if script:
        yield from script(family, start)


def _busy(world: SimulatedWorld, index: int) -> list[Family]:
    others = world.families[len(CAST) :]
    if index < 1 or not others:
        return []
    rng = random.Random(f"{world.seed}/day/{index}")  # noqa: S311 - invented data, nothing secret
    return rng.sample(others, k=round(len(others) * BUSY_SHARE))


def _ordinary(family: Family, start: date, index: int, *, undo: bool) -> Iterator[Step]:
    """A misheard telephone number, put right the next day, and a new appointment (some are cancelled)."""
    home, day = family.homes[0], start + timedelta(days=index)
    operation: Operation = "delete" if undo else "insert"
    cancelled = not undo or (family.number + index) % 5 == 0
    if family.model.jobcenter:
        number = family.persons[0].phone if undo else "00000 999-1"
        yield "jobcenter", "update", "T_PERSON", {**jc.person(home.in_jobcenter[0]), "TELEFON": number}
        if cancelled:
            row = jc.appointment(family, home, day + timedelta(days=7), "BER", index=index, n=0)
            yield "jobcenter", operation, "T_TERMIN", row
    if family.model.youth_office and cancelled:
        row = ja.appointment(family, home, day + timedelta(days=9), "HPG", index=index, n=0)
        yield "youth_office", operation, "termine", row


def _phone_wrong(family: Family, start: date) -> Iterator[Step]:
    yield "jobcenter", "update", "T_PERSON", {**jc.person(family.persons[0]), "TELEFON": "00000 123-0"}
    first = next(jc.payments(family, start.replace(day=1)))
    yield (
        "jobcenter",
        "update",
        "T_LEISTUNG",
        {**first, "BETRAG": jc.standard_need(family.persons[1], family.homes[0], start)},
    )


def _phone_right(family: Family, start: date) -> Iterator[Step]:
    yield "jobcenter", "update", "T_PERSON", jc.person(family.persons[0])
    yield "jobcenter", "update", "T_LEISTUNG", next(jc.payments(family, start.replace(day=1)))


def _street_wrong(family: Family, start: date) -> Iterator[Step]:
    yield "youth_office", "update", "personen", ja.person(family.persons[0], strasse="Verschriebene Straße")
    row = ja.appointment(family, family.homes[0], start + timedelta(days=20), "DG", index=1, n=0)
    yield "youth_office", "insert", "termine", row


def _street_right(family: Family, _start: date) -> Iterator[Step]:
    yield "youth_office", "update", "personen", ja.person(family.persons[0])


def _meeting_vanishes(family: Family, start: date) -> Iterator[Step]:
    yield (
        "youth_office",
        "delete",
        "termine",
        ja.appointment(family, family.homes[0], start + timedelta(days=10), "HPG", index=0, n=0),
    )
    yield "jobcenter", "delete", "T_KOOPPLAN", jc.plan(family, family.homes[0], start)


def _measure_vanishes(family: Family, start: date) -> Iterator[Step]:
    yield "jobcenter", "delete", "T_MASSNAHME", jc.measure(family, family.homes[0], start)


def _talk_cancelled(family: Family, start: date) -> Iterator[Step]:
    row = jc.appointment(family, family.homes[0], start + timedelta(days=14), "DG", index=0, n=1)
    yield "jobcenter", "delete", "T_TERMIN", row


def _partner_leaves(family: Family, start: date) -> Iterator[Step]:
    home, day = family.homes[0], start + timedelta(days=3)
    at, partner = next((n, p) for n, p in enumerate(home.in_jobcenter) if p.role == "partner")
    yield "jobcenter", "update", "T_BG_MITGLIED", jc.member(family, home, partner, at, start, until=day)
    yield "youth_office", "update", "mitglieder", ja.member(family, home, partner, at, start, until=day)


def _talk_held(family: Family, start: date) -> Iterator[Step]:
    row = jc.appointment(family, family.homes[0], start + timedelta(days=14), "DG", index=0, n=1)
    held = datetime.combine(start + timedelta(days=2), time(10))
    yield (
        "jobcenter",
        "update",
        "T_TERMIN",
        {**row, "BEGINN": held, "STATUS": "S", "VEREINBARUNG_NR": "V-0001"},
    )


def _help_ends(family: Family, start: date) -> Iterator[Step]:
    row = ja.help_(family, family.homes[0], start, ende=start + timedelta(days=2), endegrund="10")
    yield "youth_office", "update", "hilfen", row


def _measure_ends(family: Family, start: date) -> Iterator[Step]:
    row = jc.measure(
        family, family.homes[0], start, ENDE=start + timedelta(days=3), STATUS="3", ERGEBNIS="ABSCHLUSS"
    )
    yield "jobcenter", "update", "T_MASSNAHME", row


def _plan_updated(family: Family, start: date) -> Iterator[Step]:
    yield "jobcenter", "update", "T_KOOPPLAN", jc.plan(family, family.homes[0], start, version=2)
    amount = ja.help_(family, family.homes[0], start)["kosten_monat"]
    more = ja.help_(family, family.homes[0], start, kosten_monat=amount, fachleistungsstunden=None)
    yield "youth_office", "update", "hilfen", more


def _sanction_lifted(family: Family, start: date) -> Iterator[Step]:
    lifted = start + timedelta(days=2)
    yield "jobcenter", "update", "T_MINDERUNG", jc.sanction(family, family.homes[0], start, lifted)


def _custody_moves(family: Family, start: date) -> Iterator[Step]:
    child, mother = family.persons[2], family.persons[:1]
    yield "youth_office", "update", "sorgerecht", ja.custody(child, mother, start + timedelta(days=4))


def _worker_changes(family: Family, start: date) -> Iterator[Step]:
    home, head, day = family.homes[0], family.homes[0].in_jobcenter[0], start + timedelta(days=4)
    old = jc.assignment(family, home, head, 1, jobcenter_manager(home), since=start - timedelta(days=90))
    yield "jobcenter", "update", "T_FALLZUSTAENDIGKEIT", {**old, "BIS": day}
    others = [w for w in ("SB0105", "SB0102") if w != by_letter(head.surname, "FM")]
    yield (
        "jobcenter",
        "insert",
        "T_FALLZUSTAENDIGKEIT",
        jc.assignment(family, home, head, 0, others[0], since=day, index=4),
    )


def _measure_starts(family: Family, start: date) -> Iterator[Step]:
    row = jc.measure(family, family.homes[0], start + timedelta(days=1), index=1, NORM="16K")
    yield "jobcenter", "insert", "T_MASSNAHME", row


def _moves_away(family: Family, start: date) -> Iterator[Step]:
    """The whole file is missing from the export: the family went to another district's office."""
    for table, row in ja.opening(family, start):
        yield "youth_office", "delete", table, row


def _household_ends(family: Family, start: date) -> Iterator[Step]:
    ended: dict[str, Value] = {"STATUS": "90", "ENDE": start + timedelta(days=4), "ENDGRUND": "02"}
    yield "jobcenter", "update", "T_BG", {**jc.household(family, family.homes[0], start), **ended}


_SCRIPTS = {
    ("single_parent", 1): _phone_wrong,
    ("single_parent", 2): _phone_right,
    ("couple", 1): _street_wrong,
    ("couple", 2): _street_right,
    ("large", 1): _measure_starts,
    ("twins", 2): _meeting_vanishes,
    ("special", 2): _measure_vanishes,
    ("patchwork", 2): _talk_cancelled,
    ("patchwork", 3): _partner_leaves,
    ("widened", 2): _talk_held,
    ("eighteen", 2): _help_ends,
    ("teenagers", 3): _measure_ends,
    ("single_parent", 3): _plan_updated,
    ("refused", 3): _sanction_lifted,
    ("two_homes", 4): _custody_moves,
    ("couple", 4): _worker_changes,
    ("youth_office_only", 4): _moves_away,
    ("couple_jobcenter_only", 4): _household_ends,
}
