"""Who consented to what: one joint form lies in both offices, and is recorded where the family signed it.

Every key of a consent in the `hub decide` contract is here. A refusal leaves no row at all.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from hub.dev.simulate.changes import JOBCENTER, YOUTH_OFFICE, Office
from hub.dev.simulate.staff import jobcenter_manager, youth_office_worker
from hub.dev.simulate.world import Family, Home, Person

TO_YOUTH_OFFICE = ("ID", "HH", "FK", "TM", "LS", "LB", "EG", "BT", "VB")
TO_JOBCENTER = ("ID", "HH", "FK", "TM", "HS", "HP", "VB")
FEW = ("ID", "FK", "TM")
ALL_NOTICES = ("purpose", "refusal", "withdrawal")

WORDS = {
    "ID": "stammdaten",
    "HH": "haushalt",
    "FK": "ansprechperson",
    "TM": "termine",
    "LS": "leistungsbezug",
    "LB": "leistungshoehe",
    "EG": "eingliederung",
    "LM": "minderung",
    "BT": "bildung_teilhabe",
    "HS": "hilfen",
    "HP": "hilfeplan",
    "HI": "hilfegruende",
    "A65": "anvertraut",
    "KO": "kosten",
    "G9": "gesundheit",
    "VB": "vereinbarungen",
    "IN": "indikatoren",
    "VG": "vorgaenge",
    "joint_case_management": "gemeinsame_fallarbeit",
    "benefit_administration": "leistungsgewaehrung",
    "cost_contribution": "kostenbeitrag",
    "written": "schriftlich",
    "electronic": "elektronisch",
    "oral": "muendlich",
}
"""What the printed form calls a category, purpose or form; the jobcenter's system keeps it in capitals."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Consent:
    number: int
    office: Office
    home: Home = field(repr=False)
    subject: Person = field(repr=False)
    signers: tuple[Person, ...] = field(repr=False)
    sender: str
    recipient: str
    workers: tuple[str, ...]
    purposes: tuple[str, ...]
    categories: tuple[str, ...]
    form: str
    explicit_special: bool
    notices: tuple[str, ...]
    granted_at: datetime
    valid_until: datetime | None
    text_version: str = "2026-01"

    @property
    def proof_hash(self) -> str:
        """Stands for the hash of the scanned form."""
        return "sha256:" + hashlib.sha256(f"{self.sender}/{self.number}".encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Withdrawal:
    """Whole, or (with categories) in part."""

    consent: Consent = field(repr=False)
    withdrawn_at: datetime
    categories: tuple[str, ...] = ()


def signers_of(family: Family, person: Person, day: date) -> tuple[Person, ...]:
    """From 15 the person, below all custodians, unless a capacity is recorded (§ 36 SGB I, rule R06)."""
    own = person.age_on(day) >= 15 if person.capable is None else person.capable
    return (person,) if own or not person.custodians else family.custodians_of(person)


def consents_on(family: Family, start: date, index: int) -> Iterator[Consent]:
    """The consents first recorded on day `index` of the story (0: what lies in the files when it begins)."""
    if not family.joint or family.model.consent in ("none", "refused"):
        return
    if index == 0:
        yield from _opening(family, start)
    elif index == 3 and family.model.consent == "coming_of_age":
        child = family.persons[1]
        yield from _both_ways(family, family.homes[0], child, start + timedelta(days=3), 50)
    elif index == 4 and family.model.consent == "widened":
        for n, person in enumerate(family.homes[0].in_both):
            yield from _both_ways(family, family.homes[0], person, start + timedelta(days=4), 50 + 2 * n)


def withdrawals_on(family: Family, start: date, index: int) -> Iterator[Withdrawal]:
    """Whole withdrawals on day 2; on day 3 only the amounts (jobcenter) and the help plan (youth office)."""
    at = datetime.combine(start + timedelta(days=index), time(9, 20))
    for consent in consents_on(family, start, 0) if family.joint else ():
        if index == 2 and family.model.consent == "withdrawn":
            yield Withdrawal(consent=consent, withdrawn_at=at)
        elif index == 3 and family.model.consent == "narrowed" and "A65" not in consent.categories:
            taken = "LB" if consent.sender == JOBCENTER else "HP"
            yield Withdrawal(consent=consent, withdrawn_at=at, categories=(taken,))


def _opening(family: Family, start: date) -> Iterator[Consent]:
    signed = start - timedelta(days=12 + family.number % 30)
    number = 0
    for home in family.homes:
        for person in home.in_both:
            yield from _both_ways(family, home, person, signed, number)
            number += 2
    if family.model.entrusted:
        yield _entrusted(family, signed)


def _both_ways(family: Family, home: Home, person: Person, day: date, n: int) -> Iterator[Consent]:
    yield _consent(family, home, person, day, n, sender=JOBCENTER)
    if family.model.consent != "one_way":
        yield _consent(family, home, person, day, n + 1, sender=YOUTH_OFFICE)


def _consent(family: Family, home: Home, person: Person, day: date, n: int, *, sender: str) -> Consent:
    plan, later = family.model.consent, n >= 50
    outward = sender == JOBCENTER
    few = plan == "some_categories" or (plan == "widened" and not later)
    special = family.model.kind in ("entrusted", "special")
    categories = FEW if few else TO_YOUTH_OFFICE if outward else TO_JOBCENTER
    signers = signers_of(family, person, day)
    worker = youth_office_worker(home, "ASD") if outward else jobcenter_manager(home)
    return Consent(
        number=family.number * 100 + n,
        office=family.model.signed_at,
        home=home,
        subject=person,
        signers=signers[:1] if plan == "one_custodian" else signers,
        sender=sender,
        recipient=YOUTH_OFFICE if outward else JOBCENTER,
        workers=(worker,) if special else (),
        purposes=("joint_case_management", "cost_contribution") if outward else ("joint_case_management",),
        categories=(*categories, "G9") if special else categories,
        form="oral" if plan == "oral" else ("electronic" if family.number % 3 == 1 else "written"),
        explicit_special=special,
        notices=("purpose",) if plan == "oral" else ALL_NOTICES,
        granted_at=datetime.combine(day, time(10, (7 * n) % 60)),
        valid_until=_valid_until(plan, day, family.number),
    )


def _valid_until(plan: str, day: date, number: int) -> datetime | None:
    if plan == "expiring":
        return datetime.combine(day + timedelta(days=12 + number % 30 + 2), time(12))
    return None if number % 5 == 4 else datetime.combine(day + timedelta(days=365), time())


def _entrusted(family: Family, day: date) -> Consent:
    """What a parent confided about a child, released by that parent to one named worker (§ 65 SGB VIII)."""
    home = family.homes[0]
    child = next(p for p in home.in_both if p.role == "child")
    base = _consent(family, home, child, day, 48, sender=YOUTH_OFFICE)
    values = {name: getattr(base, name) for name in Consent.__slots__}
    values |= {"signers": (home.members[0],), "categories": ("A65",), "workers": (jobcenter_manager(home),)}
    return Consent(**values)
