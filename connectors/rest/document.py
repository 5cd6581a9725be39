"""One answer as strict JSON: rows by pointer, cells as text. The first fault refuses the answer; nothing is guessed."""

import codecs
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hub.errors import ConfigurationError, DataError

Pointer = tuple[str, ...]
MISSING: Any = object()
_UNFIT = ("\0", "\x1f")
"""Signs that no text of a person holds, and with which we join and hide keys."""
_MOST_NAMES = 1000


class Fraction(str):
    """A JSON number with decimals, as it was sent."""

    __slots__ = ()


def pointer_of(text: str, place: str) -> Pointer:
    """RFC 6901: "" is the whole document. Raises ConfigurationError."""
    if text and not text.startswith("/"):
        raise ConfigurationError("is no JSON pointer", place=place, remedy="begin with /")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def column_path(name: str) -> Pointer:
    """A column is a member of the row, or a pointer into it: "geburtsdatum", "/person/geburtsdatum"."""
    return pointer_of(name, name) if name.startswith("/") else (name,)


def find(document: Any, pointer: Pointer) -> Any:
    """What stands there, or MISSING."""
    for part in pointer:
        if isinstance(document, Mapping) and part in document:
            document = document[part]
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
            body.decode("utf-8"), parse_float=Fraction, parse_int=str, parse_constant=_no_number,
            object_pairs_hook=_once,
        )  # fmt: skip
    except UnicodeDecodeError as error:
        raise _fault(f"byte {error.start}: not UTF-8", "wrong_encoding", place) from None
    except json.JSONDecodeError as error:
        reason = "truncated" if error.pos >= len(error.doc.rstrip()) else "unreadable_json"
        raise _fault(f"sign {error.pos}: no JSON", reason, place) from None
    except RecursionError:
        raise _fault("is nested too deeply", "too_deep", place) from None
    except ValueError as error:
        raise _fault(str(error), "unreadable_json", place) from None


def rows_of(document: Any, pointer: Pointer, place: str) -> list[Mapping[str, Any]]:
    """The list of objects at this place; raises DataError."""
    found = find(document, pointer)
    if not isinstance(found, list) or not all(isinstance(row, Mapping) for row in found):
        at = "/" + "/".join(pointer) if pointer else "the whole answer"
        raise _fault(f"{at} is no list of objects", "wrong_shape", place)
    return found


class Cells:
    """Picks the wanted columns out of rows; remembers which names were there, mapped or not."""

    def __init__(
        self, columns: Sequence[str], optional: frozenset[str], split: str, decimal: str = "."
    ) -> None:
        """`decimal`: how the configuration reads numbers; a JSON number is never taken for a text in that form."""
        self._decimal = decimal
        self._paths = [(name, column_path(name), name in optional) for name in columns]
        self._split, self._spelt = split, {column_path(name): name for name in columns}
        self._inner = {path[:n] for path in self._spelt for n in range(1, len(path))}
        self.names: set[str] = set()

    def of(self, row: Mapping[str, Any], place: str) -> list[str]:
        """The cells in the order of the columns; raises DataError with the column's name."""
        self._note(row, ())
        return [self._cell(row, *one, place) for one in self._paths]

    def _cell(self, row: Mapping[str, Any], name: str, path: Pointer, may_lack: bool, place: str) -> str:  # noqa: FBT001
        value = find(row, path)
        if value is MISSING:
            if may_lack or find(row, path[:-1]) is None:
                return ""
            raise _fault(f"column {name} is not there", "column_missing", place)
        text = _text(value, self._split)
        if isinstance(value, Fraction):
            text = value.replace(".", self._decimal)
        if text is None:
            raise _fault(f"column {name} is no single value", "wrong_shape", place)
        if any(sign in text for sign in _UNFIT) or not _is_text(text):
            raise _fault(f"column {name} holds signs that are no text", "unreadable_text", place)
        return text

    def _note(self, row: Mapping[str, Any], at: Pointer) -> None:
        """Names of members; those of an inner object only where the mapping looks into it: they may be data."""
        for name, value in row.items():
            path = (*at, name)
            if isinstance(value, Mapping) and path in self._inner:
                self._note(value, path)
            elif path not in self._inner and len(self.names) < _MOST_NAMES:
                self.names.add(self._spelt.get(path) or spelling(path))


def spelling(path: Pointer) -> str:
    """The name of the column that stands there."""
    if len(path) == 1:
        return path[0]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _text(value: Any, split: str) -> str | None:
    """A single value as text; None where there is none, or where joining would not be undone."""
    if isinstance(value, list):
        parts = [_text(item, split) if not isinstance(item, list) else None for item in value]
        if any(part is None or split in part for part in parts):
            return None
        return split.join(part for part in parts if part is not None)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    return value if isinstance(value, str) else None


def _is_text(text: str) -> bool:
    """Half of a surrogate pair is none."""
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
