"""Values that a driver would change, lose or stop at, passed on as they are: each is the matter of its row alone."""

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

from connectors.contract import OutOfRange, Single, Unreadable, exact

LIST_BYTES = 1_048_576
"""How long a list of GROUP_CONCAT may be in our sessions of MySQL and MariaDB; beyond, they cut it silently."""
_CUT = range(LIST_BYTES - 3, LIST_BYTES + 1)
_SINGLE = struct.Struct("f")
_BITS = {b"\x00": 0, b"\x01": 1}


NOT_GIVEN = Unreadable(
    "cannot be given by the database", "correct the record, or the view or query that computes it"
)


class Undecoded(bytes):
    """A text whose bytes are none in the database's encoding."""

    __slots__ = ()


def told(value: object) -> object:
    """What the driver gave, as the runtime takes it."""
    match value:
        case Undecoded():
            return Unreadable("is no text in UTF-8", "correct the record")
        case bytes():  # a BIT of one place, which MariaDB's driver gives as a byte, is the number it means
            return _BITS.get(value, value)
        case memoryview():
            return bytes(value)
        case str() if len(value) * 4 > LIST_BYTES and len(value.encode("utf-8", "replace")) in _CUT:
            return Unreadable(
                f"is {LIST_BYTES} bytes long, where the database cuts lists", "make it shorter in a query"
            )
    return value


def shortest(value: object) -> object:
    """A number of single precision, with the digits that it has and no more."""
    if not isinstance(value, float) or isinstance(value, Single):
        return value
    try:
        packed = _SINGLE.pack(value)
    except OverflowError:
        return Single(value)
    digits = (float(f"{value:.{count}g}") for count in range(6, 10))
    return Single(next((each for each in digits if _SINGLE.pack(each) == packed), value))


def bindable(value: object) -> bool:
    """Whether a statement can compare with this value as the database has it."""
    if isinstance(value, str):
        return value.isprintable() or not any("\ud800" <= sign <= "\udfff" for sign in value)
    return not isinstance(value, Unreadable | Undecoded | list | dict)


def decoded(raw: bytes) -> str | Undecoded:
    """Text of SQLite, which checks none when it is written."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return Undecoded(raw)


def loads(text: str | bytes) -> object:
    """A JSON column: its numbers are exact; what is no JSON of usual depth, or names a member twice, is unreadable."""
    try:
        return json.loads(text, parse_float=exact, object_pairs_hook=_once)
    except _MemberTwice:
        return Unreadable("holds a member twice in one object", "write it once")
    except (ValueError, RecursionError):
        return Unreadable("is no JSON of usual depth", "correct the record")


class _MemberTwice(ValueError):
    pass


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Two members of one name: which of them is meant would be a guess."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _MemberTwice
    return found


def adapt_psycopg(connection: Any) -> None:
    """PostgreSQL has times that Python has not, and says single precision only by its type."""
    from psycopg.types import datetime as times
    from psycopg.types.json import set_json_loads
    from psycopg.types.numeric import FloatLoader

    loaders: Mapping[str, type[Any]] = {
        "date": times.DateLoader,
        "timestamp": times.TimestampLoader,
        "timestamptz": times.TimestamptzLoader,
        "time": times.TimeLoader,
        "timetz": times.TimetzLoader,
        "interval": times.IntervalLoader,
    }
    for name, loader in loaders.items():
        connection.adapters.register_loader(name, _kept(loader, OutOfRange))
    connection.adapters.register_loader("float4", _kept(FloatLoader, OutOfRange, shortest))
    set_json_loads(loads, connection)


def _kept(
    loader: type[Any], otherwise: type[str], then: Callable[[object], object] | None = None
) -> type[Any]:
    """A loader that gives the text where it can give no value."""

    class Kept(loader):  # type: ignore[misc]
        def load(self, data: Any) -> object:
            try:
                found = super().load(data)
            except Exception:  # noqa: BLE001  whatever it is, the text remains
                return otherwise(bytes(data).decode())
            return then(found) if then else found

    return Kept
