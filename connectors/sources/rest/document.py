"""One answer as strict JSON: rows by pointer, cells as text. Nothing is guessed.

An answer that is no JSON, or has no list where rows are expected, is refused. A member of the list that is no row, and
a cell that cannot be read, hold that row alone.
"""

import codecs
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from connectors.contract import Unreadable
from connectors.pipeline.config.protecting import protecting_in
from connectors.sources.files.settings import listed
from hub.errors import ConfigurationError, DataError

Pointer = tuple[str, ...]
MISSING: Any = object()
_UNFIT = ("\0", "\x1f")
"""Signs that no text of a person holds, and with which we join and hide keys."""
_MOST_NAMES = 1000
COLUMN_MISSING = "column_missing"
_CORRECT = "correct the record in the interface, or the mapping"
EACH, OUTER = "*", ".."
"""In a pointer: every member of a list; the object in whose list this one stands."""


class Fraction(str):
    """A JSON number with decimals, as it was sent."""

    __slots__ = ()


class NoRow(NamedTuple):
    """A member of a list of rows that is none: why, and a digest that stands for all it says."""

    why: str
    digest: str


Member = Mapping[str, Any] | NoRow


def pointer_of(text: str, place: str) -> Pointer:
    """RFC 6901, and `EACH` for every member of a list: "" is the whole document. Raises ConfigurationError."""
    if text and not text.startswith("/"):
        raise ConfigurationError("is no JSON pointer", place=place, remedy="begin with /")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def column_path(name: str) -> Pointer:
    """A column is a member of the row, a pointer into it, or one into what stands around it: "geburtsdatum",
    "/person/geburtsdatum", "/kinder/*/id", "../aktenzeichen"."""
    if name.startswith(f"{OUTER}/"):
        return (OUTER, *column_path(name[3:] if name.startswith(f"{OUTER}/{OUTER}/") else name[2:]))
    return pointer_of(name, name) if name.startswith("/") else (name,)


def find(document: Any, pointer: Pointer) -> Any:
    """What stands there, or MISSING."""
    for at, part in enumerate(pointer):
        if isinstance(document, Mapping) and part in document:
            document = document[part]
        elif isinstance(document, list) and part == EACH:
            rest = pointer[at + 1 :]
            found = [find(each, rest) for each in document]
            if any(each is MISSING for each in found):
                return MISSING
            return [one for each in found for one in each] if EACH in rest else found
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return MISSING
    return document


def parsed(body: bytes, place: str) -> Any:
    """The document; numbers stay the text that they were sent as. Raises DataError."""
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_float=Fraction,
            parse_int=str,
            parse_constant=_no_number,
            object_pairs_hook=_once,
        )
    except UnicodeDecodeError as error:
        raise _fault(f"byte {error.start}: not UTF-8", "wrong_encoding", place) from None
    except json.JSONDecodeError as error:
        reason = "truncated" if error.pos >= len(error.doc.rstrip()) else "unreadable_json"
        raise _fault(f"sign {error.pos}: no JSON", reason, place) from None
    except RecursionError:
        raise _fault("is nested too deeply", "too_deep", place) from None
    except ValueError as error:
        raise _fault(str(error), "unreadable_json", place) from None


def rows_of(
    document: Any, pointer: Pointer, place: str, optional: frozenset[str] = frozenset()
) -> tuple[list[Member], int]:
    """The objects at this place, and how many the page counts: of "/akten/*/personen" the persons, each with its case
    under `OUTER`, and the number of cases. `optional`: inner lists that may be left out; an object that lacks another
    one is no row. Raises DataError where there is no list at all, or where every object lacks the inner one."""
    first, *inner = _levels(pointer)
    found = find(document, first)
    if not isinstance(found, list):
        raise _fault(f"{_shown(first)} is no list of objects", "wrong_shape", place)
    rows = [_member(each) for each in found]
    counted = len(rows)
    for level in inner:
        _refuse_renamed(rows, level, optional, place)
        rows = [row for outer in rows for row in _within(outer, level, optional)]
    return rows, counted


def _refuse_renamed(outers: Sequence[Member], level: Pointer, optional: frozenset[str], place: str) -> None:
    """One object without its list is held; where none of several has it, a new release has renamed it."""
    objects = [outer for outer in outers if not isinstance(outer, NoRow)]
    if (
        len(objects) > 1
        and spelling(level) not in optional
        and all(find(outer, level) is MISSING for outer in objects)
    ):
        raise _fault(f"{_shown(level)} is no list of objects", "wrong_shape", place)


def _member(found: Any) -> Member:
    return found if isinstance(found, Mapping) else NoRow("is no object", _digest(found))


def _digest(found: Any) -> str:
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def _shown(pointer: Pointer) -> str:
    return "/" + "/".join(pointer) if pointer else "the whole answer"


def _levels(pointer: Pointer) -> list[Pointer]:
    """The parts between the stars."""
    if EACH not in pointer:
        return [pointer]
    at = pointer.index(EACH)
    return [pointer[:at], *_levels(pointer[at + 1 :])]


def _within(outer: Member, level: Pointer, optional: frozenset[str]) -> Iterator[Member]:
    if isinstance(outer, NoRow):
        yield outer
        return
    found = find(outer, level)
    if found is None or (found is MISSING and spelling(level) in optional):
        return
    if not isinstance(found, list):
        yield NoRow(f"has no list of objects in {_shown(level)}", _digest(outer))
        return
    around = _without(outer, level)
    for row in map(_member, found):
        yield row if isinstance(row, NoRow) else {**row, OUTER: around}


def _without(outer: Mapping[str, Any], level: Pointer) -> Mapping[str, Any]:
    """The object around a list, without the list."""
    first, *rest = level
    left = {name: value for name, value in outer.items() if name != first}
    return {**left, first: _without(outer[first], tuple(rest))} if rest else left


class Cells:
    """Picks the wanted columns out of rows; remembers which names were there, mapped or not."""

    def __init__(self, columns: Sequence[str], optional: frozenset[str], decimal: str = ".") -> None:
        """`decimal`: how the configuration reads numbers; a JSON number is never taken for a text in that form."""
        self._decimal = decimal
        self._paths = [(column_path(name), name in optional) for name in columns]
        self._spelt = {column_path(name): name for name in columns}
        self._inner = {path[:n] for path in self._spelt for n in range(1, len(path))}
        self.names: set[str] = set()

    def of(self, row: Mapping[str, Any]) -> list[str | Unreadable]:
        """The cells in the order of the columns."""
        self._note(row, ())
        return [self._cell(row, *one) for one in self._paths]

    def _cell(self, row: Mapping[str, Any], path: Pointer, may_lack: bool) -> str | Unreadable:  # noqa: FBT001
        value = find(row, path)
        if value is MISSING:
            if may_lack or any(find(row, path[:at]) is None for at in range(1, len(path))):
                return ""
            return Unreadable("is not there", _CORRECT, COLUMN_MISSING)
        members = value if isinstance(value, list) else [value]
        if any(isinstance(one, Mapping | list) for one in members):
            return Unreadable("is no single value", _CORRECT, "wrong_shape")
        texts = [self._text(one) for one in members]
        if any(not _is_text(text) for text in texts):
            return Unreadable("holds signs that are no text", _CORRECT, "unreadable_text")
        if not isinstance(value, list):
            return texts[0]
        if None in value:
            return Unreadable("is a list with nothing in it", _CORRECT, "wrong_shape")
        return listed(texts) if texts else ""

    def _text(self, value: Any) -> str:
        """A single value as text."""
        if isinstance(value, Fraction):
            return value.replace(".", self._decimal)
        return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)

    def _note(self, row: Mapping[str, Any], at: Pointer) -> None:
        """Names of members; those of an inner object only where the mapping looks into it, for they may be data, or
        where they would protect."""
        for name, value in row.items():
            path = (*at, name)
            if isinstance(value, Mapping) and path in self._inner:
                self._note(value, path)
            elif path not in self._inner and len(self.names) < _MOST_NAMES:
                if name != OUTER:
                    self.names.add(self._spelt.get(path) or spelling(path))
                hidden = () if path in self._spelt else protecting_in(value, path, (EACH,))
                self.names.update(map(spelling, hidden))


def spelling(path: Pointer) -> str:
    """The name of the column that stands there."""
    if path[0] == OUTER and len(path) > 1:
        inner = spelling(path[1:])
        return f"{OUTER}{inner}" if inner.startswith("/") else f"{OUTER}/{inner}"
    if len(path) == 1:
        return path[0]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _is_text(text: str) -> bool:
    """Half of a surrogate pair is none, nor are the signs with which we join and hide keys."""
    if any(sign in text for sign in _UNFIT):
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member comes twice in one object")
    return found


def _no_number(_: str) -> Iterator[None]:
    raise ValueError("holds NaN or Infinity")


def _fault(message: str, reason: str, place: str) -> DataError:
    return DataError(
        message, reason=reason, place=place, remedy=f"{message}; correct the interface or the mapping"
    )
