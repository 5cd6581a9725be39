"""The parts of a story, each read from what a rehearsal file says of it. Pure.

Raises `reading.Unreadable` naming the key, or `Impossible` with what cannot be.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hub.policy import reading as read
from hub.policy.facts import Recipient
from hub.policy.request import RECIPIENT_KEYS
from hub.rehearse.file import AgencyTable, CircumstancesTable, ScopeTable
from hub.rehearse.story import AgencyRef, Circumstances
from schemas import EventSchema, InvalidPayload, UnknownSchema, event_schema, from_json

_TOLD_ELSEWHERE = frozenset(
    {
        "ConsentGranted",
        "ConsentWithdrawn",
        "ConsentExpired",
        "ObjectionRaised",
        "CustodyChanged",
        "IdentityLinkProposed",
        "IdentityLinked",
        "IdentitySplit",
        "ErasureRequested",
        "ErasureExecuted",
    }
)


class Impossible(Exception):
    """Why a step cannot happen; becomes the DataError that names the step."""


def agency(table: AgencyTable, key: str) -> tuple[str, str]:
    """An agency's id and kind."""
    if not table.id or not table.id.isprintable() or ":" in table.id:
        raise read.UnreadablePolicy(f"{key}.id")
    return table.id, table.kind


def pair(text: str) -> AgencyRef:
    """`agency:ref`."""
    agency, colon, ref = text.partition(":")
    if not colon:
        raise read.UnreadablePolicy("persons")
    return AgencyRef(agency, ref)


def scope(table: ScopeTable) -> Mapping[str, tuple[str, ...]]:
    """What a withdrawal takes back, by dimension."""
    return {name: tuple(sorted(codes)) for name, codes in sorted(table) if codes is not None}


def recipient(value: Any) -> Recipient:
    """Kinds, roles and their fit are the policy's to judge (R00), as in `hub decide`."""
    raw = read.record(value, "recipient", RECIPIENT_KEYS)
    return Recipient(
        controller=read.text(raw["controller"], "recipient.controller"),
        kind=read.text(raw["kind"], "recipient.kind"),
        role=read.text(raw["role"], "recipient.role"),
        worker=read.optional(read.text, raw["worker"], "recipient.worker"),
        assigned=read.flag(raw["assigned"], "recipient.assigned"),
        undertaking=read.flag(raw["undertaking"], "recipient.undertaking"),
    )


def schema(name: str) -> EventSchema:
    """The schema of a record's type; raises Impossible for types that have a step of their own."""
    try:
        schema = event_schema(name)
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
        name: str(value)
        for name, value in payload.items()
        if name in schema.fields and schema.fields[name].kind == "string" and type(value) in (int, float)
    }
    return {**payload, **numbers}


def circumstances(step: CircumstancesTable) -> Circumstances:
    """What the policy reads beside a record's payload."""
    given = {name: getattr(step, name) for name in CircumstancesTable.model_fields}
    return replace(Circumstances(), **{name: value for name, value in given.items() if value is not None})
