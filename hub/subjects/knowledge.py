"""What the policy must know of a person at a moment: consents, birth date, capacity, custody, objections.

It is kept only as long as the person's epoch stands (protocol rule 10). How it is folded from the sealed consent
register: `hub.subjects.fold`; how a stage asks for it: `hub.subjects.learning`.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from threading import Lock
from typing import NamedTuple

from cachetools import LRUCache

from hub.domain.clock import berlin_day, berlin_midnight
from hub.domain.consent import Consent
from hub.policy.control import ControlData, Custody
from hub.policy.facts import Subject
from hub.policy.gate import Verdict


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The control state of one person or family, in the hub's own names of persons."""

    person: str
    epoch: int
    family: bool = False
    control: ControlData = field(default=ControlData(), repr=False)
    members: tuple[tuple[str, ControlData], ...] = field(default=(), repr=False)  # of a family
    consents: tuple[Consent, ...] = ()
    recorded_at: Mapping[str, str] = field(
        default_factory=dict, repr=False
    )  # consent id → the recording office
    offices: Mapping[str, frozenset[str]] = field(
        default_factory=dict, repr=False
    )  # custodian → who knows them
    objections: tuple[datetime, ...] = ()
    linked: bool = False
    split: bool = False
    verdicts: dict[object, tuple[Verdict, datetime]] = field(default_factory=dict, repr=False, compare=False)

    def verdict(self, asked: object, at: datetime, judge: Callable[[], Verdict]) -> Verdict:
        """What was judged of this person before, as long as neither the epoch nor time alone can have changed it."""
        found = self.verdicts.get(asked)
        if found is None or at >= found[1]:
            if len(self.verdicts) >= _VERDICTS:
                self.verdicts.clear()
            found = self.verdicts[asked] = judge(), self.steady_until(at)
        return found[0]

    def steady_until(self, at: datetime) -> datetime:
        """The next moment at which time alone may change what the policy says: a consent begins or ends, a day does."""
        moments = [berlin_midnight(berlin_day(at) + timedelta(days=1)), *self.objections, *self.moments()]
        for consent in self.consents:
            moments += [consent.granted_at, *(part.at for part in consent.scoped_withdrawals)]
            moments += [end for end in (consent.valid_until, consent.withdrawn_at) if end]
        return min(moment for moment in moments if moment > at)

    def moments(self) -> Iterator[datetime]:
        """When time alone changes who signs for the person, or for the family."""
        return chain(self.control.moments(), *(member.moments() for _, member in self.members))

    @property
    def recorded(self) -> bool:
        """Whether an office has recorded the person's birth date."""
        return any(one.value for one in self.control.births)

    def subject(self, at: datetime) -> Subject:
        """The subject of a policy request; a family's custodians are its adult members."""
        if not self.family:
            return self.control.subject(self.person, at)
        day = berlin_day(at)
        adults = dict.fromkeys(who for who, member in self.members if member.adult(day, at))
        return Subject(ref=self.person, birth_date=None, capable=None, custodians=tuple(adults))

    def objected(self, at: datetime) -> bool:
        """§ 76 SGB X: from then on, for all records, earlier ones too; one that is known holds, whatever clocks say."""
        return any(min(since, at) <= at for since in self.objections)

    def consents_at(self, at: datetime) -> tuple[Consent, ...]:
        """The consents as the hub may use them at `at`, its own time: what is known to be withdrawn is withdrawn, even
        when the agency's clock and the broker's both run ahead of the hub's."""
        lists = self.control.custody_lists(at)
        ended = (_ended_by(consent, at) for consent in self.consents)
        if len(lists) < 2:
            return tuple(ended)
        return tuple(self._signed_as_recorded(consent, lists) for consent in ended)

    def _signed_as_recorded(self, consent: Consent, lists: Sequence[Custody]) -> Consent:
        """Several offices state the same custody, each in its own names. A consent that everybody has signed whom the
        recording office names is signed for another office's list too, as far as the names of both may be the same
        persons: a custodian who is linked nowhere, or was split, is still the one whom that office means."""
        office = self.recorded_at.get(consent.id, "")
        own = {name for one in lists if one.office == office for name in one.value}
        if not own or not own <= set(consent.granted_by):
            return consent
        meant = chain.from_iterable(self._meant(one, own) for one in lists if one.office != office)
        return replace(consent, granted_by=tuple(dict.fromkeys((*consent.granted_by, *meant))))

    def _meant(self, other: Custody, own: AbstractSet[str]) -> Iterable[str]:
        """The other office's names, where each of them may be a different one of the signers."""
        missing = sorted(set(other.value) - own)
        spare = sorted(own - set(other.value))
        return missing if each_may_be_one(missing, spare, self._may_be_same) else ()

    def _may_be_same(self, one: str, other: str) -> bool:
        """An office knows a person by one name: two persons whom one office knows are two."""
        return self._known_at(one).isdisjoint(self._known_at(other))

    def _known_at(self, name: str) -> frozenset[str]:
        return self.offices.get(name) or frozenset((name.split(":", 1)[0],))


def _ended_by(consent: Consent, at: datetime) -> Consent:
    parts = tuple(replace(part, at=min(part.at, at)) for part in consent.scoped_withdrawals)
    if consent.withdrawn_at is None and not parts:
        return consent
    whole = min(consent.withdrawn_at, at) if consent.withdrawn_at else None
    return replace(consent, withdrawn_at=whole, scoped_withdrawals=parts)


MOST_HOLDERS = 20
"""Custodians of one list whose names are held against those of another office; of more, nobody is equated."""


def each_may_be_one(names: Sequence[str], spare: Sequence[str], same: Callable[[str, str], bool]) -> bool:
    """Whether every name can stand for another one of `spare`: a matching, found by augmenting paths, so that a list
    costs no more than the cube of its length."""
    if len(names) > min(len(spare), MOST_HOLDERS):
        return False
    standing: dict[str, str] = {}

    def place(name: str, tried: set[str]) -> bool:
        for one in spare:
            if one in tried or not same(name, one):
                continue
            tried.add(one)
            if one not in standing or place(standing[one], tried):
                standing[one] = name
                return True
        return False

    return all(place(name, set()) for name in names)


LONGEST = 300.0  # seconds; as long as a key may be cached (protocol rule 4)
SIZE = 64 * 2**20  # bytes
_VERDICTS, _VERDICT = 64, 1200  # verdicts that are kept of one person, and bytes of one; measured


class _Kept(NamedTuple):
    """`size` in bytes, without the verdicts, of which so many were counted."""

    knowledge: Knowledge
    until: float
    size: int
    verdicts: int = 0

    @property
    def bytes(self) -> int:
        return self.size + self.verdicts * _VERDICT


class KnowledgeCache:
    """Opened control states by (subject, epoch), the least recently used leave first, and whatever is older than a
    cached key may be: a proof that was destroyed is soon forgotten by every process. The stages of one worker share it
    between their threads. `size` in bytes, verdicts included. `agencies`: those that take part, against whom a
    withdrawal's recipients are read."""

    def __init__(
        self,
        size: int = SIZE,
        life: float = LONGEST,
        monotonic: Callable[[], float] = time.monotonic,
        agencies: frozenset[str] = frozenset(),
    ) -> None:
        self.agencies = agencies
        self._life, self._monotonic, self._lock = life, monotonic, Lock()
        self._next_sweep = 0.0
        self._kept: LRUCache[str, _Kept] = LRUCache(size, getsizeof=lambda kept: kept.bytes)

    def get(self, subject: str, epoch: int) -> Knowledge | None:
        with self._lock:
            found = self._kept.get(subject)
            if found is None:
                return None
            if found.knowledge.epoch != epoch or found.until <= self._monotonic():
                del self._kept[subject]
                return None
            if len(found.knowledge.verdicts) != found.verdicts:
                self._keep(subject, found._replace(verdicts=len(found.knowledge.verdicts)))
            return found.knowledge

    def put(self, subject: str, knowledge: Knowledge) -> None:
        now = self._monotonic()
        kept = _Kept(knowledge, now + self._life, size_of(knowledge))
        with self._lock:
            self._sweep(now)
            self._keep(subject, kept)

    def forget(self, subjects: Iterable[str]) -> None:
        """Keep nothing of these, whatever its epoch."""
        with self._lock:
            for subject in subjects:
                self._kept.pop(subject, None)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()

    def _keep(self, subject: str, kept: _Kept) -> None:
        if kept.bytes <= self._kept.maxsize:
            self._kept[subject] = kept
        else:
            self._kept.pop(subject, None)

    def _sweep(self, now: float) -> None:
        """Let go of what may not be used any more, asked for or not."""
        if now >= self._next_sweep:
            self._next_sweep = now + self._life / 10
            for subject in [subject for subject, kept in self._kept.items() if kept.until <= now]:
                del self._kept[subject]


def size_of(value: object) -> int:
    """Bytes that a value of frozen dataclasses, containers and plain values takes in memory; what several share counts
    for each."""
    size = sys.getsizeof(value)
    if is_dataclass(value):
        return size + sum(size_of(getattr(value, one.name)) for one in fields(value))
    if isinstance(value, Mapping):
        return size + sum(size_of(key) + size_of(one) for key, one in value.items())
    if isinstance(value, (tuple, list, frozenset, set)):
        return size + sum(map(size_of, value))
    return size
