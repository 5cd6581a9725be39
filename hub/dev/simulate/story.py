"""What happens, day by day. Pure: the changes of a day follow from world, day and seed alone.

Day 0 is what lies on file when the story begins. Days 1 to 4 carry the scripted changes of the model families
(corrections there and back, withdrawals, an expiry, a fifteenth birthday, rows that vanish); the others
have their share of ordinary changes on every day.
"""

import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from hub.dev.simulate import jobcenter_rows as jc
from hub.dev.simulate import youth_rows as ja
from hub.dev.simulate.benefits import payments
from hub.dev.simulate.cast import CAST
from hub.dev.simulate.changes import Change, Operation, stamp
from hub.dev.simulate.consent_rows import (
    jobcenter_consent,
    jobcenter_withdrawal,
    youth_consent,
    youth_withdrawal,
)
from hub.dev.simulate.consents import consents_on, withdrawals_on
from hub.dev.simulate.scripts import SCRIPTS, Step
from hub.dev.simulate.world import Family, SimulatedWorld

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
            for row in payments(family, month):
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
        for row in payments(family, start.replace(day=1)):
            yield "jobcenter", "insert", "T_LEISTUNG", row


def _agreements(family: Family, start: date, index: int) -> Iterator[Step]:
    if not family.joint:
        return
    for c in consents_on(family, start, index):
        if c.office == "jobcenter":
            yield "jobcenter", "insert", "T_EINWILLIGUNG", jobcenter_consent(c)
        else:
            yield "youth_office", "insert", "einwilligungen", youth_consent(c)
    for w in withdrawals_on(family, start, index):
        if w.consent.office == "jobcenter":
            yield "jobcenter", "insert", "T_EINWILLIGUNG_WIDERRUF", jobcenter_withdrawal(w)
        else:
            yield "youth_office", "insert", "widerrufe", youth_withdrawal(w)


def _scripted(family: Family, start: date, index: int) -> Iterator[Step]:
    yield from _agreements(family, start, index)
    script = SCRIPTS.get((family.model.kind, index))
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
