"""What the law says of a story, worked out without the hub's code: the oracle of the state machine.

It knows whom consents were told about, who signed, who holds custody, how old the child is and who is linked to whom,
and answers whether one record may be shown across agencies at a moment.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

CANARY = "Kanarienvogel"
CHILD_BORN = date(2011, 9, 15)  # turns 15 two weeks into the story


@dataclass(frozen=True, slots=True)
class Told:
    """One publication of one version of one record, known by its marker."""

    marker: str
    record: str
    sender: str
    person: str
    category: str
    consents: frozenset[str]
    version: int
    publication: int


@dataclass(slots=True)
class Declared:
    """A consent as its first declaration said it."""

    home: str
    person: str
    sender: str
    categories: frozenset[str]
    signers: frozenset[str]
    at: datetime
    until: datetime | None
    ended: bool = False
    parts: list[frozenset[str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A withdrawal: where and by whom it was said, and the categories it names (none: all of the consent)."""

    agency: str
    author: str
    part: frozenset[str]


@dataclass(slots=True)
class Story:
    """Everything that was published so far."""

    consents: dict[str, Declared] = field(default_factory=dict)
    withdrawn: dict[str, list[TakenBack]] = field(default_factory=dict)
    told: dict[tuple[str, int], Told] = field(default_factory=dict)  # by event id and publication
    erased: set[str] = field(default_factory=set)  # markers of what was told before its erasure was asked for
    linked: dict[str, bool] = field(default_factory=lambda: {"mother": True, "child": True})
    custodians: frozenset[str] = frozenset({"mother"})

    def may_show(self, one: Told, at: datetime) -> bool:
        """Whether the other agency may see this record at a moment."""
        if not self.linked[one.person] or one.marker in self.erased:
            return False
        return any(self._covers(name, one, at) for name in one.consents)

    def erase(self, sender: str, person: str) -> None:
        """What the sender said of the person until now is gone for good, wherever it still travels."""
        self.erased |= {
            one.marker for one in self.told.values() if (one.sender, one.person) == (sender, person)
        }

    def _covers(self, name: str, one: Told, at: datetime) -> bool:
        consent = self.consents.get(name)
        if consent is None or (consent.person, consent.sender) != (one.person, one.sender):
            return False
        in_time = consent.at <= at and (consent.until is None or at < consent.until)
        taken_back = any(not part or one.category in part for part in self._taken_back(name))
        return in_time and one.category in consent.categories and not taken_back and self._signed(consent, at)

    def _taken_back(self, name: str) -> Iterable[frozenset[str]]:
        """What was taken back of a consent: by its subject or by who signed it, at its own office, or at the other one
        as long as that is known to be the same person there."""
        consent = self.consents[name]
        for end in self.withdrawn.get(name, ()):
            may = end.author == consent.person or end.author in consent.signers
            if may and (end.agency == consent.home or self.linked[end.author]):
                yield end.part

    def _signed(self, consent: Declared, at: datetime) -> bool:
        if consent.person == "mother":
            return "mother" in consent.signers
        day = at.astimezone(ZoneInfo("Europe/Berlin")).date()
        if (day.year - 15, day.month, day.day) >= (CHILD_BORN.year, CHILD_BORN.month, CHILD_BORN.day):
            return "child" in consent.signers
        known = (
            consent.home == "ja-a" or self.linked["mother"]
        )  # custody is told by the youth office, in its names
        return known and bool(self.custodians) and self.custodians <= consent.signers

    def standing(self, admitted: Iterable[tuple[str, int]]) -> Mapping[str, Told]:
        """record → its highest admitted version and publication."""
        found: dict[str, Told] = {}
        for identity in admitted:
            one = self.told[identity]
            held = found.get(one.record)
            if held is None or (held.version, held.publication) < (one.version, one.publication):
                found[one.record] = one
        return found

    def without_ground(self, sender: str, person: str, at: datetime) -> bool:
        """Whether all consents there were for this sender's data of the person are over."""
        mine = [n for n, c in self.consents.items() if (c.sender, c.person) == (sender, person)]
        return bool(mine) and all(self._over(name, at) for name in mine)

    def _over(self, name: str, at: datetime) -> bool:
        until = self.consents[name].until
        return (until is not None and until <= at) or frozenset() in self._taken_back(name)
