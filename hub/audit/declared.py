"""What people declared, read anew from the consents topics of the log."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from hub.domain.clock import micros
from hub.domain.envelope import Envelope
from hub.ports import Record
from hub.stages.boxes import content, keys_for
from hub.stages.parts import Parts
from schemas import InvalidPayload, UnknownSchema, decode_single, record_schema

_BATCH = 1000
_ENDING = frozenset({"ConsentWithdrawn", "ConsentExpired"})
_NOTICES = frozenset({"purpose", "refusal", "withdrawal"})
_DIMENSIONS = ("purposes", "categories", "recipients")
Scope = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One release of one category: from whom to whom for what, at a moment in microseconds since 1970 UTC."""

    sender: str
    recipient: str
    purpose: str
    category: str
    at: int


@dataclass(frozen=True, slots=True)
class Ending:
    """What takes a consent back; `scope` of nothing means all of it. `received`: when the log had it."""

    received: int
    scope: Scope

    def reaches(self, asked: Asked) -> bool:
        values = dict(zip(_DIMENSIONS, (asked.purpose, asked.category, asked.recipient), strict=True))
        return all(not self.scope[name] or value in self.scope[name] for name, value in values.items())


@dataclass(slots=True)
class Declared:
    """One consent id: what was granted under it, as far as its proof can be opened, and what ended it."""

    order: tuple[int, bytes] = (0, b"")
    granted: Mapping[str, Any] | None = field(default=None, repr=False)
    sealed: bool = False  # there is a grant, and its proof cannot be opened any more
    endings: list[Ending] = field(default_factory=list)

    def covers(self, asked: Asked) -> bool:
        """Whether it was granted for this, endings aside."""
        g = self.granted
        if g is None or not (set(g.get("notices", ())) >= _NOTICES and g.get("proof_hash")):
            return False
        until = g.get("valid_until")
        in_time = micros(g["granted_at"]) <= asked.at and (until is None or asked.at < micros(until))
        named = (asked.recipient in g.get("recipients", ())) and asked.purpose in g.get("purposes", ())
        special = asked.category != "G9" or g.get("explicit_special") is True
        written = g.get("form") in ("written", "electronic")
        right = g["sender"] == asked.sender and asked.category in g.get("categories", ())
        return in_time and named and special and written and right

    def ended(self, asked: Asked, patience: int) -> bool:
        """Whether it had been taken back for this longer than `patience` (microseconds) ago."""
        return any(one.reaches(asked) and one.received + patience <= asked.at for one in self.endings)


def declared(parts: Parts) -> dict[str, Declared]:
    """Every consent id of every agency's consents topic."""
    found: defaultdict[str, Declared] = defaultdict(Declared)
    for agency in sorted(parts.agencies):
        for batch in _batches(parts, f"agency.{agency}.consents"):
            events = [(record, one) for record in batch if (one := _envelope(record, agency))]
            _take(parts, found, events)
    return dict(found)


def _take(parts: Parts, found: Mapping[str, Declared], events: Iterable[tuple[Record, Envelope]]) -> None:
    grants = []
    for record, one in events:
        if one.event_type in _ENDING:
            found[str(one.consent_id)].endings.append(Ending(_received(record), _scope(one.scope)))
        elif one.event_type == "ConsentGranted":
            grants.append(one)
    keys = keys_for(parts.keys, "proof", grants)
    for one in grants:
        mine, order = found[str(one.consent_id)], (one.recorded_at, one.event_id)
        fields, state = content(one, "proof", keys)
        mine.sealed |= state in ("erased", "fenced")
        if {"sender", "granted_at"} <= fields.keys() and (mine.granted is None or order < mine.order):
            mine.granted, mine.order = fields, order


def _batches(parts: Parts, topic: str) -> Iterator[list[Record]]:
    state = parts.log.state([topic])[topic]
    following = dict(state.first)
    while any(following[partition] < end for partition, end in state.end.items()):
        batch = list(parts.log.read(topic, following, _BATCH))
        if not batch:
            return
        following |= {record.partition: record.offset + 1 for record in batch}
        yield batch


def _envelope(record: Record, agency: str) -> Envelope | None:
    """An agency's own event that names a consent; whatever else stands there is the stages' to quarantine."""
    try:
        schema, raw = decode_single(record.value)
    except (UnknownSchema, InvalidPayload):
        return None
    if schema is not record_schema("envelope") or raw["controller_id"] != agency or not raw["consent_id"]:
        return None
    return Envelope(**raw)


def _received(record: Record) -> int:
    """When the hub could first read it; what was given back to a restored log was there before."""
    first = dict(record.headers).get("received_at", b"")
    return min(int(first), record.timestamp) if first.isdigit() else record.timestamp


def _scope(text: str | None) -> Scope:
    """The part that is taken back; what cannot be read takes everything back."""
    try:
        raw = orjson.loads(text) if text else {}
        return {name: frozenset(raw.get(name) or ()) for name in _DIMENSIONS}
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return dict.fromkeys(_DIMENSIONS, frozenset())
