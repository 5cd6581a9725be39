"""Opening boxes in memory, many at once."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from cryptography.exceptions import InvalidTag

from hub.domain.envelope import Envelope
from hub.domain.seal import key_version, open_box, place
from hub.ports import Erased, FencedKey, Key, KeyRef, KeyStore
from schemas import InvalidPayload, UnknownSchema, by_fingerprint, limits, upcast

State = Literal["open", "erased", "fenced", "unsealed", "past_limits"]
Found = Mapping[tuple[KeyRef, int], Key | Erased | FencedKey]


class Content(NamedTuple):
    """What an event's boxes hold: `fields` of those that open; `state` says why others do not."""

    fields: Mapping[str, Any]
    state: State

    def __repr__(self) -> str:
        return f"Content({self.state})"


def key_ref(envelope: Envelope, kind: Literal["box", "proof"]) -> KeyRef:
    return KeyRef(kind, envelope.controller_id, envelope.subject_ref)


def keys_for(keys: KeyStore, kind: Literal["box", "proof"], envelopes: Iterable[Envelope]) -> Found:
    """The keys of all boxes of these events, in one call."""
    wanted: set[tuple[KeyRef, int]] = set()
    for envelope in envelopes:
        ref = key_ref(envelope, kind)
        for box in envelope.boxes.values():
            wanted.add((ref, key_version(box)))
    return keys.opening(wanted)


def content(envelope: Envelope, kind: Literal["box", "proof"], found: Found) -> Content:
    """Open every box; the first that does not open says the state of all. What holds a text beyond `schemas.limits` is
    not read: no view and no sink could carry it."""
    fields: dict[str, Any] = {}
    ref = key_ref(envelope, kind)
    for category, box in envelope.boxes.items():
        version = key_version(box)
        key = found.get((ref, version))
        if not isinstance(key, Key):
            return Content({}, "fenced" if isinstance(key, FencedKey) else "erased")
        part = _open(envelope, category, box, key)
        if part is None:
            return Content({}, "unsealed")
        if limits.payload_problem(part):
            return Content({}, "past_limits")
        fields.update(part)
    return Content(upcast(by_fingerprint(envelope.schema), fields), "open")


def seal_state(envelope: Envelope, kind: Literal["box", "proof"], found: Found) -> State:
    """Whether every box opens where it stands; what is in them is not looked at. The worst state counts."""
    ref = key_ref(envelope, kind)
    for category, box in envelope.boxes.items():
        key = found.get((ref, key_version(box)))
        if not isinstance(key, Key):
            return "fenced" if isinstance(key, FencedKey) else "erased"
        try:
            open_box(key.cipher, box, _place(envelope, category, key))
        except InvalidTag:
            return "unsealed"
    return "open"


def _place(envelope: Envelope, category: str, key: Key) -> bytes:
    return place("event", envelope.schema, envelope.event_id, envelope.subject_ref, category, key.version)


def _open(envelope: Envelope, category: str, box: bytes, key: Key) -> Mapping[str, Any] | None:
    """The fields in one box; None when it is not the box that belongs here, or holds a field of another category."""
    try:
        part = by_fingerprint(envelope.schema).decode(
            open_box(key.cipher, box, _place(envelope, category, key))
        )
    except (InvalidTag, InvalidPayload, UnknownSchema):
        return None
    labels = envelope.fields
    return part if all(labels.get(name, category) == category for name in part) else None
