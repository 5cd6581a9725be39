"""The configuration of a value: where it stands and how the export writes it, days and times to the letter. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from connectors.pipeline.config.areas import Areas, CodeTable
from hub.errors import ConfigurationError
from hub.file_models import EITHER, TABLE, TEXT, FileTable, Number, Texts, checked, unknown_keys
from schemas.fields import STAMP

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a day has no zone
COUNTED = {
    "epoch_days": timedelta(days=1),
    "epoch_seconds": timedelta(seconds=1),
    "epoch_milliseconds": timedelta(milliseconds=1),
}
_WIDTHS = {
    **dict.fromkeys("mdHIMS", "[0-9]{2}"),
    "Y": "[0-9]{4}",
    "j": "[0-9]{3}",
    "f": "[0-9]{1,9}",
    "z": "Z|[+-][0-9]{2}:?[0-9]{2}",
    "%": "%",
}
_NARROW = "[0-9]{1,2}"
_DIRECTIVE = re.compile(r"%(-?)(.)", re.DOTALL)
_MICROSECOND = 6
_SECONDS_SIGN = frozenset({".", ","})
_FRACTION = re.compile("[.,]%f")


def has_day(form: str) -> bool:
    """Whether this form says a day: a month alone is none, nor is a time."""
    said = {match[2] for match in _DIRECTIVE.finditer(form)}
    return (
        form in COUNTED
        or ("Y" in said and ("j" in said or ("d" in said and not said.isdisjoint("mbBh"))))
        or "c" in said
    )


def has_year(form: str) -> bool:
    """Whether this form says a whole year."""
    return form in COUNTED or not {match[2] for match in _DIRECTIVE.finditer(form)}.isdisjoint("Yc")


def parsed(text: str, form: str, *, whole: bool = True) -> datetime | None:
    """The time that the text says in this form (strptime's directives; `%-d` is a day without leading zero), else None.

    `whole`: only in a form that says a day. Beyond the sixth, digits of a second are cut off; a whole second may be
    written without them and their sign.
    """
    return None if len(text) > _LONGEST or (whole and not has_day(form)) else _parsed(text, form)


_LONGEST = 100
"""A longer text is no day or time, and its reading is not cached; characters."""


@lru_cache(maxsize=16_384)
def _parsed(text: str, form: str) -> datetime | None:
    try:
        if form in COUNTED:
            start = EPOCH if form == "epoch_days" else EPOCH.replace(tzinfo=UTC)
            return start + COUNTED[form] * int(text) if re.fullmatch("[+-]?[0-9]{1,18}", text) else None
        found = _strict(form).fullmatch(text)
        return None if found is None else _time(text, found, form.replace("%-", "%"))
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=256)
def _strict(form: str) -> re.Pattern[str]:
    """The form as a regular expression; digits of a second are its group."""
    parts, at = [], 0
    for match in _DIRECTIVE.finditer(form):
        before = form[at : match.start()]
        if match[2] == "f" and before[-1:] in _SECONDS_SIGN:
            parts += [re.escape(before[:-1]), f"(?:{re.escape(before[-1:])}{_width(match)})?"]
        else:
            parts += [re.escape(before), _width(match)]
        at = match.end()
    return re.compile("".join((*parts, re.escape(form[at:]))))


def _width(match: re.Match[str]) -> str:
    if match[1]:
        return _NARROW
    width = f"(?:{_WIDTHS.get(match[2], '.+?')})"
    return f"({width})" if match[2] == "f" else width


def _time(text: str, found: re.Match[str], form: str) -> datetime:
    if found.re.groups and found[1] is None:
        form = _FRACTION.sub("", form)
    elif found.re.groups:
        first, last = found.span(1)
        text = f"{text[: min(last, first + _MICROSECOND)]}{text[last:]}"
    return datetime.strptime(text, form)  # noqa: DTZ007


VERSION = "@version"
"""In place of a column: the moment of the row's version, where the row itself says no time."""


class Style(FileTable):
    """How an export writes things; every value may override it."""

    date: str = "%Y-%m-%d"
    timestamp: str = "%Y-%m-%d %H:%M:%S"
    decimal: str = "."
    thousands: str = ""
    split: str = ","
    true: Texts = ("1", "J")
    false: Texts = ("0", "N")
    open_end: Texts = ()
    empty: Texts = ()
    zone: str = "Europe/Berlin"

    @property
    def forms(self) -> tuple[str, str]:
        """How days and times are written."""
        return self.date, self.timestamp

    @property
    def nothing(self) -> tuple[str, ...]:
        """What stands for an open end or an unknown value."""
        return *self.open_end, *self.empty


PLAIN = Style()
_STYLED = frozenset(Style.model_fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A cell of another stream: what stands in `column` of the rows that a lookup finds by the row's own column `by`.
    `place`: where the configuration says so."""

    lookup: str
    by: str
    column: str
    style: Style = PLAIN
    place: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The column as which it is put beside the row's own."""
        return f"{self.lookup}[{self.by}].{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Where a field's value stands and how it is read.

    `columns`: one, or several joined by `join` or listed. `flags`: code → column that says whether it is in the list.
    `codes`: the agency's code → ours. `out`: strftime format for a date that becomes text. `person`: a local person
    id, to be replaced by the pseudonym. `pattern`: a regular expression whose one group is what counts of the text.
    `factor`: what a number is multiplied by (cents to euros: 0.01). `default`: what stands for empty; `otherwise`: what
    a code that is in no table becomes, in place of being held. `whole`: joined of all its columns or of none, as a
    number of somebody is. `said`: the keys that the configuration gives it. `joined`: the cell of another stream that
    `columns` names.
    """

    columns: tuple[str, ...] = ()
    constant: Any = None
    flags: tuple[tuple[str, str], ...] = ()
    join: str | None = None
    codes: CodeTable | None = None
    out: str | None = None
    prefix: str = ""
    suffix: str = ""
    person: bool = False
    dated: bool = False
    pattern: re.Pattern[str] | None = None
    factor: Decimal | None = None
    default: Any = None
    otherwise: str | None = None
    style: Style = PLAIN
    whole: bool = False
    said: frozenset[str] = frozenset()
    joined: Joined | None = None

    @property
    def replaceable(self) -> Joined | None:
        """The cell of another stream, where something stands in its place when no row is found."""
        return None if self.default is None else self.joined

    @property
    def used(self) -> tuple[str, ...]:
        """Every column of its own stream that it reads."""
        if self.joined is not None:
            return (self.joined.by,)
        return (*(c for c in self.columns if c != VERSION), *(column for _, column in self.flags))


class LookedUp(FileTable):
    """A column of another stream's rows, which a lookup finds by the row's own column `by`."""

    lookup: str
    by: str
    column: str


class ValueTable(Style):
    """A value that is more than a column's name."""

    column: Texts = ()
    columns: Texts = ()
    constant: Any = None
    flags: dict[str, str] = Field(default_factory=dict)
    lookup: str = ""
    by: str = ""
    join: str | None = None
    codes: str | None = None
    out: str | None = None
    prefix: str = ""
    suffix: str = ""
    person: bool = False
    pattern: str = ""
    factor: Number | None = None
    default: Any = None
    otherwise: str | None = None


ValueGiven = Annotated[Annotated[str, TEXT] | Annotated[ValueTable, TABLE], EITHER]
"""A column's name, or a table that says more."""


def style_of(table: Style, base: Style, place: str) -> Style:
    """The style with what this table overrides."""
    changes = {name: getattr(table, name) for name in table.model_fields_set & _STYLED}
    for name in changes.keys() & {"date", "timestamp"}:
        _check_form(changes[name], place)
    if "zone" in changes:
        _check_zone(changes["zone"], f"{place}.zone")
    return base.model_copy(update=changes) if changes else base


def _check_zone(zone: str, place: str) -> None:
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ConfigurationError("is no time zone", place=place, remedy="for example Europe/Berlin") from None


_HALF_YEARS = re.compile("%-?[ygDxc]")


def _check_form(form: str, place: str) -> None:
    if _HALF_YEARS.search(form):
        raise ConfigurationError(
            "has years of two digits: whose century is it?", place=place, remedy="export whole years (%Y)"
        )
    if not has_year(form):
        raise ConfigurationError(f"{form} says no year", place=place, remedy="export whole dates (%Y)")


def value_of(raw: Any, place: str, style: Style, codes: Mapping[str, CodeTable]) -> Value:
    """A value of the configuration: a column's name, or a table that says more."""
    if isinstance(raw, str):
        return Value(columns=(raw,), style=style)
    table = raw if isinstance(raw, ValueTable) else checked(ValueTable, raw, place)
    said = frozenset(table.model_fields_set)
    joined = _joined_value(table, place, style) if "lookup" in said else None
    if left := said & ({"columns"} if joined or table.column else set()) | said & (
        {"by"} if not joined else set()
    ):
        raise unknown_keys(left, place)
    columns = (joined.name,) if joined else table.column or table.columns
    if sum((bool(columns), table.constant is not None, bool(table.flags))) != 1:
        raise ConfigurationError(
            "needs one of column, columns, constant, flags", place=place, remedy="name its source"
        )
    if table.codes is not None and table.codes not in codes:
        raise ConfigurationError(
            "names an unknown code table", place=f"{place}.codes", remedy="add [codes.<name>]"
        )
    return Value(
        columns=columns,
        constant=table.constant,
        flags=tuple(table.flags.items()),
        join=table.join,
        codes=codes[table.codes] if table.codes else None,
        out=table.out,
        prefix=table.prefix,
        suffix=table.suffix,
        person=table.person,
        whole=table.person,
        dated=not {"date", "timestamp"}.isdisjoint(said),
        pattern=_pattern(table.pattern, f"{place}.pattern"),
        factor=table.factor,
        default=table.default,
        otherwise=table.otherwise,
        style=style_of(table, style, place),
        said=said,
        joined=joined,
    )


def joined_of(table: LookedUp, place: str, style: Style) -> Joined:
    """The cell of another stream that this table names."""
    return Joined(lookup=table.lookup, by=table.by, column=table.column, style=style, place=place)


def _joined_value(table: ValueTable, place: str, style: Style) -> Joined:
    given = {"lookup": table.lookup, "by": table.by, "column": next(iter(table.column), "")}
    named = {name: text for name, text in given.items() if name in table.model_fields_set}
    return joined_of(checked(LookedUp, named, place), place, style)


_LISTS = frozenset({"strings", "string|strings", "Scope"})
_OF_PARTS = frozenset({"Scope", STAMP})
"""Values whose parts stand in columns of their own: `flags` names these."""
_TEXTS = _LISTS | {"string"}
_NUMBERS = frozenset({"decimal", "double"})
_DAYS = frozenset({"date", "timestamp-micros"})
_APPLY: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("factor", "decimal", "thousands"), _NUMBERS),
    **dict.fromkeys(("codes", "otherwise", "prefix", "suffix", "join", "person", "out"), _TEXTS),
    **dict.fromkeys(("date", "timestamp", "zone"), _TEXTS | _DAYS),
    "split": _LISTS,
    "flags": _LISTS | _OF_PARTS,
    **dict.fromkeys(("true", "false"), _LISTS | {"boolean"}),
}
"""Which kinds of values a key says anything about; a key that is not here applies to all."""
_OF_COLUMNS = frozenset(
    {"join", "codes", "person", "out", "prefix", "suffix", "pattern", "factor", "default", "otherwise"}
)


def refuse_inapplicable(value: Value, kind: str, place: str) -> None:
    """Raises ConfigurationError for a key that says nothing of a value of this kind: it would silently do nothing."""
    for name in sorted(value.said):
        if kind not in _APPLY.get(name, frozenset({kind})):
            raise ConfigurationError(
                f"does not apply to a {kind}",
                place=f"{place}.{name}",
                remedy="remove it, or map another field",
            )
    of_columns = "codes" not in value.said and kind not in _OF_PARTS
    if value.flags and of_columns and (left := sorted(value.said & _OF_COLUMNS - {"default"})):
        raise ConfigurationError("does not apply to flags", place=f"{place}.{left[0]}", remedy="remove it")
    if value.constant is not None and (left := sorted(value.said & _OF_COLUMNS)):
        raise ConfigurationError(
            "does not apply to a constant", place=f"{place}.{left[0]}", remedy="remove it"
        )
    if "otherwise" in value.said and value.codes is None:
        raise ConfigurationError("needs a code table", place=f"{place}.otherwise", remedy="set codes")
    _check_several(value, kind, place)
    _check_parts(value, kind, place)
    _check_days(value, kind, place)


def _check_several(value: Value, kind: str, place: str) -> None:
    several = any(isinstance(ours, tuple) for ours in (value.codes or {}).values())
    if several and (value.join is not None or kind not in ("strings", "string|strings")):
        raise ConfigurationError(
            "its code table has a list, and the field takes one value",
            place=f"{place}.codes",
            remedy="name one code for each word, or another code table",
        )


def _check_parts(value: Value, kind: str, place: str) -> None:
    several = len(value.columns) > 1 and value.join is None
    if several and kind not in {"strings", *_OF_PARTS} and not isinstance(value.codes, Areas):
        raise ConfigurationError(
            "names several columns for one value", place=f"{place}.columns", remedy="set join, or name one"
        )


def _check_days(value: Value, kind: str, place: str) -> None:
    """A month is no day, and a text says no part of a day that the export does not say."""
    said = [getattr(value.style, name) for name in ("date", "timestamp") if name in value.said]
    day = any(map(has_day, said or value.style.forms))
    if kind == "date" and value.used and not day:
        raise ConfigurationError("says no day", place=place, remedy="name a column with days, and its form")
    if value.out and has_day(value.out) and not day:
        raise ConfigurationError("shows a day that is not read", place=f"{place}.out", remedy="leave %d out")


def _pattern(raw: str, place: str) -> re.Pattern[str] | None:
    if not raw:
        return None
    try:
        found = re.compile(raw)
    except re.error as error:
        raise ConfigurationError(
            f"is no regular expression: {error}", place=place, remedy="correct it"
        ) from None
    if found.groups != 1:
        raise ConfigurationError(
            "needs exactly one group", place=place, remedy="put what counts in parentheses"
        )
    return found
