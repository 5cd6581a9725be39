"""Values of rows that may be deleted one day, as far as `on_vanish` needs them: sealed under the agency's own key.

A database forgets a row whole; to say whose record ended, its key and the columns that `on_vanish` names are kept, and
no other, for as long as the row is there.
"""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.contract import Row
from connectors.pipeline.state.state import State
from hub.domain.identifiers import AgencyKey

NONCE = 12


class Sealed:
    """Values of one purpose; what was sealed for another opens nothing."""

    def __init__(self, key: AgencyKey, purpose: str) -> None:
        halves = (key.row_hash(f"{purpose}/{n}".encode()) for n in (1, 2))
        self._cipher = AESGCM(b"".join(halves))

    def closed(self, values: Sequence[object], place: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE)
        return nonce + self._cipher.encrypt(nonce, json.dumps([_written(v) for v in values]).encode(), place)

    def opened(self, box: bytes, place: bytes) -> list[Any]:
        """Raises InvalidTag when it was sealed under another key or for another place."""
        return [_read(value) for value in json.loads(self._cipher.decrypt(box[:NONCE], box[NONCE:], place))]


class Bookmark:
    """Where reading by key goes on: the last key, which is often a person's number, as sealed text."""

    def __init__(self, key: AgencyKey) -> None:
        self._sealed = Sealed(key, "bookmark")

    def closed(self, stream: str, last: Sequence[object]) -> str:
        return b64encode(self._sealed.closed(last, stream.encode())).decode()

    def opened(self, stream: str, text: str | None) -> list[Any] | None:
        """The last key; None for a beginning, and for what another key has sealed."""
        try:
            return None if text is None else self._sealed.opened(b64decode(text), stream.encode())
        except InvalidTag:
            return None


def _written(value: object) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return {"t": value.isoformat()}
        case date():
            return {"d": value.isoformat()}
        case Decimal():
            return {"n": str(value)}
        case bytes():
            return {"b": value.hex()}
    return str(value)


def _read(value: Any) -> object:
    if not isinstance(value, Mapping):
        return value
    ((kind, text),) = value.items()
    reads: Mapping[str, Any] = {
        "t": datetime.fromisoformat,
        "d": date.fromisoformat,
        "n": Decimal,
        "b": bytes.fromhex,
    }
    return reads[kind](text)


TABLE = """CREATE TABLE IF NOT EXISTS remembered (
    stream TEXT, key BLOB, box BLOB NOT NULL, PRIMARY KEY (stream, key)
) WITHOUT ROWID"""


class Remembered:
    """A table of its own in the connector's state."""

    def __init__(self, state: State, key: AgencyKey) -> None:
        self._state, self._sealed = state, Sealed(key, "remembered")
        state.db.execute(TABLE)

    def keep(self, stream: str, columns: Iterable[str], rows: Iterable[Row]) -> None:
        """Before they are published; the last word on each row counts."""
        names = sorted(columns)
        entries = []
        for row in rows:
            key = self._state.key_hash(row.key)
            told = [part for name in names for part in (name, row.values[name])]
            entries.append((stream, key, self._sealed.closed(told, stream.encode() + key)))
        with self._state.transaction():
            self._state.db.executemany("INSERT OR REPLACE INTO remembered VALUES (?, ?, ?)", entries)

    def of(self, stream: str, key: bytes) -> dict[str, Any] | None:
        """The columns of a row by its key's hash; None when it was never kept."""
        query = "SELECT box FROM remembered WHERE stream = ? AND key = ?"
        found = self._state.db.execute(query, (stream, key)).fetchone()
        if found is None:
            return None
        told = self._sealed.opened(found[0], stream.encode() + key)
        return dict(zip(told[::2], told[1::2], strict=True))

    def forget(self, streams: Iterable[str]) -> None:
        """Inside the caller's transaction: rows of these streams that are gone, and said so, are kept no longer."""
        self._state.db.executemany(
            """DELETE FROM remembered WHERE stream = ? AND NOT EXISTS (
                SELECT 1 FROM seen s WHERE s.stream = remembered.stream AND s.key = remembered.key
            ) AND NOT EXISTS (
                SELECT 1 FROM quarantine q WHERE q.stream = remembered.stream AND q.key = remembered.key
            )""",
            [(stream,) for stream in streams],
        )
