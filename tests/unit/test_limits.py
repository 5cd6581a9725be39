"""Limits fit each other: one list, and every table, schema and setting takes what the list lets through."""

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Column, MetaData, String, Table, Text

import connectors.sinks.folder.target
import connectors.sinks.staging.tables
import hub.adapters.keys.tables
import hub.store.tables
import projections.consent_register.tables
import projections.joint_case.tables
from connectors.pipeline.mapping.mapped import MappedEvent, within_limits
from hub.config import load_agencies
from hub.domain.clock import micros
from hub.domain.envelope import Envelope
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError, DataError
from schemas import event_schema, event_versions, limits, record_schema, to_json, topics
from schemas.avro import MAX_BYTES
from schemas.registry import raw_records

ROOT = Path(__file__).parents[2]
METADATA = {
    "store": hub.store.tables.metadata,
    "keys": hub.adapters.keys.tables.metadata,
    "joint case": projections.joint_case.tables.metadata,
    "consent register": projections.consent_register.tables.metadata,
    "sink": connectors.sinks.staging.tables.sicht.metadata,  # the book's too
    "folder": connectors.sinks.folder.target.lease.metadata,
}
NAMES = {name: limit.characters for name, limit in limits.NAMES.items()}
KEY = NAMES["controller"] + 1 + NAMES["ref"]  # controller:ref
TOPIC = max(len(topic.of("a" * NAMES["controller"])) for topic in topics().values())
OURS = 64  # names and digests that the hub itself gives

HOLDS = {
    # the hub's store, keys and read models
    **dict.fromkeys(("key", "person", "subject", "case_key", "joint_case", "item"), KEY),
    **dict.fromkeys(("controller", "recipient", "sender"), NAMES["controller"]),
    **dict.fromkeys(
        ("stage", "topic_id", "lane", "digest", "event_id", "record_ref", "view_id", "ended_by"), OURS
    ),
    **dict.fromkeys(
        ("id", "erasure", "projection", "name", "kind", "kek", "who", "state", "fingerprint"), OURS
    ),
    **dict.fromkeys(("fifteenth", "eighteenth", "platz"), OURS),
    "topic": max(TOPIC, KEY),
    "role": NAMES["role"],
    "worker": NAMES["worker"],
    "category": NAMES["code"],
    "event_type": NAMES["code"],
    "consent_id": NAMES["controller"] + 1 + NAMES["consent"],
    # a sink's tables, in German
    "fall": NAMES["local id"],
    "person_ref": NAMES["ref"],
    "fall_ref": NAMES["ref"],
    "rolle": NAMES["role"],
    "fachkraft": NAMES["worker"],
    "absender": NAMES["controller"],
    "ereignis": NAMES["code"],
    "feld": NAMES["code"],
    "eintrag": 32,
    "zeitpunkt": 32,
    "thema": TOPIC,
    "thema_id": 36,
    "ort": TOPIC + 32,
    "grund": 32,
    "norm": NAMES["norm"],
    "datei": 80,
}
"""Column → the longest text that the list lets into it. `person` of a sink's table is an agency's own number."""
GIVEN_BY_US = {"keys.key.kind": 6, "keys.key.state": 9, "sink.fallbruecke_sicht.person": NAMES["local id"]}
"""Columns whose text is one of a few words, or that are called like another."""
KEYS_OWN = frozenset({"fingerprint", "name", "kek"})  # digests that the key service cuts to its columns


def longest(store: str, table: Table, column: Column[Any]) -> int:
    """Characters that can come into a column."""
    return GIVEN_BY_US.get(f"{store}.{table.name}.{column.name}", HOLDS[column.name])


def tables() -> Iterator[tuple[str, Table]]:
    yield from ((store, table) for store, metadata in METADATA.items() for table in metadata.sorted_tables)


def indexes(table: Table) -> Iterator[list[Column[Any]]]:
    yield list(table.primary_key.columns)
    yield from (list(index.columns) for index in table.indexes)


@pytest.mark.parametrize(("store", "table"), list(tables()), ids=lambda one: str(getattr(one, "name", one)))
def test_a_column_is_no_smaller_than_what_is_put_into_it(store: str, table: Table) -> None:
    for column in table.columns:
        length = column.type.length if isinstance(column.type, String) else None
        if length and not (store == "keys" and column.name in KEYS_OWN):
            assert length >= longest(store, table, column), f"{table.name}.{column.name}"


@pytest.mark.parametrize(("store", "table"), list(tables()), ids=lambda one: str(getattr(one, "name", one)))
def test_an_index_row_fits(store: str, table: Table) -> None:
    for columns in indexes(table):
        texts = [column for column in columns if isinstance(column.type, String | Text)]
        size = sum(4 * longest(store, table, column) + 4 for column in texts) + 8 * len(columns)
        assert size <= limits.INDEX_ROW_BYTES, f"{table.name}: {[column.name for column in columns]}"


def test_the_walk_finds_a_column_that_is_too_small() -> None:
    small = Table("small", MetaData(), Column("fachkraft", String(NAMES["worker"] - 1), primary_key=True))
    with pytest.raises(AssertionError, match="fachkraft"):
        test_a_column_is_no_smaller_than_what_is_put_into_it("sink", small)
    names = ("subject", "case_key", "person", "topic", "consent_id")
    wide = Table("wide", MetaData(), *(Column(name, String, primary_key=True) for name in names))
    with pytest.raises(AssertionError, match="consent_id"):
        test_an_index_row_fits("store", wide)


def test_every_text_of_an_envelope_has_its_limit() -> None:
    raw = next(raw for _, _, raw in raw_records() if raw["name"] == "Envelope")
    told = {field["name"] for field in raw["fields"] if '"string"' in orjson.dumps(field["type"]).decode()}
    assert told == limits.ENVELOPE.keys() | {"scope"}
    assert told <= set(Envelope._fields)
    assert set(limits.ENVELOPE.values()) | set(limits.PAYLOAD.values()) <= limits.NAMES.keys()


def test_every_name_of_a_catalogue_is_within_its_limit() -> None:
    codes = [name for schema in event_versions() for name in (schema.event_type, *schema.fields)]
    assert not [name for name in codes if limits.name_problem(name, "code")]
    assert {name for schema in event_versions() for name in schema.fields} >= limits.PAYLOAD.keys()


def test_sizes_rise_from_step_to_step() -> None:
    assert limits.MAPPED_BYTES < limits.EVENT_BYTES
    assert limits.EVENT_BYTES * limits.GROWTH <= limits.VIEW_CONTENT < limits.VIEW_BYTES < limits.RECORD_BYTES
    assert limits.RECORD_BYTES <= MAX_BYTES
    assert limits.VALUE_BYTES <= 65_535
    assert limits.FIRST_TIME < limits.FIRST_MAPPED < limits.LAST_MAPPED < limits.LAST_TIME
    assert {topic.settings()["max.message.bytes"] for topic in topics().values()} == {
        str(limits.RECORD_BYTES)
    }


@pytest.mark.parametrize(
    "value",
    [
        '"' * limits.TEXT,
        "\n" * limits.TEXT,
        "\U0001f600" * limits.TEXT,
        ["" for _ in range(limits.ITEMS)],
        ['"'] * limits.ITEMS,
        ["\U0001f600" * (limits.TEXT - 3)],
    ],
    ids=["quotes", "line breaks", "four bytes", "empty texts", "short texts", "one long text"],
)
def test_a_field_of_the_greatest_length_fits_a_table_and_grows_no_further(value: Any) -> None:
    name = "names" if isinstance(value, str) else "languages"
    schema, payload = event_schema("PersonRegistered"), {name: value}
    assert limits.payload_problem(payload) is None
    written = value if isinstance(value, str) else orjson.dumps(value).decode()
    assert len(written.encode()) <= limits.VALUE_BYTES
    assert len(orjson.dumps(to_json(payload)[name])) <= limits.GROWTH * len(schema.encode_part(payload)) + 2


@pytest.mark.parametrize(
    "text",
    [
        "a\0b",
        "\x07",
        "\x0b",
        "\x85",
        "\x9f",
        "\ud800",
        "\u202eabc",
        "\u2066",
        "\uffff",
        "x" * (limits.TEXT + 1),
    ],
)
def test_a_text_that_cannot_be_carried(text: str) -> None:
    assert limits.text_problem(text)
    assert limits.payload_problem({"names": text})
    assert limits.payload_problem({"languages": [text]})
    assert limits.payload_problem({"scope": {"purposes": [text]}})


@pytest.mark.parametrize(
    "text", ["Müller\n\tWeg 3\r\n", "Şoföroğlu", "می‌خواهم", "Straßen\u00adbau", "👨‍👩‍👧", ""]
)
def test_a_text_that_can(text: str) -> None:
    assert limits.text_problem(text) is None


@pytest.mark.parametrize(
    "name", ["w\n1", "w\0", "w\u202e1", "w\u200b1", "\ud800", "w" * (NAMES["worker"] + 1)]
)
def test_an_identifier_that_cannot_be_carried(name: str) -> None:
    assert limits.name_problem(name, "worker")
    assert limits.payload_problem({"recipient_workers": [name]})


def event(**changes: Any) -> MappedEvent:
    schema, key = event_schema("PersonRegistered"), AgencyKey(b"k" * 32)
    at = 1_770_000_000_000_000
    made = MappedEvent(
        schema=schema,
        stream="s",
        place="s:1",
        source_key="1",
        subject_id="4711",
        case_id="A1",
        subject_ref=key.person("4711"),
        case_ref=key.case("A1"),
        record_ref=b"r" * 16,
        source_version=at,
        occurred_at=at,
        valid_from=None,
        valid_to=None,
        payload={"names": "Anna", "birth_date": date(1990, 2, 1)},
        categories={"names": "ID"},
        purposes=(),
        norm=None,
        task_norm=None,
        attested_by=None,
        named=None,
        entrusted_by=None,
        source_203=False,
        objected_76=False,
        task_class=None,
        connection=None,
        merges_with=None,
        endangers_help=False,
        disputed=(),
        addressee=None,
        key=key,
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"payload": {"names": "A\0"}}, "names"),
        ({"payload": {"names": "A" * (limits.TEXT + 1)}}, "names"),
        ({"payload": {"languages": ["de"] * (limits.ITEMS + 1)}}, "languages"),
        ({"subject_id": "4" * (NAMES["local id"] + 1)}, "subject"),
        ({"case_id": "A\n1"}, "case"),
        ({"mentioned": {"p_x": "4\u202e7"}}, "person"),
        ({"norm": "§" * (NAMES["norm"] + 1)}, "norm"),
        ({"attested_by": "Frau\tMeier"}, "attested_by"),
        ({"named": ("c" * (NAMES["consent"] + 1),)}, "consents"),
        ({"addressee": "x" * (NAMES["code"] + 1)}, "addressee"),
        ({"occurred_at": micros(limits.LAST_MAPPED)}, "occurred_at"),
        ({"valid_from": micros(limits.FIRST_MAPPED - timedelta(days=1))}, "valid_from"),
        ({"valid_to": 2**63}, "valid_to"),
        ({"source_version": 2**63}, "version"),
    ],
)
def test_a_mapped_event_beyond_a_limit_is_held_by_its_place(changes: dict[str, Any], place: str) -> None:
    assert within_limits(event()) == event()
    with pytest.raises(DataError) as caught:
        within_limits(event(**changes))
    assert (caught.value.reason, caught.value.place) == ("beyond_limits", place)


def test_an_agency_s_id_is_one(tmp_path: Path) -> None:
    file = tmp_path / "agencies.toml"
    file.write_text(
        f'[[agency]]\nid = "{"a" * (NAMES["controller"] + 1)}"\nkind = "jobcenter"\n', encoding="utf-8"
    )
    with pytest.raises(ConfigurationError, match="longer than"):
        load_agencies(file)


def test_the_view_s_names_are_in_the_list() -> None:
    fields = record_schema("view").parsed["fields"]
    assert {"recipient", "role", "worker", "case_ref"} <= {field["name"] for field in fields}
    assert (
        tomllib.loads((ROOT / "schemas" / "topics.toml").read_text(encoding="utf-8")).keys()
        == topics().keys()
    )


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "{",
        "null",
        "[]",
        "17",
        "NaN",
        "[" * 14_000,
        '{"purposes": {}}',
        '{"purposes": "x"}',
        '{"purposes": [17]}',
        '{"recipients": ["\\ud800"]}',
        '{"categories": ["EG\\u0000"]}',
        '{"categories": ["EG"], "categories": ["TM"]}',
        '{"x": 1e999}',
        '{"purposes": ["' + "x" * 65 + '"]}',
        '{"' + "x" * 65 + '": []}',
        '{\n"categories": ["EG"]}',
    ],
)
def test_a_text_that_is_no_scope(scope: str) -> None:
    assert limits.scope_problem(scope)


@pytest.mark.parametrize(
    "scope",
    ["{}", '{"categories": ["EG"]}', '{"purposes": null, "recipients": ["ja-a"]}', '{"workers": ["w1"]}'],
)
def test_a_scope(scope: str) -> None:
    assert limits.scope_problem(scope) is None
