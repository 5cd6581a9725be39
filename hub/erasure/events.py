"""The hub's own events about an agency's subjects: an erasure asked for at the hub or executed, a lost withdrawal.

They stand on `hub.words` (`hub.sealed.words`), sealed like the agency's own control data under the person's proof key.
They bear ids made with the hub's secret, so that on an agency's consents topic, where an older release published them,
nobody else can say that something was erased.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hub.domain.clock import micros
from hub.domain.envelope import LEGAL_DOMAINS, Envelope
from hub.domain.seal import place, seal
from hub.parts import Parts
from hub.ports import Key, KeyRef
from hub.sealed.decode import encode_envelope
from hub.sealed.words import word
from hub.topology import HUB_WORDS
from schemas import event_schema

REQUESTED, EXECUTED = "ErasureRequested", "ErasureExecuted"
_SIZE = 16  # bytes of a ref


def named(secret: bytes, *parts: str) -> bytes:
    """An id that only the hub can make."""
    return hmac.digest(secret, b"\0".join(part.encode() for part in ("erasure", *parts)), "sha256")[:_SIZE]


def executed_id(secret: bytes, request: str) -> bytes:
    """The event that says that this request was executed."""
    return named(secret, EXECUTED, request)


def say(
    parts: Parts,
    event_type: str,
    subject: str,
    case_ref: str,
    payload: Mapping[str, Any],
    *,
    record_ref: bytes,
    event_id: bytes,
    at: datetime,
    consent_id: str | None = None,
) -> None:
    """Publish one such event about `subject` (controller:ref); returns once the log holds it."""
    agency, ref = subject.split(":", 1)
    wanted = KeyRef("proof", agency, ref)
    key = parts.keys.sealing([wanted])[wanted]
    envelope = _envelope(parts, event_type, key, case_ref, payload, record_ref, event_id, micros(at))
    envelope = envelope._replace(consent_id=consent_id)
    value = encode_envelope(envelope)
    parts.log.append(HUB_WORDS, [word(parts.secret, agency, ref.encode(), value, micros(parts.clock.now()))])


def _envelope(
    parts: Parts,
    event_type: str,
    key: Key,
    case_ref: str,
    payload: Mapping[str, Any],
    record_ref: bytes,
    event_id: bytes,
    at: int,
) -> Envelope:
    schema, (_, agency, subject, _) = event_schema(event_type), key.ref
    fields = {name: "CT" for name, value in payload.items() if value is not None}
    where = place("event", schema.fingerprint, event_id, subject, "CT", key.version)
    plain = schema.encode_part({name: payload[name] for name in fields})
    usual: dict[str, Any] = dict.fromkeys(Envelope._fields) | {
        "held": [],
        "record_ref": record_ref,
        "event_id": event_id,
        "publication": 1,
        "event_type": event_type,
        "schema": schema.fingerprint,
        "controller_id": agency,
        "legal_domain": LEGAL_DOMAINS[parts.agencies[agency].kind],
        "subject_ref": subject,
        "case_ref": case_ref,
        "source_version": at,
        "occurred_at": at,
        "recorded_at": at,
        "fields": fields,
        "purposes": (),
        "consents": (),
        "disputed": (),
        "source_203": False,
        "objected_76": False,
        "endangers_help": False,
        "boxes": {"CT": seal(key.cipher, key.version, plain, where)} if fields else {},
    }
    return Envelope(**usual)
