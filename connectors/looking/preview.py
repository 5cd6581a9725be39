"""What would leave the agency, record by record, before anything does: the same mapping and gate, no log and no keys.

Only the agency's own consents are known here; those signed at another agency reach a gate through the hub's register.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from connectors.looking.offline import NEEDLESS, Vanished, norm_of, offline
from connectors.runtime.config import ConnectorConfig
from connectors.runtime.judging import Judged
from connectors.runtime.mapped import MappedEvent, Unmapped
from connectors.runtime.ports import Incident
from connectors.runtime.ring import Keys
from connectors.runtime.streams import OWN_NAME

Fate = Literal["sent", "pseudonymised", "withheld"]
CONSENT, NORM = "R04", "R09"


@dataclass(frozen=True, slots=True)
class FieldFate:
    """What becomes of one field, by which rule: for what is sent, the rule whose condition it meets."""

    field: str
    category: str
    fate: Fate
    rule: str
    norm: str

    def as_json(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in ("field", "category", "fate", "rule", "norm")}


@dataclass(frozen=True, slots=True)
class RecordFate:
    """One record of the agency: where it stands, whom it is about (by pseudonym), and its fields' fates."""

    place: str
    event_type: str
    subject_ref: str
    fields: tuple[FieldFate, ...]

    @property
    def sent(self) -> bool:
        """Whether anything of it would leave."""
        return any(each.fate != "withheld" for each in self.fields)

    def as_json(self) -> dict[str, Any]:
        return {
            "place": self.place, "event_type": self.event_type, "subject_ref": self.subject_ref,
            "fields": [each.as_json() for each in self.fields],
        }  # fmt: skip


class Fault(NamedTuple):
    """What cannot be read, and would wait in quarantine; of a `stream` or delivery as a whole its name stands there."""

    place: str
    event_type: str
    reason: str
    column: str
    remedy: str
    stream: str = ""


@dataclass(slots=True)
class Preview:
    """`totals`: rule → withheld fields; `read`: rows."""

    records: list[RecordFate] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    unmapped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    read: int = 0


def preview(config: ConnectorConfig, keys: Keys, now: datetime, policy_files: Sequence[Path] = ()) -> Preview:
    """Read the whole source as a first run would, with a state that is thrown away.

    Raises what the source raises; opens no log and no key store.
    """
    found = Preview()
    with offline(config, keys, policy_files) as house:
        for one in house.judged(now):
            if isinstance(one, Judged):
                _record(found, one, _names(config, one.event), partial(norm_of, house.policy, now))
            elif not isinstance(one, Vanished):
                found.faults.append(_fault(one))
        found.unmapped, found.read = house.unmapped(), house.read
    return found


def _record(found: Preview, judged: Judged, named: frozenset[str], norm: Callable[[str], str]) -> None:
    event = judged.event
    fields = tuple(_fate(judged, name, named, norm) for name in event.payload)
    found.totals.update(one.rule for one in fields if one.fate == "withheld")
    found.records.append(RecordFate(event.place, event.schema.event_type, event.subject_ref, fields))


def _names(config: ConnectorConfig, event: MappedEvent) -> frozenset[str]:
    """The fields that hold pseudonyms in place of the agency's own numbers."""
    mapped = [m for m in config.streams[event.stream].events if m.schema is event.schema]
    own = {OWN_NAME[event.schema.event_type]} if event.schema.event_type in OWN_NAME else set()
    return frozenset(own | {name for m in mapped for name, value in m.fields.items() if value.person})


def _fate(judged: Judged, name: str, named: frozenset[str], norm: Callable[[str], str]) -> FieldFate:
    category = judged.event.categories.get(name, "")
    if name not in judged.kept:
        rule = judged.dropped.get(name) or judged.rule or NEEDLESS
        return FieldFate(name, category, "withheld", rule, norm(rule))
    rule = CONSENT if judged.event.norm is None else NORM
    return FieldFate(name, category, "pseudonymised" if name in named else "sent", rule, norm(rule))


def _fault(one: Unmapped | Incident) -> Fault:
    if isinstance(one, Unmapped):
        return Fault(one.place, one.event_type, one.reason, one.column, one.remedy)
    return Fault(one.place, "", one.reason, "", one.remedy, one.stream)


def by_type(records: Iterable[RecordFate]) -> Iterator[tuple[str, int, int]]:
    """Event type, how many of it would leave at least in part, and how many there are."""
    counted: dict[str, Counter[bool]] = {}
    for record in records:
        counted.setdefault(record.event_type, Counter())[record.sent] += 1
    return ((name, count[True], count.total()) for name, count in sorted(counted.items()))


def alike(faults: Sequence[Fault]) -> Iterator[tuple[Fault, int]]:
    """Faults of one kind (event, reason, column) together: the first of them, and how many."""
    kinds = Counter((fault.event_type, fault.reason, fault.column) for fault in faults)
    first = {(fault.event_type, fault.reason, fault.column): fault for fault in reversed(faults)}
    return ((first[kind], count) for kind, count in kinds.items())
