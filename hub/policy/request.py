"""Reading a request: outside text becomes a frozen value or `Incomplete`, never an exception.

The keys, types and places where null is allowed are those of the decide contract. Deny by default starts here: a
missing key, an unknown key and an unknown value all end as `Incomplete`, naming the key.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from hub.domain.clock import berlin_day
from hub.domain.consent import ALL_NOTICES, Consent
from hub.policy import reading as read
from hub.policy.facts import (
    AGENCY_KINDS,
    CATEGORIES,
    CONSENT_PURPOSES,
    FORMS,
    LABELS,
    PURPOSES,
    ROLE_KINDS,
    TASK_CLASSES,
    ConsentGround,
    DangerRequest,
    EventFacts,
    Incomplete,
    NormGround,
    Recipient,
    Request,
    Sender,
    Subject,
)

__all__ = [
    "ConsentGround",
    "DangerRequest",
    "EventFacts",
    "Incomplete",
    "NormGround",
    "Recipient",
    "Request",
    "Sender",
    "Subject",
    "parse_consent",
    "parse_ground",
    "parse_request",
    "read_request",
]

REQUEST_KEYS = frozenset(field.name for field in fields(Request))
SENDER_KEYS = frozenset(field.name for field in fields(Sender))
RECIPIENT_KEYS = frozenset(field.name for field in fields(Recipient))
SUBJECT_KEYS = frozenset(field.name for field in fields(Subject))
EVENT_KEYS = frozenset(field.name for field in fields(EventFacts))
NORM_KEYS = frozenset(field.name for field in fields(NormGround))
CONSENT_KEYS = frozenset(field.name for field in fields(Consent)) - {
    "scoped_withdrawals",
    "number",
    "recorded_by",
}


def read_request(data: bytes) -> Request | DangerRequest | Incomplete:
    """A request from JSON in UTF-8; what is neither, or says a key twice, is incomplete like any other gap."""
    twice: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice.extend(name for name in found if names.count(name) > 1)
        return found

    try:
        obj = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return Incomplete(key="(JSON)", fields=())
    return Incomplete(key=twice[0], fields=_readable_fields(obj)) if twice else parse_request(obj)


def parse_request(obj: Any) -> Request | DangerRequest | Incomplete:
    """A request from decoded JSON. With purpose `danger_protection` only what that path needs is looked at."""
    try:
        if isinstance(obj, dict) and obj.get("purpose") == "danger_protection":
            return _danger(obj)
        return _request(read.record(obj, "", REQUEST_KEYS, ignored=frozenset({"expect"})))
    except read.UnreadablePolicy as gap:
        return Incomplete(key=gap.key, fields=_readable_fields(obj))


def parse_consent(obj: Any, key: str = "consent") -> Consent | Incomplete:
    """One consent from decoded JSON, every key of the contract present and no other."""
    try:
        return _consent(obj, key)
    except read.UnreadablePolicy as gap:
        return Incomplete(key=gap.key, fields=())


def _request(raw: dict[str, Any]) -> Request:
    purpose = read.choice(raw["purpose"], "purpose", PURPOSES)
    return Request(
        at=_moment(raw["at"]),
        purpose=purpose,
        sender=_sender(raw["sender"]),
        recipient=_recipient(raw["recipient"], purpose),
        subject=_subject(raw["subject"]),
        event=_event(raw["event"]),
        consents=tuple(_consents(raw["consents"])),
    )


def _moment(value: Any) -> datetime:
    at = read.time(value, "at")
    try:
        berlin_day(at)
    except OverflowError:
        raise read.UnreadablePolicy("at") from None
    return at


def _sender(value: Any) -> Sender:
    raw = read.record(value, "sender", SENDER_KEYS)
    return Sender(
        controller=read.text(raw["controller"], "sender.controller"),
        kind=read.choice(raw["kind"], "sender.kind", AGENCY_KINDS),
    )


def _recipient(value: Any, purpose: str) -> Recipient:
    raw = read.record(value, "recipient", RECIPIENT_KEYS)
    role = _role(raw["role"], purpose)
    return Recipient(
        controller=read.text(raw["controller"], "recipient.controller"),
        kind=_kind_of(role, raw["kind"]),
        role=role,
        worker=read.optional(read.text, raw["worker"], "recipient.worker"),
        assigned=read.flag(raw["assigned"], "recipient.assigned"),
        undertaking=read.flag(raw["undertaking"], "recipient.undertaking"),
    )


def _role(value: Any, purpose: str) -> str:
    role = read.choice(value, "recipient.role", ROLE_KINDS)
    if role == "subject" and purpose != "subject_access":
        raise read.UnreadablePolicy("recipient.role")
    return role


def _kind_of(role: str, value: Any) -> str:
    kind = read.choice(value, "recipient.kind", AGENCY_KINDS | {"subject"})
    if kind not in ROLE_KINDS[role]:
        raise read.UnreadablePolicy("recipient.role")
    return kind


def _subject(value: Any) -> Subject:
    raw = read.record(value, "subject", SUBJECT_KEYS)
    return Subject(
        ref=read.text(raw["ref"], "subject.ref"),
        birth_date=read.optional(read.day, raw["birth_date"], "subject.birth_date"),
        capable=read.optional(read.flag, raw["capable"], "subject.capable"),
        custodians=read.texts(raw["custodians"], "subject.custodians"),
    )


def _event(value: Any) -> EventFacts:
    raw = read.record(value, "event", EVENT_KEYS)

    def task_class(name: str) -> str | None:
        return None if raw[name] is None else read.choice(raw[name], f"event.{name}", TASK_CLASSES)

    return EventFacts(
        type=read.text(raw["type"], "event.type"),
        fields=_fields(raw["fields"]),
        ground=parse_ground(raw["ground"], "event.ground"),
        entrusted_by=read.optional(read.text, raw["entrusted_by"], "event.entrusted_by"),
        source_203=read.flag(raw["source_203"], "event.source_203"),
        objected_76=read.flag(raw["objected_76"], "event.objected_76"),
        task_class=task_class("task_class"),
        connection=read.optional(read.day, raw["connection"], "event.connection"),
        merges_with=task_class("merges_with"),
        endangers_help=read.flag(raw["endangers_help"], "event.endangers_help"),
        addressee=read.optional(read.text, raw["addressee"], "event.addressee"),
        disputed=frozenset(read.texts(raw["disputed"], "event.disputed")),
    )


def _fields(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict) or not value:
        raise read.UnreadablePolicy("event.fields")
    return {name: read.choice(code, f"event.fields.{name}", LABELS) for name, code in value.items()}


def parse_ground(value: Any, key: str) -> ConsentGround | NormGround:
    """The ground that an event names: consents by id, or a norm; raises `reading.Unreadable`."""
    if isinstance(value, dict) and "consents" in value:
        raw = read.record(value, key, frozenset({"consents"}))
        return ConsentGround(consents=frozenset(read.texts(raw["consents"], f"{key}.consents")))
    raw = read.record(value, key, NORM_KEYS)
    return NormGround(
        norm=read.text(raw["norm"], f"{key}.norm"),
        task_norm=read.text(raw["task_norm"], f"{key}.task_norm"),
        attested_by=read.optional(read.text, raw["attested_by"], f"{key}.attested_by"),
    )


def _consents(value: Any) -> Iterable[Consent]:
    return (_consent(item, f"consents[{place}]") for place, item in enumerate(read.items(value, "consents")))


def _consent(value: Any, key: str) -> Consent:
    raw = read.record(value, key, CONSENT_KEYS)

    def names(name: str) -> frozenset[str]:
        return frozenset(read.texts(raw[name], f"{key}.{name}"))

    return Consent(
        id=read.text(raw["id"], f"{key}.id"),
        subject=read.text(raw["subject"], f"{key}.subject"),
        granted_by=read.texts(raw["granted_by"], f"{key}.granted_by"),
        sender=read.text(raw["sender"], f"{key}.sender"),
        recipients=names("recipients"),
        recipient_workers=names("recipient_workers"),
        purposes=read.choices(raw["purposes"], f"{key}.purposes", CONSENT_PURPOSES),
        categories=read.choices(raw["categories"], f"{key}.categories", CATEGORIES),
        form=read.choice(raw["form"], f"{key}.form", FORMS),
        explicit_special=read.flag(raw["explicit_special"], f"{key}.explicit_special"),
        notices=read.choices(raw["notices"], f"{key}.notices", ALL_NOTICES),
        text_version=read.text(raw["text_version"], f"{key}.text_version"),
        proof_hash=read.text(raw["proof_hash"], f"{key}.proof_hash"),
        granted_at=read.time(raw["granted_at"], f"{key}.granted_at"),
        valid_until=read.optional(read.time, raw["valid_until"], f"{key}.valid_until"),
        withdrawn_at=read.optional(read.time, raw["withdrawn_at"], f"{key}.withdrawn_at"),
    )


def _danger(raw: dict[str, Any]) -> DangerRequest:
    role = _role(read.inner(raw, "recipient", "role"), "danger_protection")
    return DangerRequest(
        sender_kind=read.choice(read.inner(raw, "sender", "kind"), "sender.kind", AGENCY_KINDS),
        role=role,
        assigned=read.flag(read.inner(raw, "recipient", "assigned"), "recipient.assigned"),
        event_type=read.text(read.inner(raw, "event", "type"), "event.type"),
        fields=_fields(read.inner(raw, "event", "fields")),
    )


def _readable_fields(obj: Any) -> tuple[str, ...]:
    event = obj.get("event") if isinstance(obj, dict) else None
    named = event.get("fields") if isinstance(event, dict) else None
    return tuple(sorted(str(name) for name in named)) if isinstance(named, dict) else ()
