"""What happens to the model families on days 1 to 4: every kind of change a connector must survive, once. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from hub.dev.simulate import jobcenter_rows as jc
from hub.dev.simulate import youth_rows as ja
from hub.dev.simulate.benefits import payments, standard_need
from hub.dev.simulate.changes import Office, Operation, Row, Value
from hub.dev.simulate.staff import by_letter, jobcenter_manager
from hub.dev.simulate.world import Family

Step = tuple[Office, Operation, str, Row]


def _phone_wrong(family: Family, start: date) -> Iterator[Step]:
    yield "jobcenter", "update", "T_PERSON", {**jc.person(family.persons[0]), "TELEFON": "00000 123-0"}
    first = next(payments(family, start.replace(day=1)))
    yield (
        "jobcenter",
        "update",
        "T_LEISTUNG",
        {**first, "BETRAG": standard_need(family.persons[1], family.homes[0], start)},
    )


def _phone_right(family: Family, start: date) -> Iterator[Step]:
    yield "jobcenter", "update", "T_PERSON", jc.person(family.persons[0])
    yield "jobcenter", "update", "T_LEISTUNG", next(payments(family, start.replace(day=1)))


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


SCRIPTS = {
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
"""(kind of family, day) → what happens."""
