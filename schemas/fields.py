"""The fields of an event: which category, which type, which values.

A field's *kind* is the short name of its Avro type. Python values are exact: a date is a ``date`` and no
``datetime``, a time is aware, money is a ``Decimal`` with at most two places. ``fastavro`` alone would take
ISO strings for dates and the machine's own time zone for naive times.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from schemas.errors import IncompatibleSchema

CATEGORIES = frozenset(
    "ID HH FK TM LS LB EG LM BT HS HP HI A65 K8a KO G9 VB IN VG CT B68".split()  # noqa: SIM905  readable
)
"""Every category of the catalogue; a field without one is treated as specially protected."""

FREE_TEXT = frozenset({"", "dropped", "released", "tagged"})
"""What the policy does with a field in which people write freely (R08): drop it; keep a short sentence that was read
back and released; keep the tag of ``tag: text``."""

STAMP_PARTS = ("project", "worker", "phone")
"""What a Projektstempel says."""
STAMP = "string|Stamp"
"""The kind of a Projektstempel; a text alone is its project, as the first version of these events said it."""

_CENT = Decimal("0.01")
_MONEY_LIMIT = 10**12
_MONEY_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One field as its schema file describes it.

    ``category_by_kind`` names the category by the kind of the publishing controller and wins over
    ``category``; a kind that it does not name gets none. ``special``: a code of category G9 in this field's
    code list raises the whole record. ``free_text``: whether people write freely here, and what then remains (R08).
    """

    name: str
    kind: str
    category: str
    required: bool
    codelist: str | None = None
    special: bool = False
    category_by_kind: Mapping[str, str] | None = None
    free_text: str = ""
    doc: str = ""

    def category_for(self, controller_kind: str) -> str:
        """The category when a controller of this kind publishes it; "" = unlabelled, which is never shown."""
        if self.category_by_kind is None:
            return self.category
        return self.category_by_kind.get(controller_kind, "")

    def fits(self, value: Any) -> bool:
        """Whether the value is exactly of this field's type."""
        return _FITS[self.kind](value)


def field_spec(raw: Mapping[str, Any]) -> FieldSpec:
    """The field of a schema file; raises IncompatibleSchema for a type or category outside the rules."""
    categories = {raw.get("category", ""), *raw.get("category_by_kind", {}).values()} - {""}
    if raw.get("default", ...) is not None or not categories <= CATEGORIES:
        raise IncompatibleSchema(f"field {raw['name']}: default must be null and the category known")
    special = raw.get("special_by") == "codelist"
    if special and "codelist" not in raw:
        raise IncompatibleSchema(f"field {raw['name']}: special_by needs a code list")
    if raw.get("free_text", "") not in FREE_TEXT:
        raise IncompatibleSchema(f"field {raw['name']}: free_text must be one of {sorted(FREE_TEXT)[1:]}")
    return FieldSpec(
        name=raw["name"],
        kind=_kind(raw["name"], raw["type"]),
        category=raw.get("category", ""),
        required=raw.get("required", False),
        codelist=raw.get("codelist"),
        special=special,
        category_by_kind=raw.get("category_by_kind"),
        free_text=raw.get("free_text", ""),
        doc=raw.get("doc", ""),
    )


def money_to_bytes(amount: Decimal) -> bytes:
    """Decimal(12,2) as Avro has it: the unscaled number, two's complement, big-endian."""
    cents = int(amount.scaleb(2))
    return cents.to_bytes(cents.bit_length() // 8 + 1, "big", signed=True)


def money_from_bytes(data: bytes) -> Decimal:
    """The way back; raises OverflowError for more digits than the type has."""
    if not 0 < len(data) <= _MONEY_BYTES:
        raise OverflowError
    cents = int.from_bytes(data, "big", signed=True)
    if abs(cents) >= _MONEY_LIMIT:
        raise OverflowError
    return Decimal(cents).scaleb(-2)


def _kind(name: str, avro_type: Any) -> str:
    if not isinstance(avro_type, list) or avro_type[0] != "null":
        raise IncompatibleSchema(f"field {name}: the type must be a union that starts with null")
    kind = "|".join(_branch(branch) for branch in avro_type[1:])
    if kind not in _FITS:
        raise IncompatibleSchema(f"field {name}: type {kind} is not one of {', '.join(_FITS)}")
    return kind


def _branch(avro_type: Any) -> str:
    if isinstance(avro_type, str):
        return avro_type
    if avro_type["type"] == "array":
        return f"{avro_type['items']}s"
    if avro_type.get("logicalType") == "decimal" and (avro_type["precision"], avro_type["scale"]) != (12, 2):
        return "decimal of another size"
    return str(avro_type.get("logicalType") or avro_type.get("name"))


def _is_integer(bits: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and -(1 << bits - 1) <= value < 1 << bits - 1


def _is_strings(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(_is_text(item) for item in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_money(value: Any) -> bool:
    if not isinstance(value, Decimal) or not value.is_finite() or value.copy_abs() >= _MONEY_LIMIT // 100:
        return False
    return value == value.quantize(_CENT)


def _is_scope(value: Any) -> bool:
    names = {"purposes", "categories", "recipients"}
    return (
        isinstance(value, Mapping) and value.keys() <= names and all(_is_strings(v) for v in value.values())
    )


def stamp_parts(value: str | Mapping[str, str]) -> Mapping[str, str]:
    """A stamp by its parts."""
    return {"project": value} if isinstance(value, str) else value


def _is_stamp(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and value.keys() <= set(STAMP_PARTS)
        and all(one is None or _is_text(one) for one in value.values())
    )


_FITS: dict[str, Callable[[Any], bool]] = {
    "string": _is_text,
    "boolean": lambda value: isinstance(value, bool),
    "int": _is_integer(32),
    "long": _is_integer(64),
    "double": lambda value: type(value) in (int, float) and abs(value) < float("inf"),
    "date": lambda value: isinstance(value, dt.date) and not isinstance(value, dt.datetime),
    "timestamp-micros": lambda value: isinstance(value, dt.datetime) and value.utcoffset() is not None,
    "decimal": _is_money,
    "strings": _is_strings,
    "string|strings": lambda value: _is_text(value) or _is_strings(value),
    "Scope": _is_scope,
    STAMP: lambda value: _is_text(value) or _is_stamp(value),
}
