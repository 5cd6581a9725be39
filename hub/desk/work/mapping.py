"""How the desk's connector reads the work book: one stream, and for each event a record of a person or a family."""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.pipeline.config.tables import ABSENT, CIRCUMSTANCES
from hub.desk.work.book import parts_of
from hub.desk.work.steps import WORK_EVENTS
from schemas import EventSchema, event_schema
from schemas.fields import STAMP, STAMP_PARTS

STREAM = "desk_work"


def work_streams() -> Mapping[str, Any]:
    """The stream of the work book, as a configuration would say it."""
    events = [one for name in WORK_EVENTS for one in _events(event_schema(name))]
    return {STREAM: {"table": "work", "key": "entry_id", "version": "recorded_at", "events": events}}


def _events(schema: EventSchema) -> Iterator[Mapping[str, Any]]:
    common = {
        "type": schema.event_type,
        "case": "case_id",
        "occurred_at": "said_at",
        "addressee": "sent_to",
        "fields": {name: _source(schema, name) for name in schema.fields},
        **dict.fromkeys(CIRCUMSTANCES, ABSENT),
    }
    for about, more in (("person", {"subject": "person_id"}), ("family", {"ordinal": 1})):
        words = {"event_type": schema.event_type, "about": about}
        yield {**common, **more, "when": [{"column": column, "in": [word]} for column, word in words.items()]}


def _source(schema: EventSchema, name: str) -> Any:
    if schema.fields[name].kind != STAMP:
        return name
    return {"flags": dict(zip(STAMP_PARTS, parts_of(schema, name), strict=True))}
