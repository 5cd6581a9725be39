"""The truth behind both agencies: persons, households, local ids, and who is the same person where.

Pure: a world is a function of (families, seed, start). Every family draws from a generator of its own, so
family 7 is the same in a world of twenty and in a world of ten thousand.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from hub.dev.simulate.cast import CAST, Member, Model, Role, draw_model
from hub.dev.simulate.names import Names, load_names

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MEMBERS_MAX = 16
"""Room for members in the numbering of persons, not the size of any family."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    street: str = field(repr=False)
    house_number: str = field(repr=False)
    postcode: str = field(repr=False)
    district: str = field(repr=False)
    town: str = field(default="Seestadt", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """One human being, with the number each office knows them by (None: not known there)."""

    number: int
    role: Role
    surname: str = field(repr=False)
    given_name: str = field(repr=False)
    birth_date: date = field(repr=False)
    sex: str = field(repr=False)
    origin: str = field(repr=False)
    phone: str = field(repr=False)
    address: Address = field(repr=False)
    custodians: tuple[int, ...] = field(repr=False)
    capable: bool | None = field(repr=False)
    jobcenter_id: str | None = field(repr=False)
    youth_office_id: str | None = field(repr=False)

    def age_on(self, day: date) -> int:
        """Completed years on that day."""
        born = self.birth_date
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """One household: one benefit household (BG), one youth file; a child of two homes is a member of both."""

    number: int
    bg_number: str | None = field(repr=False)
    case_number: str | None = field(repr=False)
    pairing_code: str | None = field(repr=False)
    members: tuple[Person, ...] = field(repr=False)
    outside: tuple[Person, ...] = field(repr=False)

    @property
    def in_jobcenter(self) -> tuple[Person, ...]:
        return tuple(p for p in self.members if p.jobcenter_id) if self.bg_number else ()

    @property
    def in_youth_office(self) -> tuple[Person, ...]:
        everyone = (*self.members, *self.outside)
        return tuple(p for p in everyone if p.youth_office_id) if self.case_number else ()

    @property
    def in_both(self) -> tuple[Person, ...]:
        return tuple(p for p in self.in_jobcenter if p.youth_office_id) if self.case_number else ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """People who belong together, in one home or (separated parents) two."""

    number: int
    model: Model
    persons: tuple[Person, ...] = field(repr=False)
    homes: tuple[Home, ...] = field(repr=False)

    @property
    def joint(self) -> bool:
        return self.model.jobcenter and self.model.youth_office

    def custodians_of(self, person: Person) -> tuple[Person, ...]:
        return tuple(p for p in self.persons if p.number in person.custodians)


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedWorld:
    """What a test may know and a connector may not: the identity of persons and cases across the offices."""

    start: date
    seed: int
    families: tuple[Family, ...] = field(repr=False)

    @property
    def persons(self) -> Iterator[Person]:
        return (person for family in self.families for person in family.persons)

    @property
    def joint_families(self) -> tuple[Family, ...]:
        return tuple(family for family in self.families if family.joint)

    @property
    def same_person(self) -> dict[str, str]:
        """Kundennummer → Personennummer for everybody known to both offices."""
        both = (p for p in self.persons if p.jobcenter_id and p.youth_office_id)
        return {str(p.jobcenter_id): str(p.youth_office_id) for p in both}

    @property
    def same_case(self) -> dict[str, str]:
        """BG-Nummer → Aktenzeichen for every household that carries a pairing code."""
        homes = (home for family in self.joint_families for home in family.homes)
        return {str(home.bg_number): str(home.case_number) for home in homes}


def years_before(day: date, years: int) -> date:
    """The same day `years` earlier; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return date(day.year - years, 3, 1)


def kundennummer(seed: int, number: int) -> str:
    """`^\\d{3}[A-Z0-9]\\d{6}$`, one to one for the first 26 million persons."""
    scattered = (number * 611_953 + seed * 7_919) % 1_000_000
    return f"331{chr(ord('A') + number // 1_000_000)}{scattered:06d}"


def personennummer(seed: int, number: int) -> str:
    """Eight digits, the first a zero that matters; unrelated to the Kundennummer."""
    return f"{(number * 7_368_787 + seed * 104_729 + 11) % 10_000_000:08d}"


def aktenzeichen(seed: int, home: int) -> str:
    """Seven digits, the first a zero that matters."""
    return f"{(home * 77_023 + seed * 31 + 4_711) % 1_000_000:07d}"


def build_world(families: int, seed: int, start: date) -> SimulatedWorld:
    """The first families are the model cast, the others are drawn."""
    names = load_names()
    built = tuple(_family(number, seed, start, names) for number in range(families))
    return SimulatedWorld(start=start, seed=seed, families=built)


def _family(number: int, seed: int, start: date, names: Names) -> Family:
    rng = random.Random(f"{seed}/family/{number}")  # noqa: S311 - invented data, nothing secret
    model = CAST[number] if number < len(CAST) else draw_model(rng)
    homes = range(1 + max((h for m in model.members for h in m.homes), default=0))
    addresses = [_address(rng, names) for _ in range(len(homes) + 1)]
    surname = rng.choice(names.surnames[model.origin])
    given = {
        sex: iter(rng.sample(words, len(words)))
        for (o, sex), words in names.given.items()
        if o == model.origin
    }
    persons = []
    for position, member in enumerate(model.members):
        own_name = 1 in member.homes[:1] or not member.homes or member.role == "partner"
        sex = {"mother": "f", "father": "m"}.get(member.role) or rng.choice("fm")
        persons.append(
            Person(
                number=number * MEMBERS_MAX + position,
                role=member.role,
                surname=rng.choice(names.surnames[model.origin]) if own_name else surname,
                given_name=next(given[sex]),
                birth_date=years_before(start - timedelta(days=member.days), member.age),
                sex=sex,
                origin=model.origin,
                phone=f"00000 {rng.randint(100_000, 999_999)}",
                address=addresses[member.homes[0] if member.homes else -1],
                custodians=tuple(number * MEMBERS_MAX + c for c in member.custodians),
                capable=member.capable,
                **_ids(model, member, seed, number * MEMBERS_MAX + position),
            )
        )
    built = tuple(_home(rng, model, number, h, tuple(persons), seed=seed) for h in homes)
    return Family(number=number, model=model, persons=tuple(persons), homes=built)


def _ids(model: Model, member: Member, seed: int, number: int) -> dict[str, str | None]:
    return {
        "jobcenter_id": kundennummer(seed, number) if model.jobcenter and member.jobcenter else None,
        "youth_office_id": personennummer(seed, number)
        if model.youth_office and member.youth_office
        else None,
    }


def _address(rng: random.Random, names: Names) -> Address:
    district, postcode, street = rng.choice(names.places)
    house = f"{rng.randint(1, 99)}{rng.choice(('', '', '', 'a', 'b'))}"
    return Address(street=street, house_number=house, postcode=postcode, district=district)


def _home(
    rng: random.Random, model: Model, family: int, index: int, persons: tuple[Person, ...], *, seed: int
) -> Home:
    number = family * 2 + index
    joint = model.jobcenter and model.youth_office
    inside = tuple(p for p, m in zip(persons, model.members, strict=True) if index in m.homes)
    outside = tuple(p for p, m in zip(persons, model.members, strict=True) if not m.homes)
    return Home(
        number=number,
        bg_number=f"33107BG{number + 1:07d}" if model.jobcenter else None,
        case_number=aktenzeichen(seed, number) if model.youth_office else None,
        pairing_code="".join(rng.choices(CROCKFORD, k=26)) if joint else None,
        members=inside,
        outside=outside if index == 0 else (),
    )
