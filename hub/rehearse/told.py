"""The parts of a story, each read from what a rehearsal file says of it. Pure.

Raises `reading.Unreadable` naming the key, or `Impossible` with what cannot be.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from hub.policy import reading as read
from hub.policy.facts import AGENCY_KINDS, CATEGORIES, CONSENT_PURPOSES, TASK_CLASSES, Recipient
from hub.policy.request import RECIPIENT_KEYS, parse_ground
from hub.rehearse.story import AgencyRef, Circumstances, Family, Person
from schemas import EventSchema, InvalidPayload, UnknownSchema, event_schema, from_json

CIRCUMSTANCES = frozenset(one.name for one in fields(Circumstances))
_SCOPES: Mapping[str, Callable[[Any, str], Any]] = {
    "purposes": lambda value, key: read.choices(value, key, CONSENT_PURPOSES),
    "categories": lambda value, key: read.choices(value, key, CATEGORIES),
    "recipients": read.texts,
}
_TOLD_ELSEWHERE = frozenset(
    {
        "ConsentGranted", "ConsentWithdrawn", "ConsentExpired", "ObjectionRaised", "CustodyChanged",
        "IdentityLinkProposed", "IdentityLinked", "IdentitySplit", "ErasureRequested", "ErasureExecuted",
    }
)  # fmt: skip


class Impossible(Exception):
    """Why a step cannot happen; becomes the DataError that names the step."""


def agency(value: Any, key: str) -> tuple[str, str]:
    """An agency's id and kind."""
    raw = read.record(value, key, frozenset({"id", "kind"}))
    name = read.text(raw["id"], f"{key}.id")
    if not name or not name.isprintable() or ":" in name:
        raise read.UnreadablePolicy(f"{key}.id")
    return name, read.choice(raw["kind"], f"{key}.kind", AGENCY_KINDS)


def person(value: Any, key: str) -> Person:
    """A person of the story."""
    raw = read.record(value, key, frozenset({"ref", "birth_date", "capable", "custodians"}))
    return Person(
        ref=read.text(raw["ref"], f"{key}.ref"),
        birth_date=read.optional(read.day, raw["birth_date"], f"{key}.birth_date"),
        capable=read.optional(read.flag, raw["capable"], f"{key}.capable"),
        custodians=read.texts(raw["custodians"], f"{key}.custodians"),
    )


def family(value: Any, key: str) -> Family:
    """A family of the story."""
    raw = read.record(value, key, frozenset({"ref", "members", "known_to"}))
    return Family(
        ref=read.text(raw["ref"], f"{key}.ref"), members=read.texts(raw["members"], f"{key}.members"),
        known_to=read.texts(raw["known_to"], f"{key}.known_to"),
    )  # fmt: skip


def pair(text: str) -> AgencyRef:
    """`agency:ref`."""
    agency, colon, ref = text.partition(":")
    if not colon:
        raise read.UnreadablePolicy("persons")
    return AgencyRef(agency, ref)


def scope(value: Any) -> Mapping[str, tuple[str, ...]]:
    """What a withdrawal takes back, by dimension."""
    raw = read.record(value, "scope", frozenset(), frozenset(_SCOPES))
    return {name: tuple(sorted(_SCOPES[name](raw[name], f"scope.{name}"))) for name in sorted(raw)}


def recipient(value: Any) -> Recipient:
    """Kinds, roles and their fit are the policy's to judge (R00), as in `hub decide`."""
    raw = read.record(value, "recipient", RECIPIENT_KEYS)
    return Recipient(
        controller=read.text(raw["controller"], "recipient.controller"), kind=read.text(raw["kind"], "recipient.kind"),
        role=read.text(raw["role"], "recipient.role"),
        worker=read.optional(read.text, raw["worker"], "recipient.worker"),
        assigned=read.flag(raw["assigned"], "recipient.assigned"),
        undertaking=read.flag(raw["undertaking"], "recipient.undertaking"),
    )  # fmt: skip


def schema(value: Any) -> EventSchema:
    """The schema of a record's type; raises Impossible for types that have a step of their own."""
    try:
        schema = event_schema(read.text(value, "type"))
    except UnknownSchema:
        raise Impossible("type: unknown event type") from None
    if schema.event_type in _TOLD_ELSEWHERE or schema.topic == "views":
        raise Impossible("type: has a step of its own, or is the hub's to say")
    return schema


def payload(schema: EventSchema, value: Any) -> Mapping[str, Any]:
    """A record's payload as its schema has it; raises Impossible."""
    if not isinstance(value, dict):
        raise read.UnreadablePolicy("payload")
    try:
        payload = from_json(schema, _as_texts(schema, value))
        schema.encode(payload)
    except InvalidPayload as why:
        raise Impossible(f"payload: {schema.event_type}: {why.field or 'a field'}: {why.reason}") from None
    return payload


def _as_texts(schema: EventSchema, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """A story may write a number where the catalogue has text ("intensity": 5)."""
    numbers = {
        name: str(value) for name, value in payload.items()
        if name in schema.fields and schema.fields[name].kind == "string" and type(value) in (int, float)
    }  # fmt: skip
    return {**payload, **numbers}


_CIRCUMSTANCE: Mapping[str, Callable[[Any, str], Any]] = {
    "ground": parse_ground,
    "entrusted_by": read.text,
    "source_203": read.flag,
    "objected_76": read.flag,
    "task_class": lambda value, key: read.choice(value, key, TASK_CLASSES),
    "connection": read.day,
    "merges_with": lambda value, key: read.choice(value, key, TASK_CLASSES),
    "endangers_help": read.flag,
    "disputed": read.texts,
    "addressee": read.text,
}


def circumstances(raw: Mapping[str, Any]) -> Circumstances:
    """What the policy reads beside a record's payload."""
    given = {
        name: reader(raw[name], name) for name, reader in _CIRCUMSTANCE.items() if raw.get(name) is not None
    }
    return replace(Circumstances(), **given)
