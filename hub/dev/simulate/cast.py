"""Who is in a family: twenty model families that cover every kind, and a generator for the rest.

The first twenty are the same kinds for every seed (names and numbers differ), so that a demonstration with
twenty families always shows a refusal, a withdrawal, an expiry, twins, two homes and a fifteenth birthday.
"""

import random
from dataclasses import dataclass
from typing import Literal

Role = Literal["mother", "father", "partner", "child"]
Origin = Literal["de", "tr", "bg"]
Plan = Literal[
    "none",
    "full",
    "one_way",
    "some_categories",
    "one_custodian",
    "oral",
    "refused",
    "withdrawn",
    "narrowed",
    "expiring",
    "coming_of_age",
    "widened",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One place in a family. `days` since the birthday that made them `age` (negative: still to come).

    `custodians` are positions in the family; `homes` the households (none: lives elsewhere, known to the
    youth office only).
    """

    role: Role
    age: int
    days: int = 100
    jobcenter: bool = True
    youth_office: bool = True
    homes: tuple[int, ...] = (0,)
    custodians: tuple[int, ...] = ()
    capable: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A family's plan: members, consents and what each office records about it."""

    kind: str
    members: tuple[Member, ...]
    origin: Origin = "de"
    consent: Plan = "none"
    signed_at: Literal["jobcenter", "youth_office"] = "jobcenter"
    help: str | None = None
    measure: str | None = None
    need: str | None = None
    sanction: bool = False
    entrusted: bool = False
    source_203: bool = False
    jobcenter: bool = True
    youth_office: bool = True


def lone(*ages: int, role: Role = "mother", age: int = 34) -> tuple[Member, ...]:
    """A single parent with sole custody."""
    return (Member(role=role, age=age), *(Member(role="child", age=a, custodians=(0,)) for a in ages))


def couple(*ages: int) -> tuple[Member, ...]:
    """A couple with joint custody of its children."""
    parents = (Member(role="mother", age=36, days=30), Member(role="father", age=39, days=200))
    return (*parents, *(Member(role="child", age=a, days=40 + 15 * a, custodians=(0, 1)) for a in ages))


JA: Literal["youth_office"] = "youth_office"
_TWINS = (*couple(), *(Member(role="child", age=9, days=77, custodians=(0, 1)) for _ in range(2)))
_TWO_HOMES = (
    Member(role="mother", age=33),
    Member(role="father", age=35, homes=(1,)),
    Member(role="child", age=7, homes=(0, 1), custodians=(0, 1)),
)
_PATCHWORK = (
    Member(role="mother", age=38),
    Member(role="partner", age=41),
    Member(role="father", age=44, homes=(), jobcenter=False),
    Member(role="child", age=12, custodians=(0, 2)),
    Member(role="child", age=3, custodians=(0, 1)),
)
_TEENS = (
    Member(role="mother", age=43),
    Member(role="child", age=15, custodians=(0,)),
    Member(role="child", age=16, custodians=(0,), capable=False),
    Member(role="child", age=14, custodians=(0,), capable=True),
)
_TURNS_15 = (Member(role="mother", age=40), Member(role="child", age=15, days=-2, custodians=(0,)))
_GROWN_UP = (*couple(), Member(role="child", age=18, days=60), *couple(10)[2:])
_ONE_EACH = (
    Member(role="mother", age=31),
    Member(role="partner", age=33, youth_office=False),
    Member(role="father", age=36, jobcenter=False, homes=()),
    Member(role="child", age=6, custodians=(0, 2)),
    Member(role="child", age=17, custodians=(0, 2)),
)

CAST: tuple[Model, ...] = (
    Model(kind="single_parent", members=lone(8), consent="full", help="31", measure="1645", need="0330"),
    Model(kind="couple", members=couple(5, 11), consent="full", signed_at=JA, help="30", measure="16A2"),
    Model(kind="two_homes", members=_TWO_HOMES, consent="one_custodian", help="28"),
    Model(kind="twins", members=_TWINS, consent="full", help="29", measure="16E"),
    Model(kind="patchwork", members=_PATCHWORK, consent="full", signed_at=JA, help="31", origin="tr"),
    Model(kind="teenagers", members=_TEENS, consent="full", help="30", measure="1645"),
    Model(kind="turns_fifteen", members=_TURNS_15, consent="coming_of_age", help="30", need="0330"),
    Model(kind="eighteen", members=_GROWN_UP, consent="full", signed_at=JA, help="41", measure="16I"),
    Model(
        kind="large", members=couple(1, 4, 7, 10, 13, 16), origin="tr", consent="some_categories", help="31"
    ),
    Model(kind="single", members=lone(age=52), youth_office=False, measure="16I", need="0340"),
    Model(kind="couple_jobcenter_only", members=couple(4), youth_office=False, need="0320"),
    Model(kind="youth_office_only", members=couple(9), jobcenter=False, help="33", origin="bg"),
    Model(kind="oral", members=lone(10), origin="bg", consent="oral", help="27(2)", measure="16A1"),
    Model(kind="refused", members=couple(6), consent="refused", help="32", measure="1645", sanction=True),
    Model(kind="withdrawn", members=lone(7), consent="withdrawn", help="31", measure="16A2", need="0330"),
    Model(kind="expiring", members=couple(12), consent="expiring", signed_at=JA, help="28", measure="16E"),
    Model(kind="widened", members=lone(4, 9), origin="tr", consent="widened", help="31", measure="1645"),
    Model(
        kind="entrusted",
        members=lone(13),
        consent="narrowed",
        signed_at=JA,
        help="35a",
        measure="16A3",
        entrusted=True,
        source_203=True,
        need="0350",
    ),
    Model(
        kind="special",
        members=couple(2),
        origin="bg",
        consent="one_way",
        help="31",
        measure="16A4",
        need="0340",
        sanction=True,
    ),
    Model(kind="one_office_each", members=_ONE_EACH, consent="full", signed_at=JA, help="34"),
)

_HELPS = ("27(2)", "27(3)", "28", "29", "30", "31", "31", "31", "32", "33", "34", "35", "35a")
_MEASURES = ("1645", "1645", "1645", "16A1", "16A2", "16A3", "16A4", "16E", "16I", "16K")
_PLANS: tuple[Plan, ...] = (
    "full",
    "full",
    "full",
    "full",
    "some_categories",
    "one_way",
    "one_custodian",
    "oral",
    "refused",
    "refused",
    "withdrawn",
    "narrowed",
    "expiring",
)


def _adults_only(rng: random.Random) -> tuple[Member, ...]:
    if rng.random() < 0.83:
        return lone(age=rng.randint(19, 63), role=rng.choice(("mother", "father")))
    return couple()


def _with_children(rng: random.Random) -> tuple[Member, ...]:
    ages = tuple(rng.randint(0, 17) for _ in range(rng.choices((1, 2, 3, 4, 5), (48, 32, 13, 5, 2))[0]))
    if rng.random() < 0.55:
        return lone(*ages, age=rng.randint(35, 50))
    return couple(*ages)


def draw_model(rng: random.Random) -> Model:
    """One more family: 10.8 % joint, 1 % in the youth office only; two persons per household on average."""
    origin: Origin = rng.choices(("de", "tr", "bg"), (70, 20, 10))[0]
    measure = rng.choice(_MEASURES) if rng.random() < 0.25 else None
    where = rng.random()
    if where >= 0.118:
        members = _with_children(rng) if rng.random() < 0.31 else _adults_only(rng)
        return Model(kind="drawn", members=members, origin=origin, measure=measure, youth_office=False)
    help_ = rng.choice(_HELPS)
    members = _with_children(rng)
    if where >= 0.108:
        return Model(kind="drawn", members=members, origin=origin, help=help_, jobcenter=False)
    return Model(
        kind="drawn",
        members=members,
        origin=origin,
        help=help_,
        measure=measure,
        consent=rng.choice(_PLANS),
        signed_at=rng.choice(("jobcenter", "youth_office")),
        entrusted=rng.random() < 0.1,
        source_203=rng.random() < 0.1,
        need="0330" if members[1].role == "child" else None,
    )
