"""What would leave the agency, record by record, before anything does: the same mapping and gate, no log and no keys.

Only the agency's own consents are known here; those signed at another agency reach a gate through the hub's register.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import field as hidden
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from connectors.contract import Incident
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import OWN_NAME, EventMapping
from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.publish.keyring import Keys
from connectors.tools.dry_run.offline import NEEDLESS, Offline, Vanished, norm_of, offline
from connectors.tools.dry_run.protections import (
    Effect,
    Lookalike,
    Unanswered,
    effect_of,
    lookalikes,
    unanswered,
)
from hub.domain.consent import NARROWING
from hub.policy.nearly import Nearly

Fate = Literal["sent", "pseudonymised", "withheld"]
CONSENT, NORM = "R04", "R09"


@dataclass(frozen=True, slots=True)
class FieldFate:
    """What becomes of one field, by which rule: for what is sent, the rule whose condition it meets.

    `value`: as mapped, in plain JSON (dates ISO, decimals as text); None where the record says nothing. Such a
    field has no rule, for nothing of it is judged.
    """

    field: str
    category: str
    fate: Fate
    rule: str
    norm: str
    value: Any = hidden(default=None, repr=False)

    def as_json(self, *, values: bool = False) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in ("field", "category", "fate", "rule", "norm")}
        return found | ({"value": self.value} if values else {})


@dataclass(frozen=True, slots=True)
class RecordFate:
    """One record of the agency: where it stands, whom it is about (by pseudonym), and its fields' fates.

    `empty`: mapped fields of which the record says nothing. `nearly`: consents that would nearly have opened a field.
    """

    place: str
    event_type: str
    subject_ref: str
    fields: tuple[FieldFate, ...]
    local_id: str = field(default="", repr=False)
    case_id: str = field(default="", repr=False)
    empty: tuple[FieldFate, ...] = ()
    nearly: tuple[Nearly, ...] = ()

    @property
    def sent(self) -> bool:
        """Whether anything of it would leave."""
        return any(each.fate != "withheld" for each in self.fields)

    def as_json(self, *, values: bool = False) -> dict[str, Any]:
        """`values`: with what stands in the record, for the agency's own screen."""
        shown = (*self.fields, *self.empty) if values else self.fields
        return {
            "place": self.place,
            "event_type": self.event_type,
            "subject_ref": self.subject_ref,
            **({"local_id": self.local_id, "case_id": self.case_id} if values else {}),
            "fields": [each.as_json(values=values) for each in shown],
            "nearly": [one._asdict() for one in self.nearly],
        }


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
    """`totals`: rule → withheld fields; `read`: rows. `narrowing`: what takes something back takes effect although
    the rest of its row is held; all other events of a held row are in no list."""

    records: list[RecordFate] = field(default_factory=list)
    narrowing: list[RecordFate] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    unmapped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    read: int = 0
    unanswered: list[Unanswered] = field(default_factory=list)
    lookalikes: list[Lookalike] = field(default_factory=list)
    consents: Effect = field(default_factory=Effect)


def preview(config: ConnectorConfig, keys: Keys, now: datetime, policy_files: Sequence[Path] = ()) -> Preview:
    """Read the whole source as a first run would, with a state that is thrown away.

    Raises what the source raises; opens no log and no key store.
    """
    found = Preview()
    with offline(config, keys, policy_files) as house:
        for one in house.judged(now):
            if isinstance(one, Judged):
                found.records.append(_record(config, house, one, now))
            elif not isinstance(one, Vanished):
                found.faults.append(_fault(one))
        found.unmapped, found.read = house.unmapped(), house.read
        found.consents = effect_of(house.consents(now), now)
    _hold_whole(found)
    for record in (*found.records, *found.narrowing):
        found.totals.update(one.rule for one in record.fields if one.fate == "withheld")
    found.unanswered, found.lookalikes = list(unanswered(config)), list(lookalikes(config, found.unmapped))
    return found


def _hold_whole(found: Preview) -> None:
    """A row that is held is held whole."""
    held = {fault.place for fault in found.faults if not fault.stream}
    waiting = [one for one in found.records if one.place in held]
    found.records = [one for one in found.records if one.place not in held]
    found.narrowing = [one for one in waiting if one.event_type in NARROWING]


def _record(config: ConnectorConfig, house: Offline, judged: Judged, now: datetime) -> RecordFate:
    event, norm = judged.event, partial(norm_of, house.policy, now)
    mapped = [m for m in config.streams[event.stream].events if m.schema is event.schema]
    named = _named(event, mapped)
    absent = {name for m in mapped for name in m.fields} - event.payload.keys()
    kind = config.agency_kind
    return RecordFate(
        event.place,
        event.schema.event_type,
        event.subject_ref,
        tuple(_fate(judged, name, named, norm) for name in event.payload),
        event.subject_id,
        event.case_id,
        tuple(
            FieldFate(name, event.schema.fields[name].category_for(kind), "withheld", "", "")
            for name in sorted(absent)
        ),
        house.nearly(judged, now),
    )


def _named(event: MappedEvent, mapped: Sequence[EventMapping]) -> frozenset[str]:
    """The fields that hold pseudonyms in place of the agency's own numbers."""
    own = {OWN_NAME[event.schema.event_type]} if event.schema.event_type in OWN_NAME else set()
    return frozenset(own | {name for m in mapped for name, value in m.fields.items() if value.person})


def _fate(judged: Judged, name: str, named: frozenset[str], norm: Callable[[str], str]) -> FieldFate:
    category, value = judged.event.categories.get(name, ""), _value(judged.event, name, named)
    if name not in judged.kept:
        rule = judged.dropped.get(name) or judged.rule or NEEDLESS
        return FieldFate(name, category, "withheld", rule, norm(rule), value)
    rule = CONSENT if judged.event.norm is None else NORM
    return FieldFate(name, category, "pseudonymised" if name in named else "sent", rule, norm(rule), value)


def _value(event: MappedEvent, name: str, named: frozenset[str]) -> Any:
    """The value as the agency knows it: of a person its own number in place of the pseudonym."""
    value = event.payload[name]
    if name not in named:
        return _plain(value)
    local = {**event.mentioned, event.subject_ref: event.subject_id}
    return local.get(value, value) if isinstance(value, str) else [local.get(one, one) for one in value]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else value


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
