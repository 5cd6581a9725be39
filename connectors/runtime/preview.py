"""What would leave the agency, record by record, before anything does: the same mapping and gate, no log and no keys.

Only the agency's own consents are known here; those signed at another agency reach a gate through the hub's register.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

from connectors.runtime.build import gate, kind
from connectors.runtime.config import ConnectorConfig
from connectors.runtime.judging import EgressGate, Judged
from connectors.runtime.knowledge import Knowledge
from connectors.runtime.lookups import LookupIndex
from connectors.runtime.mapping import OWN_NAME, MappedEvent, Mapper, Unmapped
from connectors.runtime.ports import Incident, Row, Source
from connectors.runtime.register import Register
from connectors.runtime.runtime import ALWAYS_SAID, unmapped_columns
from connectors.runtime.state import State
from hub.domain.clock import berlin_day
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError
from hub.policy.compiled import Reason
from hub.policy.facts import Sender
from hub.policy.gate import Gate

Fate = Literal["sent", "pseudonymised", "withheld"]
CONSENT, NORM, NEEDLESS = "R04", "R09", "R03"
_ROUNDS = 1000  # snapshots in one folder, at most


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
    """What cannot be read, and would wait in quarantine."""

    place: str
    event_type: str
    reason: str
    column: str
    remedy: str


@dataclass(slots=True)
class Preview:
    """`totals`: rule → withheld fields; `read`: rows."""

    records: list[RecordFate] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    unmapped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    read: int = 0


def preview(
    config: ConnectorConfig, key: AgencyKey, now: datetime, policy_files: Sequence[Path] = ()
) -> Preview:
    """Read the whole source as a first run would, with a state of its own that is thrown away.

    Raises what the source raises; opens no log and no key store.
    """
    module = kind(config)
    if module.spec.role != "source":
        raise ConfigurationError("is no source", place="config.connector.kind", remedy="preview a source")
    with TemporaryDirectory() as folder:
        state = State(Path(folder) / "state.sqlite", lambda row_key: key.row_hash(b"key" + row_key.encode()))
        source: Source = module.build(config, state, key)
        try:
            return _Looking(config, key, gate(config, policy_files), now).over(source, state)
        finally:
            source.close()
            state.close()


class _Looking:
    """One walk over a source."""

    def __init__(self, config: ConnectorConfig, key: AgencyKey, judge: Gate, now: datetime) -> None:
        self._config, self._now, self._found = config, now, Preview()
        self._mapper = Mapper(key, config.agency_kind, config.streams)
        self._lookups = LookupIndex(config.lookups)
        self._knowledge = Knowledge(config.agency, key, Register(config.agency))
        sender = Sender(controller=config.agency, kind=config.agency_kind)
        self._gate = EgressGate(sender, judge, self._knowledge)
        period = judge.policy.on(berlin_day(now)) or judge.policy.latest
        self._reasons: Mapping[str, Reason] = period.reasons

    def over(self, source: Source, state: State) -> Preview:
        source.check()
        for _ in range(_ROUNDS):
            self._note(source.refresh(self._now))
            self._learn(source)
            if not self._read(source, state):
                break
            source.finished()
        self._found.unmapped = unmapped_columns(self._config, source)
        return self._found

    def _learn(self, source: Source) -> None:
        """Lookups and own control data first: the gate must know every consent before it judges."""
        names = [name for name, stream in self._config.streams.items() if stream.control]
        control = source.control([*dict.fromkeys((*self._lookups.streams, *names))])
        rows = list(control.rows)
        self._lookups.take(rows, complete=control.complete)
        alive = [row for row in rows if not row.gone and row.stream in names]
        mapped = (self._mapper.events(row, self._lookups.tables, control_only=True) for row in alive)
        events = [one for found in mapped for one in found if isinstance(one, MappedEvent)]
        self._knowledge.learn(events, complete=control.complete)

    def _read(self, source: Source, state: State) -> int:
        consented, count = self._knowledge.consented_cases(), 0
        for batch in source.read([*self._config.streams], self._config.batch):
            count += len(batch.rows)
            for row in batch.rows:
                self._row(row, consented)
            with state.transaction():
                state.advance(batch.stream, batch.rows, batch.cursor, set())
        self._found.read += count
        return count

    def _row(self, row: Row, consented: frozenset[str]) -> None:
        for one in self._mapper.events(row, self._lookups.tables):
            if isinstance(one, Unmapped):
                self._found.faults.append(
                    Fault(one.place, one.event_type, one.reason, one.column, one.remedy)
                )
                continue
            judged = self._gate.of(one, self._now)
            silent = one.control and one.case_ref not in consented
            if silent and one.schema.event_type not in ALWAYS_SAID:
                judged = Judged(one, frozenset(), dropped=dict.fromkeys(one.payload, NEEDLESS))
            self._record(judged)

    def _record(self, judged: Judged) -> None:
        event, named = judged.event, self._names(judged.event)
        fields = tuple(self._fate(judged, name, named) for name in event.payload)
        self._found.totals.update(one.rule for one in fields if one.fate == "withheld")
        self._found.records.append(
            RecordFate(event.place, event.schema.event_type, event.subject_ref, fields)
        )

    def _names(self, event: MappedEvent) -> frozenset[str]:
        """The fields that hold pseudonyms in place of the agency's own numbers."""
        mapped = [m for m in self._config.streams[event.stream].events if m.schema is event.schema]
        own = {OWN_NAME[event.schema.event_type]} if event.schema.event_type in OWN_NAME else set()
        return frozenset(own | {name for m in mapped for name, value in m.fields.items() if value.person})

    def _fate(self, judged: Judged, name: str, named: frozenset[str]) -> FieldFate:
        event = judged.event
        category = event.categories.get(name, "")
        if name not in judged.kept:
            rule = judged.dropped.get(name) or judged.rule or NEEDLESS
            return FieldFate(name, category, "withheld", rule, self._norm(rule))
        rule = CONSENT if event.norm is None else NORM
        return FieldFate(name, category, "pseudonymised" if name in named else "sent", rule, self._norm(rule))

    def _norm(self, rule: str) -> str:
        return self._reasons[rule].norm if rule in self._reasons else ""

    def _note(self, incidents: Sequence[Incident]) -> None:
        found = [Fault(one.place, "", one.reason, "", one.remedy) for one in incidents]
        self._found.faults += [one for one in found if one not in self._found.faults]


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
