"""The JSON Schema of a connector's file: the models' own, with the event catalogue in it.

Editors complete and check with it. It helps to write; the models and `connectors.pipeline.config.connector` are what
counts, and refuse more. A mapping has no place for a category, which comes from the schema of the event alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.pipeline.config.kinds import installed_kinds
from connectors.pipeline.config.tables import ConnectorFile, Times
from hub.domain.envelope import LEGAL_DOMAINS
from schemas import EventSchema, code_list, event_schema, event_types
from schemas.fields import FieldSpec

Json = dict[str, Any]

_NAMES = {"StreamTable": "stream", "EventTable": "event", "Style": "style", "ValueTable": "value"}
"""The models that readers of the schema look for, by the names that they have there."""


def config_schema() -> Json:
    """The whole schema (draft 2020-12)."""
    whole = _plain(ConnectorFile.model_json_schema(ref_template="#/$defs/{model}"))
    defs = {_NAMES.get(name, name): table for name, table in whole.pop("$defs").items()}
    mapped = {name: event_schema(name) for name in event_types() if event_schema(name).topic != "danger"}
    defs["event"] |= _by_type(mapped)
    defs["event"]["properties"]["type"] = {"enum": sorted(mapped)}
    defs["event"]["required"] += ["occurred_at"]
    defs["AgencyTable"]["properties"]["kind"] = {"enum": sorted(LEGAL_DOMAINS)}
    whole["allOf"] = list(_by_kind(defs))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole,
        "title": "Fallbrücke: a connector's file",
        "$defs": defs,
    }


def _plain(found: Any) -> Any:
    """Without titles that repeat a key, defaults that another table may override, and marks for forms."""
    if isinstance(found, list):
        return [_plain(one) for one in found]
    if not isinstance(found, dict):
        return found
    if (ref := found.get("$ref")) is not None:
        name = ref.rpartition("/")[2]
        return {"$ref": f"#/$defs/{_NAMES.get(name, name)}"}
    if found.get("anyOf", ())[-1:] == [{"type": "null"}]:
        return _plain(found["anyOf"][0])  # a key that may be left out; TOML has no null
    named = found.get("properties")
    kept = {
        key: _plain(one)
        for key, one in found.items()
        if key not in ("title", "default", "format", "writeOnly", "properties")
    }
    return kept | ({"properties": {key: _plain(one) for key, one in named.items()}} if named else {})


def _by_kind(defs: Json) -> Iterator[Json]:
    """The kind of the connector says which settings there are; those of a kind without a model stay open."""
    for name, module in installed_kinds().items():
        model = module.spec.settings
        if isinstance(model, str):
            continue
        table = _plain(model.model_json_schema())
        defs.update(table.pop("$defs", {}))
        kind = {"properties": {"connector": {"properties": {"kind": {"const": name}}, "required": ["kind"]}}}
        yield {"if": kind, "then": {"properties": {"settings": table}}}


def _by_type(events: Mapping[str, EventSchema]) -> Json:
    """One event of a stream: its type says which fields there are."""
    chosen = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"properties": {"fields": _fields(schema)}, "description": schema.doc},
        }
        for name, schema in sorted(events.items())
    ]
    return {"allOf": chosen}


_VALUE: Json = _plain(Times.model_json_schema())["properties"]["occurred_at"]


def _fields(schema: EventSchema) -> Json:
    properties = {name: _VALUE | {"description": _told(spec)} for name, spec in schema.fields.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _told(spec: FieldSpec) -> str:
    """What an editor shows beside a field: its category, type and codes, whether it must be there, what it means."""
    kinds = ", ".join(f"{kind}: {category}" for kind, category in (spec.category_by_kind or {}).items())
    codes = (
        f"; codes: {', '.join(code.code for code in code_list(spec.codelist).codes)}" if spec.codelist else ""
    )
    more = f"{'; required' * spec.required}{f'; {spec.doc}' if spec.doc else ''}"
    return f"category {kinds or spec.category}; {spec.kind}{codes}{more}"
