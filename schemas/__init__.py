"""What is on the wire: one Avro schema file per event version, effective-dated code lists, the topics table.

Reading and writing an event:

>>> from schemas import event_schema
>>> measure = event_schema("MeasureStarted")
>>> data = measure.encode({"norm": "16d", "status": "running"})
>>> measure.decode(data)
{'norm': '16d', 'status': 'running'}
"""

from schemas.codelists import Code, CodeList, code_list, code_lists
from schemas.errors import IncompatibleSchema, InvalidPayload, UnknownSchema
from schemas.event import CodeProblem, EventSchema, RecordSchema
from schemas.fields import CATEGORIES, FieldSpec
from schemas.jsonform import from_json, to_json
from schemas.registry import (
    by_fingerprint,
    event_schema,
    event_types,
    event_versions,
    record_head,
    record_schema,
)
from schemas.topics import Topic, topics
from schemas.upcast import upcast
from schemas.wire import HEADER, decode_single, encode_single

__all__ = [
    "CATEGORIES",
    "HEADER",
    "Code",
    "CodeList",
    "CodeProblem",
    "EventSchema",
    "FieldSpec",
    "IncompatibleSchema",
    "InvalidPayload",
    "RecordSchema",
    "Topic",
    "UnknownSchema",
    "by_fingerprint",
    "code_list",
    "code_lists",
    "decode_single",
    "encode_single",
    "event_schema",
    "event_types",
    "event_versions",
    "from_json",
    "record_head",
    "record_schema",
    "to_json",
    "topics",
    "upcast",
]
