"""An event's content into boxes, one per category, and the envelope around them (architecture, Contracts)."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import orjson

from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.mapping.mapped import MappedEvent
from hub.domain.clock import micros
from hub.domain.consent import ENDING, recorded_id
from hub.domain.envelope import Envelope
from hub.domain.seal import place, seal
from hub.ports import Key, KeyRef
from schemas import encode_single, record_schema


def key_ref(controller: str, event: MappedEvent) -> KeyRef:
    """The key that seals it: control data under the proof key, which outlives the boxes (rule 7)."""
    return KeyRef("proof" if event.control else "box", controller, event.subject_ref)


def envelope(
    controller: str,
    legal_domain: str,
    judged: Judged,
    key: Key | None,
    *,
    version: int,
    publication: int,
    recorded_at: int,
) -> Envelope:
    """The sealed envelope of one publication; a field that the gate did not keep is in no box, and not named unless it
    is on hold. Without a key nothing is kept."""
    event = judged.event
    kept = {name: event.categories[name] for name in sorted(judged.kept)}
    named = {name: event.categories[name] for name in sorted(judged.kept | judged.waiting)}
    event_id = event.key.event_id(event.record_ref, version)
    control = event.payload if event.control else {}
    return Envelope(
        record_ref=event.record_ref,
        event_id=event_id,
        publication=publication,
        event_type=event.schema.event_type,
        schema=event.schema.fingerprint,
        controller_id=controller,
        legal_domain=legal_domain,
        subject_ref=event.subject_ref,
        case_ref=event.case_ref,
        source_version=version,
        occurred_at=event.occurred_at,
        recorded_at=recorded_at,
        valid_from=_valid_from(event, control),
        valid_to=event.valid_to,
        fields=named,
        purposes=event.purposes,
        consents=judged.consents,
        norm=event.norm,
        task_norm=event.task_norm,
        attested_by=event.attested_by,
        entrusted_by=event.entrusted_by,
        source_203=event.source_203,
        objected_76=judged.objected,
        task_class=event.task_class,
        connection=event.connection.isoformat() if event.connection else None,
        merges_with=event.merges_with,
        endangers_help=event.endangers_help,
        disputed=[name for name in event.disputed if name in kept],
        addressee=event.addressee,
        consent_id=_consent_id(controller, event),
        valid_until=_valid_until(control),
        scope=_scope(event),
        boxes=_boxes(event, kept, event_id, key) if key else {},
        held=sorted(judged.waiting),
    )


def encoded(event: Envelope) -> bytes:
    """The record on the wire."""
    return encode_single(record_schema("envelope"), event._asdict())


def _boxes(event: MappedEvent, kept: dict[str, str], event_id: bytes, key: Key) -> dict[str, bytes]:
    parts: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, category in kept.items():
        parts[category][name] = event.payload[name]
    return {
        category: seal(
            key.cipher,
            key.version,
            event.schema.encode_part(part),
            place("event", event.schema.fingerprint, event_id, event.subject_ref, category, key.version),
        )
        for category, part in parts.items()
    }


def _consent_id(controller: str, event: MappedEvent) -> str | None:
    """The agency's pseudonym of the consent: its number is sealed, and so is the office whose paper was brought."""
    if not event.control:
        return None
    found = event.payload.get("id" if event.schema.event_type == "ConsentGranted" else "consent_id")
    return event.key.consent(recorded_id(controller, found)) if isinstance(found, str) else None


def _scope(event: MappedEvent) -> str | None:
    """What a withdrawal of a part names, in clear. The scope of an objection or of a request for erasure is a text, and
    stays sealed."""
    scope = event.payload.get("scope") if event.schema.event_type in ENDING else None
    return orjson.dumps(scope).decode() if scope else None


def _valid_from(event: MappedEvent, control: Mapping[str, Any]) -> int | None:
    """Of a consent the moment at which it begins, so that the hub wakes then."""
    begins = control.get("granted_at")
    return micros(begins) if begins is not None else event.valid_from


def _valid_until(control: Mapping[str, Any]) -> int | None:
    """Of a consent the moment at which it ends by what it says itself."""
    ends = [end for end in (control.get("valid_until"), control.get("withdrawn_at")) if end is not None]
    return micros(min(ends)) if ends else None
