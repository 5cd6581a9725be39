"""Files that people write: what a message names, and what it never quotes."""

from typing import Annotated, Any

import pytest
from pydantic import Field, SecretStr

from hub.errors import ConfigurationError
from hub.file_models import EITHER, TABLE, TEXT, FileTable, Number, Texts, checked, keys_of

SECRET = "a value nobody may read"


class Inner(FileTable):
    column: str
    in_: Texts = Field(default=(), alias="in")


class Outer(FileTable):
    name: str
    password: SecretStr = SecretStr("")
    hours: float = 1.0
    factor: Number | None = None
    values: list[Inner] = Field(default_factory=list)
    named: dict[str, Inner] = Field(default_factory=dict)
    either: Annotated[Annotated[str, TEXT] | Annotated[Inner, TABLE], EITHER] = ""


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({}, "file.name: is missing → set it"),
    "of another type": ({"name": 3}, "file.name: must be str → correct its type"),
    "true as a number": ({"name": "x", "hours": True}, "file.hours: must be float → correct its type"),
    "a text as a number": (
        {"name": "x", "factor": SECRET},
        "file.factor: must be a number → for example 0.01",
    ),
    "unknown": (
        {"name": "x", SECRET[:7]: 1, "also": 2},
        "file: unknown key: a value, also → correct or remove it",
    ),
    "in a list": (
        {"name": "x", "values": [{"column": "c"}, {"columm": "c"}]},
        "file.values[1].column: is missing → set it",
    ),
    "by its key": (
        {"name": "x", "named": {"one": {"column": "c", "in": [3]}}},
        "file.named.one.in: must be a text or a list of texts → set it",
    ),
    "in one of two forms": (
        {"name": "x", "either": {"column": 3}},
        "file.either.column: must be str → correct its type",
    ),
    "no table": (
        {"name": "x", "either": 3},
        "file.either: must be a table → write it as [table] or { key = … }",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_problem_has_place_cause_and_remedy(name: str) -> None:
    raw, said = WRONG[name]
    with pytest.raises(ConfigurationError) as caught:
        checked(Outer, raw, "file")
    assert str(caught.value) == said


@pytest.mark.parametrize("key", ["hours", "values", "named", "factor"])
def test_no_message_quotes_a_value(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked(Outer, {"name": "x", key: SECRET}, "file")
    assert SECRET not in f"{caught.value!r}{caught.value}{caught.value.__cause__}"
    assert caught.value.__suppress_context__


def test_a_secret_shows_in_no_repr() -> None:
    assert SECRET not in repr(checked(Outer, {"name": "x", "password": SECRET}, "file"))


def test_a_number_keeps_the_digits_of_the_file() -> None:
    assert str(checked(Outer, {"name": "x", "factor": 0.01}, "file").factor) == "0.01"
    assert str(checked(Outer, {"name": "x", "factor": 1}, "file").factor) == "1"


def test_keys_are_those_of_the_file() -> None:
    assert keys_of(Inner, Outer)[:3] == ("column", "in", "name")
