"""How a story agency's rows become events: the configuration of its connector, as its operator would write it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from connectors.pipeline.config.connector import ConnectorConfig, parse_config
from hub.domain.agencies import Agency
from schemas import EventSchema, event_schema
from schemas.fields import STAMP, STAMP_PARTS

SPLIT = "\x1f"
"""Between the items of a list in one cell: no name in a story holds it."""

NOBODY = "(no consent)"
"""In a cell of named consents: the list is empty, and names nobody."""

_ENDS = ("end", "until")
_PERSON, _FAMILY = (
    [{"column": "about", "in": ["person"]}],
    [{"column": "about", "in": ["family"]}],
)


def connector_config(
    agency: Agency, others: Iterable[Agency], types: Iterable[str], folder: Path
) -> ConnectorConfig:
    """The configuration of this agency's connector, with a stream for every event type that the story tells; `folder`
    is the agency's own."""
    raw = {
        "agency": {"id": agency.id, "kind": agency.kind},
        "connector": {
            "kind": "story",
            "state": "state.sqlite",
            "pseudonyms": "names.sqlite",
            "any_code": True,
        },
        "defaults": {"split": SPLIT},
        "recipients": [
            {"controller": to.id, "kind": to.kind, "role": role, "undertaking": to.undertaking}
            for to in others
            for role in to.roles
        ],
        "streams": {
            **_control(),
            **{name: _stream(event_schema(name), _FACTS) for name in sorted(set(types))},
        },
    }
    return parse_config(raw, folder)


def _control() -> Mapping[str, Any]:
    names = (
        "SubjectRecorded",
        "SubjectChanged",
        "CustodyChanged",
        "ConsentGranted",
        "ConsentWithdrawn",
        "ObjectionRaised",
        "IdentityLinkProposed",
        "IdentitySplit",
        "ErasureRequested",
    )
    return {name: _stream(event_schema(name), {}) for name in names}


_FACTS: Mapping[str, Any] = {
    **{
        name: name
        for name in (
            "entrusted_by",
            "source_203",
            "objected_76",
            "task_class",
            "connection",
            "merges_with",
            "endangers_help",
            "disputed",
            "addressee",
        )
    },
    "ground": {name: name for name in ("norm", "task_norm", "attested_by", "consents")},
}


def _stream(schema: EventSchema, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """One stream per event type; a record about the family has the family's case for its subject."""
    event = {
        "type": schema.event_type,
        "case": "case",
        "occurred_at": "occurred_at",
        "fields": {name: _field(schema, name) for name in schema.fields},
        **facts,
        **_until(schema),
    }
    person = {**event, "subject": "subject", "when": _PERSON}
    return {"key": "key", "events": [person, {**event, "ordinal": 1, "when": _FAMILY}]}


def _field(schema: EventSchema, name: str) -> Any:
    if schema.fields[name].kind == "Scope":
        return {
            "flags": {
                dimension: f".{name}.{dimension}" for dimension in ("purposes", "categories", "recipients")
            }
        }
    if schema.fields[name].kind == STAMP:
        return {"flags": {part: f".{name}.{part}" for part in STAMP_PARTS}}
    persons = schema.topic == "consents" and name in ("granted_by", "custodians")
    return {"column": column(name), "person": True} if persons else column(name)


def column(name: str) -> str:
    """The column of a payload field, apart from those of the record's circumstances."""
    return f".{name}"


def _until(schema: EventSchema) -> Mapping[str, str]:
    """The last day that a record itself names: what is past then runs no longer."""
    named = [name for name in _ENDS if name in schema.fields and schema.fields[name].kind == "date"]
    return {"valid_to": column(named[0])} if named else {}
