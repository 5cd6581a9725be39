"""The JSON Schema that editors are given keeps step with what a connector's file may say."""

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connectors.pipeline.config.values import Style
from connectors.tools.propose.schema import config_schema
from schemas import event_schema, event_types

EXAMPLES = sorted(Path(str(files("hub.dev.simulate"))).glob("connectors/*/source.toml"))
VALIDATOR = Draft202012Validator(config_schema())


def problems(raw: dict[str, Any]) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(raw)]


@pytest.fixture
def example() -> dict[str, Any]:
    return tomllib.loads(EXAMPLES[0].read_text(encoding="utf-8"))


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(config_schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_keep_to_it(path: Path) -> None:
    assert problems(tomllib.loads(path.read_text(encoding="utf-8"))) == []


def test_a_misspelt_key_a_strange_event_and_a_strange_field_are_shown(example: dict[str, Any]) -> None:
    event = next(event for event in _events(example) if event["type"] == "MeasureStarted")
    event["fields"]["colour"] = "x"
    assert problems(example)
    del event["fields"]["colour"]
    event["type"] = "SomethingElse"
    assert problems(example)
    event["type"] = "MeasureStarted"
    event["subjekt"] = "x"
    assert problems(example)


@pytest.mark.parametrize("place", ["event", "value"])
def test_a_mapping_has_no_place_for_a_category(example: dict[str, Any], place: str) -> None:
    event = next(event for event in _events(example) if event["type"] == "MeasureStarted")
    if place == "event":
        event["category"] = "ID"
    else:
        event["fields"]["norm"] = {"column": "x", "category": "ID"}
    assert problems(example)


def test_every_field_of_the_catalogue_tells_its_category() -> None:
    chosen = config_schema()["$defs"]["event"]["allOf"]
    told = {one["if"]["properties"]["type"]["const"]: one["then"]["properties"]["fields"] for one in chosen}
    names = [name for name in event_types() if event_schema(name).topic != "danger"]
    assert sorted(told) == names
    for name in names:
        fields = told[name]["properties"]
        assert fields.keys() == event_schema(name).fields.keys()
        assert all(field["description"].startswith("category ") for field in fields.values())


def test_every_word_of_a_style_is_known() -> None:
    style = config_schema()["$defs"]["style"]["properties"]
    assert style.keys() == Style.model_fields.keys()


def _events(raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for stream in raw["streams"].values():
        yield from stream["events"]


def test_what_stands_in_another_stream_is_shown_where_it_may_stand(example: dict[str, Any]) -> None:
    event = next(event for event in _events(example) if event["type"] == "MeasureStarted")
    stream = next(stream for stream in example["streams"].values() if event in stream["events"])
    place: dict[str, Any] = {"lookup": "haushalte", "by": "KDNR", "column": "BG_NR"}
    stream["key"], event["fields"]["norm"] = ["KDNR", place], {**place, "default": "none"}
    assert problems(example) == []
    stream["key"] = [{**place, "default": "none"}]
    assert problems(example)


def test_a_misspelt_setting_of_the_kind_is_shown(example: dict[str, Any]) -> None:
    assert problems(example) == []
    example["settings"]["colour"] = "x"
    assert problems(example) == ["$.settings"]
