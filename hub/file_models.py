"""Models of the files that people write, and one place that turns pydantic's errors into the project's.

A model is strict and refuses keys that it does not know: a misspelt key would otherwise be a setting that silently does
nothing. Its fields are the only list of the file's keys; the JSON Schema that editors are given comes from them. What a
single field cannot say (two keys that exclude each other, a name that must exist elsewhere) stands in the code that
builds values from a model.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    PlainValidator,
    Tag,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from hub.errors import ConfigurationError

_TEXT, _TABLE = "(text)", "(table)"
"""Alternatives of a value; pydantic names them in the location of an error, a place leaves them out."""


class FileTable(BaseModel):
    """A table of a file. Errors never quote the file: a value may be a secret, or somebody's data."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


M = TypeVar("M", bound=FileTable)


def texts(raw: Any) -> tuple[str, ...]:
    """One text or a list of texts as a tuple, for a validator."""
    items = [raw] if isinstance(raw, str) else raw
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise PydanticCustomError("texts", "must be a text or a list of texts")
    return tuple(items)


TEXTS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Texts = Annotated[tuple[str, ...], PlainValidator(texts), WithJsonSchema(TEXTS_SCHEMA)]
"""One text or a list of texts."""


def _decimal(raw: Any) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise PydanticCustomError("number", "must be a number")
    return Decimal(str(raw))


Number = Annotated[Decimal, PlainValidator(_decimal), WithJsonSchema({"type": "number"})]
"""A number with the digits that the file writes."""


def _kind(raw: Any) -> str:
    return _TEXT if isinstance(raw, str) else _TABLE


TEXT, TABLE, EITHER = Tag(_TEXT), Tag(_TABLE), Discriminator(_kind)
"""For a value that is a text or a table: `Annotated[Annotated[str, TEXT] | Annotated[Model, TABLE], EITHER]`."""


def checked(model: type[M], raw: Any, place: str) -> M:
    """The table as a model; raises ConfigurationError with the place of the first problem, and never a value."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise problem(error, place) from None


def problem(error: ValidationError, place: str) -> ConfigurationError:
    """What is wrong, where, and what to do: the one translation of pydantic's errors."""
    found = error.errors(include_url=False, include_context=True, include_input=False)
    first = found[0]
    at = place_of(place, first["loc"])
    match first["type"]:
        case "missing":
            return ConfigurationError("is missing", place=at, remedy="set it")
        case "extra_forbidden":
            table = first["loc"][:-1]
            return unknown_keys(_unknown(found, table), place_of(place, table))
        case "texts":
            return ConfigurationError("must be a text or a list of texts", place=at, remedy="set it")
        case "model_type" | "model_attributes_type":
            return ConfigurationError(
                "must be a table", place=at, remedy="write it as [table] or { key = … }"
            )
        case "dict_type":
            return ConfigurationError("must be tables", place=at, remedy="write [key.name]")
        case "list_type" | "tuple_type":
            return ConfigurationError("must be a list of tables", place=at, remedy="write [[key]]")
        case "number":
            return ConfigurationError("must be a number", place=at, remedy="for example 0.01")
        case _:
            return ConfigurationError(f"must be {_type(first['type'])}", place=at, remedy="correct its type")


def unknown_keys(names: Iterable[str], place: str) -> ConfigurationError:
    """The error for keys that a table does not have."""
    listed = ", ".join(sorted(names))
    return ConfigurationError(f"unknown key: {listed}", place=place, remedy="correct or remove it")


def place_of(start: str, steps: tuple[int | str, ...]) -> str:
    """`config.streams.people.events[0].case`: the place as every message writes it."""
    place = start
    for step in steps:
        if isinstance(step, int):
            place += f"[{step}]"
        elif step not in (_TEXT, _TABLE):
            place += f".{step}"
    return place


def keys_of(*models: type[FileTable]) -> tuple[str, ...]:
    """The keys that a table of the file may have."""
    return tuple(dict.fromkeys(name for model in models for name in written(model)))


def written(model: type[FileTable]) -> Mapping[str, str]:
    """Key of the file → attribute of the model; they differ where a key is a word of Python."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


def _unknown(found: list[ErrorDetails], table: tuple[int | str, ...]) -> set[str]:
    return {
        str(one["loc"][-1]) for one in found if one["type"] == "extra_forbidden" and one["loc"][:-1] == table
    }


_TYPES = {"string": "str", "int": "int", "float": "float", "bool": "bool"}


def _type(error: str) -> str:
    """The name of the type that an error of pydantic's expects."""
    kind = error.partition("_")[0]
    return _TYPES.get(kind, kind)
