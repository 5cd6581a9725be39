"""One object of a verb as it was sent → its values as types. Pure but for the code lists; raises WorkError.

An error names the key and what is expected there, never the value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson

from hub.desk.work.grid import STEPS, dimensions
from hub.desk.work.owners import FIXED, is_owner
from hub.desk.work.verbs import LIST, LONGEST, VERBS, FieldRule, VerbRules
from hub.domain.clock import berlin_day
from hub.errors import DataError
from schemas import code_list

Values = Mapping[str, Any]
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
LARGEST = 65536
"""Bytes of an object."""
_STAMP = ("project", "worker", "phone")


class WorkError(DataError):
    """An object that cannot be entered; `reason` is the code of contract `work`, and nothing was written."""

    def __init__(self, code: str, place: str, message: str, remedy: str) -> None:
        super().__init__(message, reason=code, place=place, remedy=remedy)

    def at(self, place: str) -> "WorkError":
        """The same of one object among several; the code is told to people, too."""
        where = f"{place}: {self.place}" if self.place else place
        return WorkError(self.reason, where, f"{self.message} ({self.reason})", self.remedy)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the readers must know: the moment of the object, and the agencies that may be named."""

    at: datetime
    agency: str
    agency_kind: str
    agencies: frozenset[str]

    @property
    def today(self) -> date:
        return berlin_day(self.at)


def rules_of(verb: str) -> VerbRules:
    """The rules of a verb; raises WorkError for one that there is not."""
    try:
        return LIST if verb == "list" else VERBS[verb]
    except KeyError:
        raise _code("verb", "there is no such verb", "one of: " + ", ".join(VERBS)) from None


def object_of(data: bytes) -> object:
    """What the bytes say in JSON; raises WorkError."""
    if len(data) > LARGEST:
        raise WorkError("too_long", "", "the input is larger than an object may be", "shorten it")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        raise WorkError("unknown_field", "", "the input is no JSON object", "send one object") from None


def values(verb: str, said: object, now: datetime, agency: str, kind: str, agencies: Sequence[str]) -> Values:
    """The values of an object, `at` among them (`now` where it says none); a key that is null counts as left out,
    but for `step` of an assessment. Raises WorkError."""
    if not isinstance(said, dict):
        raise WorkError("unknown_field", "", "the input is no JSON object", "send one object")
    given = {name: value for name, value in said.items() if value is not None}
    rules = rules_of(verb).of(given)
    for name in said:
        if name not in rules:
            raise WorkError(
                "unknown_field", str(name)[:LONGEST], "there is no such field", "fields: " + ", ".join(rules)
            )
    for name, rule in rules.items():
        if rule.required and name not in given:
            raise WorkError("missing_field", name, "is missing", "add it")
    at = _moment(given["at"], now) if "at" in given else now
    reading = Reading(at, agency, kind, frozenset(agencies))
    found = {name: _READERS[rules[name].kind](value, rules[name], reading) for name, value in given.items()}
    _check_sentence(verb, found)
    return {**found, "at": at}


def _check_sentence(verb: str, found: Values) -> None:
    """A sentence may leave only when it was read back and released in the room (R08); a code needs nothing."""
    if verb not in ("agree", "task"):
        return
    if not {"code", "text"} & found.keys():
        raise WorkError("missing_field", "code", "is missing", "name a code, a text, or both")
    if "text" in found and not (found.get("read_back") is True and found.get("released_by")):
        raise WorkError(
            "not_read_back",
            "text",
            "the sentence was not read back and released",
            "read it back, set read_back, and name in released_by who agreed",
        )


def _text(value: object, rule: FieldRule, _: Reading) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _code(rule.name, "is no text", "write a short text")
    if len(value) > LONGEST:
        raise WorkError("too_long", rule.name, f"has more than {LONGEST} characters", "shorten it")
    return value


def _choice(value: object, rule: FieldRule, _: Reading) -> str:
    if not isinstance(value, str) or value not in rule.of:
        raise _code(rule.name, "is no known code", "one of: " + ", ".join(rule.of))
    return value


def _listed(value: object, rule: FieldRule, reading: Reading) -> str:
    """A code of a code list, valid on the day of the object; a label does not stand for it."""
    valid = [one.code for one in code_list(rule.of[0]).codes if one.valid(reading.today)]
    if not isinstance(value, str) or value not in valid:
        raise _code(rule.name, "is no code of its list on that day", "one of: " + ", ".join(valid))
    return value


def _codes(value: object, rule: FieldRule, reading: Reading) -> list[str]:
    return [_listed(one, rule, reading) for one in _items(value, rule)]


def _owner(value: object, rule: FieldRule, _: Reading) -> str:
    if not isinstance(value, str) or not is_owner(value) or len(value) > LONGEST:
        raise _code(
            rule.name,
            "is no owner code",
            "one of: " + ", ".join((*FIXED, "provider:AGENCY", "office:AGENCY")),
        )
    return value


def _owners(value: object, rule: FieldRule, reading: Reading) -> list[str]:
    return [_owner(one, rule, reading) for one in _items(value, rule)]


def _items(value: object, rule: FieldRule) -> list[object]:
    if not isinstance(value, list) or (rule.required and not value):
        raise _code(rule.name, "is no list of codes", "write a list")
    return list(dict.fromkeys(value)) if all(isinstance(one, str) for one in value) else value


def _addressee(value: object, rule: FieldRule, reading: Reading) -> str:
    """Another agency, or the benefits unit of this one."""
    own = ("jc_benefits",) if reading.agency_kind == "jobcenter" else ()
    known = (*sorted(reading.agencies - {reading.agency}), *own)
    if value not in known:
        raise _code(rule.name, "is no agency that this one works with", "one of: " + ", ".join(known))
    return str(value)


def _day(value: object, rule: FieldRule, _: Reading) -> date:
    try:
        if isinstance(value, str) and len(value) == len("2026-12-31"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise _code(rule.name, "is no day", "write it as 2026-12-31")


def _due(value: object, rule: FieldRule, reading: Reading) -> date:
    found = _day(value, rule, reading)
    if found < reading.today:
        raise WorkError(
            "due_past", rule.name, "lies before the day of the entry", "name today or a later day"
        )
    return found


def _time(value: object, rule: FieldRule, _: Reading) -> str:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise _code(rule.name, "is no time of day", "write it as 14:30")
    return value


def _flag(value: object, rule: FieldRule, _: Reading) -> bool:
    if not isinstance(value, bool):
        raise _code(rule.name, "is neither true nor false", "write true or false")
    return value


def _stamp(value: object, rule: FieldRule, reading: Reading) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise _code(rule.name, "is no stamp", "write an object with " + ", ".join(_STAMP))
    for name in value:
        if name not in _STAMP:
            raise WorkError(
                "unknown_field",
                f"{rule.name}.{str(name)[:LONGEST]}",
                "there is no such field",
                "fields: " + ", ".join(_STAMP),
            )
    return {
        name: _text(value[name], FieldRule(f"{rule.name}.{name}", "text"), reading)
        for name in _STAMP
        if value.get(name) is not None
    }


def _dimension(value: object, rule: FieldRule, reading: Reading) -> str:
    known = dimensions(reading.today)
    if value not in known:
        raise _code(rule.name, "is no dimension of the Raster", "one of: " + ", ".join(known))
    return str(value)


def _grid_step(value: object, rule: FieldRule, _: Reading) -> int:
    if type(value) is not int or value not in STEPS:
        raise _code(
            rule.name, "is no step of the Raster", "one of: " + ", ".join(map(str, STEPS)) + ", or null"
        )
    return value


def _moment(value: object, now: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise _code("at", "is no time", "write it as 2026-12-31T10:00:00Z")
    if found > now:
        raise _code("at", "lies in the future", "name a time that has come")
    return found.astimezone(UTC)


def _code(place: str, message: str, remedy: str) -> WorkError:
    return WorkError("unknown_code", place, message, remedy)


def _name(code: str) -> Callable[[object, FieldRule, Reading], str]:
    """A number or reference: that nothing bears another kind of name is told as that nothing bears it."""

    def read(value: object, rule: FieldRule, _: Reading) -> str:
        if type(value) is int:
            return str(value)
        if not isinstance(value, str) or not value or len(value) > LONGEST:
            raise WorkError(code, rule.name, "is not known here", "name one that this agency knows")
        return value

    return read


_READERS: Mapping[str, Callable[[Any, FieldRule, Reading], Any]] = {
    "text": _text,
    "choice": _choice,
    "code": _listed,
    "codes": _codes,
    "owner": _owner,
    "owners": _owners,
    "addressee": _addressee,
    "day": _day,
    "due": _due,
    "time": _time,
    "flag": _flag,
    "stamp": _stamp,
    "dimension": _dimension,
    "grid_step": _grid_step,
    "case": _name("unknown_case"),
    "person": _name("unknown_person"),
    "ref": _name("unknown_ref"),
    "moment": lambda value, _rule, reading: reading.at,
}
