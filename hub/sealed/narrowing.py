"""Records that narrow take effect even when they are broken (protocol rule 7).

A withdrawal, an expiry, an objection, a split, an erasure request: nobody may go on being shown because the office's
system garbled the paper. Where such a record cannot be taken as it is, the clear head of its envelope is read as far as
it can be, and it withdraws everything that it could mean: the whole consent that it names, else every consent of the
person. It stands in quarantine besides (`hub.stages.intake.TOOK_EFFECT`), so that somebody has it said again.

One that an agency published on another topic of its own is appended to `hub.words` (`hub.sealed.words.strayed`), where
it is taken like any other, and where a rebuild and the auditor find it.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from hub.domain.consent import ENDING, NARROWING
from hub.domain.envelope import Envelope
from hub.ports import Record
from hub.sealed.decode import ENVELOPE, Event, in_range
from schemas import HEADER, UnknownSchema, by_fingerprint, event_schema, limits


def broken_event(record: Record, agency: str) -> Event | None:
    """The event that this broken record of `agency`'s own topic comes to; None when it does not narrow, names neither
    consent nor person, or speaks for another agency. The same bytes always come to the same event."""
    raw = ENVELOPE.decode_first(record.value[HEADER:])
    event_type, controller = _narrowing_type(raw), _text(raw, "controller_id")
    if event_type is None or controller not in (agency, None):
        return None
    consent_id = _text(raw, "consent_id") if event_type in ENDING else None
    subject = _subject(raw, consent_id, record.key)
    if not subject and not consent_id:
        return None
    envelope = _envelope(record, agency, event_type, subject, consent_id, raw)
    schema = event_schema(event_type)
    identity = (envelope.event_id.hex(), envelope.publication)
    return Event(record, envelope, schema, f"{agency}:{subject}", identity, broken=True)


def _narrowing_type(raw: Mapping[str, Any]) -> str | None:
    """The narrowing type that it says or, where its schema is known, is."""
    said = "".join(sign for sign in str(raw.get("event_type", "")) if sign.isalnum())
    if said in NARROWING:
        return said
    try:
        meant = by_fingerprint(raw.get("schema", b"")).event_type
    except UnknownSchema:
        return None
    return meant if meant in NARROWING else None


def _subject(raw: Mapping[str, Any], consent_id: str | None, key: bytes) -> str:
    """Who says it; "" when the record names a consent and nobody who could be meant. A record that names no consent
    either is by whom it is keyed."""
    subject = _text(raw, "subject_ref")
    astray = subject is not None and subject.startswith("f_") and subject != raw.get("case_ref", subject)
    if subject and not (astray and consent_id):
        return subject
    return "" if consent_id else _readable(key.decode("utf-8", "replace"), "subject_ref") or ""


def _text(raw: Mapping[str, Any], name: str) -> str | None:
    """A text of the head that can be meant and stored; None for any other."""
    value = raw.get(name)
    return _readable(value, name) if isinstance(value, str) else None


def _readable(text: str, name: str) -> str | None:
    limit = limits.ENVELOPE[name]
    fits = text and not limits.name_problem(text, limit) and "\N{REPLACEMENT CHARACTER}" not in text
    return text if fits else None


def _envelope(
    record: Record, agency: str, event_type: str, subject: str, consent_id: str | None, raw: Mapping[str, Any]
) -> Envelope:
    """Without boxes, scope and whatever else is not needed to withdraw. Its ids are its own: a broken record may
    bear those of another, and would then be taken for a version of it."""
    received = record.timestamp
    own = hashlib.sha256(record.topic.encode() + b"\0" + record.value).digest()[:16]
    usual: dict[str, Any] = dict.fromkeys(Envelope._fields) | {
        "record_ref": own,
        "event_id": own,
        "publication": 1,
        "event_type": event_type,
        "schema": event_schema(event_type).fingerprint,
        "controller_id": agency,
        "legal_domain": "",
        "subject_ref": subject,
        "case_ref": _text(raw, "case_ref") or subject,
        "source_version": 0,
        "occurred_at": _time(raw.get("occurred_at"), received),
        "recorded_at": _time(raw.get("recorded_at"), received),
        "fields": {},
        "purposes": [],
        "consents": [],
        "disputed": [],
        "source_203": False,
        "objected_76": False,
        "endangers_help": False,
        "consent_id": consent_id,
        "boxes": {},
        "held": [],
    }
    return Envelope(**usual)


def _time(at: int | None, received: int) -> int:
    return at if at is not None and in_range(at) else received
