"""The no-gap guard: what a caseworker should look at, resting only on entries that this recipient sees.

A hint is never a decision (Art. 22 GDPR) and no mark on a family: it names its entries and says "prüfen". The benefits
unit gets none, and a person who reads their own file neither.
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from projections.agreements import agreements
from projections.hints.words import TEXTS
from projections.matters import followed
from projections.plan import PLANS
from projections.shown import Row, ShownEntry, ShownView, latest
from schemas import code_list

NOBODYS = frozenset({"jc_benefits", "subject"})
"""Roles without hints."""
SOON = timedelta(days=42)
BIRTHDAY_SOON = timedelta(days=60)
AGES = (15, 18, 25)
SCHOOL_AGE = range(6, 18)
MANY_HELPERS = 5
_BENEFITS = ("BenefitGranted", "BenefitChanged", "BenefitTotal")
_REGISTRATIONS = ("PersonRegistered", "PersonChanged")
_HELPS = {"HelpStarted": "HelpEnded", "MeasureStarted": "MeasureEnded"}
_NOT_COMPARED = frozenset({"of", "status", "end", "end_code", "result"})


def hints(view: ShownView) -> list[Row]:
    """One entry a cause, by code, then by the entries that it rests on."""
    if view.role in NOBODYS:
        return []
    sources = (
        _helps_end,
        _benefits_end,
        _birthdays,
        _household_changed,
        _but_missing,
        _bounced_twice,
        _overdue,
        _look_again,
        _many_helpers,
    )
    found = [hint for source in sources for hint in source(view)]
    return sorted(found, key=lambda hint: (hint["code"], hint["rests_on"], hint["about"]))


def _hint(code: str, about: str, *rests_on: str) -> Row:
    return {"code": code, "about": about, "rests_on": sorted(rests_on), "text": TEXTS[code]}


def _helps_end(view: ShownView) -> Iterator[Row]:
    """A help ends within six weeks, and no other help or measure of that person follows or goes on."""
    running = _running(view)
    last: dict[str, date] = {}
    for entry in running:
        last[entry.about] = max(entry.day("end") or date.max, last.get(entry.about, date.min))
    for entry in running:
        end = entry.day("end")
        if entry.type != "HelpStarted" or end is None or not view.today <= end <= view.today + SOON:
            continue
        if last[entry.about] <= end:
            yield _hint("help_ends", entry.about, entry.id)


def _running(view: ShownView) -> list[ShownEntry]:
    """Helps and measures without a shown end."""
    ends = view.of(*_HELPS.values())
    named = {entry.text("of") for entry in ends}
    unnamed = _Unnamed(entry for entry in ends if not entry.text("of"))
    return [entry for entry in view.of(*_HELPS) if entry.id not in named and not unnamed.ends(entry)]


class _Unnamed:
    """Ends that name no entry: each is the end of what agrees with it in every field that both have.

    They are looked up by the fields that they share with a start, so that a long file takes time by its length alone.
    """

    def __init__(self, ends: Iterable[ShownEntry]) -> None:
        self._ends: dict[_Whose, dict[frozenset[str], list[ShownEntry]]] = {}
        for end in ends:
            whose = self._ends.setdefault((end.type, end.about, end.sender), {})
            whose.setdefault(_compared(end), []).append(end)
        self._latest: dict[tuple[_Whose, frozenset[str], frozenset[str]], dict[_Values, datetime]] = {}

    def ends(self, start: ShownEntry) -> bool:
        """Whether one of them, not before it, is the end of this start."""
        whose, has = (_HELPS[start.type], start.about, start.sender), _compared(start)
        return any(
            start.occurred_at
            <= self._latest_of(whose, names, names & has).get(_values(start, names & has), NEVER)
            for names in self._ends.get(whose, ())
        )

    def _latest_of(
        self, whose: "_Whose", names: frozenset[str], shared: frozenset[str]
    ) -> "dict[_Values, datetime]":
        """Values of the shared fields → when the last end with them was."""
        if (whose, names, shared) not in self._latest:
            ends = self._ends[whose][names]  # in order of time: the last one stays
            self._latest[whose, names, shared] = {_values(end, shared): end.occurred_at for end in ends}
        return self._latest[whose, names, shared]


NEVER = datetime.min.replace(tzinfo=UTC)
_Whose = tuple[str, str, str]
_Values = tuple[str | None, ...]


def _compared(entry: ShownEntry) -> frozenset[str]:
    return frozenset(name for name in entry.fields if entry.text(name)) - _NOT_COMPARED


def _values(entry: ShownEntry, names: frozenset[str]) -> _Values:
    return tuple(entry.text(name) for name in sorted(names))


def _benefits_end(view: ShownView) -> Iterator[Row]:
    """The last month of a person's benefits ends within six weeks."""
    months: dict[str, dict[str, list[str]]] = {}
    for entry in view.of(*_BENEFITS):
        if month := entry.text("month"):
            months.setdefault(entry.about, {}).setdefault(month[:7], []).append(entry.id)
    for about, of in months.items():
        last = max(of)
        end = _last_day(last)
        if end and view.today <= end <= view.today + SOON:
            yield _hint("benefit_ends", about, *of[last])


def _last_day(month: str) -> date | None:
    try:
        year, number = map(int, month.split("-"))
        return date(year, number, monthrange(year, number)[1])
    except ValueError:
        return None


def _birthdays(view: ShownView) -> Iterator[Row]:
    for entry, born in _births(view):
        for age in AGES:
            if view.today <= _birthday(born, age) <= view.today + BIRTHDAY_SOON:
                yield _hint(f"turns_{age}", entry.about, entry.id)


def _births(view: ShownView) -> Iterator[tuple[ShownEntry, date]]:
    """Each person's newest entry with a birth date."""
    said = (entry for entry in view.of(*_REGISTRATIONS) if entry.day("birth_date"))
    for entry in latest(said, lambda entry: entry.about).values():
        if born := entry.day("birth_date"):
            yield entry, born


def _birthday(born: date, age: int) -> date:
    """The day on which this age is reached; of those born on a leap day, 1 March in other years (§ 188 BGB)."""
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 3, 1)


def _household_changed(view: ShownView) -> Iterator[Row]:
    """Somebody joined, left or moved after the latest plan."""
    plans = view.of(*PLANS)
    if not plans:
        return
    changes = [*view.of("MemberJoined", "MemberLeft"), *_moves(view)]
    for entry in changes:
        if entry.occurred_at > plans[-1].occurred_at:
            yield _hint("household_changed", entry.about, entry.id)


def _moves(view: ShownView) -> Iterator[ShownEntry]:
    """Entries with another address than the one that was shown before: the same agency's if any, because agencies spell
    one address in several ways, else anybody's."""
    last: dict[tuple[str, str], str] = {}
    for entry in view.of(*_REGISTRATIONS):
        address = entry.text("address")
        if address is None:
            continue
        before = last.get((entry.about, entry.sender)) or last.get((entry.about, ""), address)
        if entry.type == "PersonChanged" and before != address:
            yield entry
        last[entry.about, entry.sender] = last[entry.about, ""] = address


def _but_missing(view: ShownView) -> Iterator[Row]:
    """A school child, benefits in the household, and nobody applied for education and participation."""
    since = _months_before(view.today, 2)
    if not any((entry.text("month") or "")[:7] >= since for entry in view.of(*_BENEFITS)):
        return
    applied = {entry.about for entry in view.of("ApplicationSubmitted") if entry.text("benefit") == "but"}
    if view.family in applied:
        return
    receiving = {entry.about for entry in view.of(*_BENEFITS) if _is_but(entry)}
    for entry, born in _births(view):
        if _age(born, view.today) in SCHOOL_AGE and entry.about not in applied | receiving:
            yield _hint("but_missing", entry.about, entry.id)


def _is_but(entry: ShownEntry) -> bool:
    kind = entry.text("kind")
    found = code_list("benefit_kinds").entry(kind, entry.occurred_at.date()) if kind else None
    return found is not None and found.category == "BT"


def _months_before(day: date, months: int) -> str:
    years, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return f"{years:04}-{month + 1:02}"


def _age(born: date, today: date) -> int:
    return today.year - born.year - (_birthday(born, today.year - born.year) > today)


def _bounced_twice(view: ShownView) -> Iterator[Row]:
    """A matter came back twice. One that was completed, decided or taken back since needs no look any more."""
    for matter in followed(view):
        if matter.bounces > 1 and (matter.is_open or matter.state == "declined"):
            yield _hint("bounced_twice", matter.start.about, matter.start.id)


def _overdue(view: ShownView) -> Iterator[Row]:
    starts = {
        entry.text("agreement_ref" if entry.type == "AgreementMade" else "task_ref") or entry.id: entry
        for entry in reversed(view.of("AgreementMade", "TaskAssigned"))
    }
    for row in agreements(view):
        if row["state"] == "overdue":
            yield _hint("agreement_overdue", row["about"], starts[row["ref"]].id)


def _look_again(view: ShownView) -> Iterator[Row]:
    for entry in view.of("StepDownAgreed"):
        day = entry.day("look_again")
        if day and day <= view.today:
            yield _hint("look_again", entry.about, entry.id)


def _many_helpers(view: ShownView) -> Iterator[Row]:
    """More than five helps, measures and contacts are shown as of today."""
    helps = [entry for entry in _running(view) if _covers(view.today, entry, "start", "end")]
    contacts = [entry for entry in view.of("WorkerAssigned") if _covers(view.today, entry, "from", "until")]
    shown = [*helps, *contacts]
    if len(shown) > MANY_HELPERS:
        yield _hint("many_helpers", view.family or shown[0].about, *_ids(shown))


def _covers(day: date, entry: ShownEntry, start: str, end: str) -> bool:
    return (entry.day(start) or date.min) <= day <= (entry.day(end) or date.max)


def _ids(entries: Sequence[ShownEntry]) -> list[str]:
    return [entry.id for entry in entries]
