"""The JSON Schema of a connector's file, made from the event catalogue: editors complete and check with it. Pure.

It helps to write; `connectors.pipeline.config.connector` is what counts, and refuses more. A mapping has no place for
a category, which comes from the schema of the event alone.
"""

from collections.abc import Mapping
from typing import Any

from connectors.pipeline.config.streams import ABSENT, CIRCUMSTANCES, FACTS, NORM, TIMES
from connectors.pipeline.config.values import STYLE_LISTS, STYLE_TEXTS
from hub.domain.envelope import LEGAL_DOMAINS
from schemas import EventSchema, code_list, event_schema, event_types
from schemas.fields import FieldSpec

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
FLAG: Json = {"type": "boolean"}
TEXTS: Json = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}
ANY: Json = {}
_LOOKED_UP = ("lookup", "by", "column")


def config_schema() -> Json:
    """The whole schema (draft 2020-12)."""
    events = {name: event_schema(name) for name in event_types()}
    mapped = {name: schema for name, schema in events.items() if schema.topic != "danger"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Fallbrücke: a connector's file",
        **_table(_TOP, ("agency", "connector")),
        "$defs": {
            "style": {"type": "object", "properties": _style(), "additionalProperties": False},
            "value": {"anyOf": [TEXT, _table(_value(), ())]},
            "part": {"anyOf": [TEXT, _table(dict.fromkeys(_LOOKED_UP, TEXT), _LOOKED_UP)]},
            "condition": _table(
                {"column": TEXT, "in": TEXTS, "not_in": TEXTS, "filled": FLAG, "known": TEXTS}, ("column",)
            ),
            "reference": {"anyOf": [TEXT, _table(dict.fromkeys(_LOOKED_UP, TEXT), _LOOKED_UP)]},
            "event": _event(mapped),
            "stream": _STREAM,
        },
    }


def _table(properties: Mapping[str, Json], required: tuple[str, ...]) -> Json:
    return {
        "type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False,
    }  # fmt: skip


def _named(of: Json) -> Json:
    return {"type": "object", "additionalProperties": of}


def _list(of: Json) -> Json:
    return {"type": "array", "items": of}


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def _style() -> dict[str, Json]:
    return dict.fromkeys(STYLE_TEXTS, TEXT) | dict.fromkeys(STYLE_LISTS, TEXTS)


def _value() -> dict[str, Json]:
    texts = ("lookup", "by", "join", "codes", "out", "prefix", "suffix", "pattern", "otherwise")
    own: dict[str, Json] = {
        "column": TEXT, "columns": TEXTS, "constant": ANY, "default": ANY, "person": FLAG,
        "flags": {"type": "object", "additionalProperties": TEXT}, "factor": {"type": "number"},
    }  # fmt: skip
    return own | dict.fromkeys(texts, TEXT) | _style()


def _event(events: Mapping[str, EventSchema]) -> Json:
    """One event of a stream; its type says which fields there are."""
    properties: dict[str, Json] = {
        "type": {"enum": sorted(events)},
        "when": _list(_ref("condition")),
        "subject": _ref("reference"),
        "case": _ref("reference"),
        "ordinal": {"type": "integer"},
        "purposes": TEXTS,
        "ground": _table(dict.fromkeys(NORM, _ref("value")), ("norm",)),
        "fields": {"type": "object"},
        **dict.fromkeys((*TIMES, *FACTS), _ref("value")),
    }
    chosen = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"properties": {"fields": _fields(schema)}, "description": schema.doc},
        }
        for name, schema in sorted(events.items())
    ]
    return _table(properties, ("type", "case", "occurred_at")) | {"allOf": chosen}


def _fields(schema: EventSchema) -> Json:
    properties = {name: _ref("value") | {"description": _told(spec)} for name, spec in schema.fields.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _told(spec: FieldSpec) -> str:
    """What an editor shows beside a field: its category, type and codes, whether it must be there, what it means."""
    kinds = ", ".join(f"{kind}: {category}" for kind, category in (spec.category_by_kind or {}).items())
    codes = (
        f"; codes: {', '.join(code.code for code in code_list(spec.codelist).codes)}" if spec.codelist else ""
    )
    more = f"{'; required' * spec.required}{f'; {spec.doc}' if spec.doc else ''}"
    return f"category {kinds or spec.category}; {spec.kind}{codes}{more}"


_STREAM: Json = {
    "type": "object",
    "properties": {
        "key": {"anyOf": [_ref("part"), _list(_ref("part"))]},
        "gone": _ref("condition"),
        "events": _list(_ref("event")),
        "on_vanish": _ref("event"),
        "unrelated": TEXTS,
    },
    "required": ["key", "events"],
    "description": "other keys belong to the kind of source (file, table, query, version, ...)",
}
_TOP: dict[str, Json] = {
    "agency": _table({"id": TEXT, "kind": {"enum": sorted(LEGAL_DOMAINS)}}, ("id", "kind")),
    "connector": {
        "type": "object",
        "properties": {"kind": TEXT, "name": TEXT},
        "required": ["kind", "state", "pseudonyms"],
    },
    "keys": {"type": "object"},
    "log": {"type": "object"},
    "settings": {"type": "object", "description": "the kind's own"},
    "recipients": _list(
        _table(
            {"controller": TEXT, "kind": TEXT, "role": TEXT, "undertaking": FLAG},
            ("controller", "kind", "role"),
        )
    ),
    "defaults": _ref("style"),
    "circumstances": _table({name: {"const": ABSENT} for name in CIRCUMSTANCES}, ()),
    "codes": _named(_named(TEXTS)),
    "lookups": _named(_table({"stream": TEXT, "key": TEXT, "columns": TEXTS}, ("stream", "key", "columns"))),
    "streams": _named(_ref("stream")),
}
