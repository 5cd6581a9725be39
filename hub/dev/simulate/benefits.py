"""What is paid: three lines per person and month (SGB II). Pure."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from hub.dev.simulate.changes import Row
from hub.dev.simulate.world import Family, Home, Person

CENT = Decimal("0.01")


def payments(family: Family, month: date) -> Iterator[Row]:
    """Three lines per person and month, in advance: standard need, rent, one more (§§ 20-22, 28 SGB II)."""
    paid: set[int] = set()
    for home in family.homes:
        people = home.in_jobcenter
        for p in people:
            if p.number not in paid:
                paid.add(p.number)
                yield from _lines(family, home, p, len(people), month)


def standard_need(p: Person, home: Home, day: date) -> Decimal:
    """The Regelbedarf of 2026 by age and place in the household, in euros."""
    age = p.age_on(day)
    if p.role != "child":
        adults = sum(1 for other in home.in_jobcenter if other.role != "child")
        return Decimal(563 if adults == 1 else 506).quantize(CENT)
    steps = ((18, 451), (14, 471), (6, 390), (0, 357))
    return Decimal(next((amount for from_age, amount in steps if age >= from_age), 357)).quantize(CENT)


def _lines(family: Family, home: Home, p: Person, heads: int, month: date) -> Iterator[Row]:
    need = standard_need(p, home, month)
    rent = Decimal(412 + 95 * heads + family.number % 60) / heads
    extra_code, extra = _extra(family, p, need, heads, month)
    lines = (("0100", need), ("0200", rent), (extra_code, extra))
    for n, (code, amount) in enumerate(lines):
        yield {
            "LEISTUNG_ID": month.year * 10**11 + month.month * 10**9 + p.number * 4 + n,
            "BG_NR": home.bg_number,
            "KDNR": p.jobcenter_id,
            "MONAT": f"{month:%Y%m}",
            "LEISTUNGSART": code,
            "BETRAG": amount.quantize(CENT),
            "ZEITRAUM_VON": month.replace(month=1, day=1),
            "ZEITRAUM_BIS": month.replace(month=12, day=31),
            "VORLAEUFIG": family.number % 7 == 3,
        }


def _extra(family: Family, p: Person, need: Decimal, heads: int, day: date) -> tuple[str, Decimal]:
    if family.model.need and p.number == family.persons[0].number:
        share = {"0320": "0.17", "0330": "0.36", "0340": "0.35", "0350": "0.10"}[family.model.need]
        return family.model.need, need * Decimal(share)
    if p.role == "child" and 6 <= p.age_on(day) <= 17 and p.number % 2:
        return "0520", Decimal("59.80")
    return "0210", Decimal(38 + 22 * heads) / heads
