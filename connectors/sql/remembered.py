"""What a row said that may be deleted one day, as far as `on_vanish` needs it: sealed under the agency's own key.

A database forgets a row whole; to say whose record ended, its key and the columns that `on_vanish` names are kept, and
no other, for as long as the row is there.
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.runtime.ports import Row
from connectors.runtime.state import State
from hub.domain.identifiers import AgencyKey

TABLE = """CREATE TABLE IF NOT EXISTS remembered (
    stream TEXT, key BLOB, box BLOB NOT NULL, PRIMARY KEY (stream, key)
) WITHOUT ROWID"""
NONCE = 12


class Remembered:
    """A table of its own in the connector's state."""

    def __init__(self, state: State, key: AgencyKey) -> None:
        self._state = state
        self._cipher = AESGCM(key.row_hash(b"remembered/1") + key.row_hash(b"remembered/2"))
        state.db.execute(TABLE)

    def keep(self, stream: str, columns: Iterable[str], rows: Iterable[Row]) -> None:
        """Before they are published; the last word on each row counts."""
        names = sorted(columns)
        entries = []
        for row in rows:
            key, nonce = self._state.key_hash(row.key), secrets.token_bytes(NONCE)
            plain = json.dumps({name: _written(row.values[name]) for name in names}).encode()
            sealed = self._cipher.encrypt(nonce, plain, stream.encode() + key)
            entries.append((stream, key, nonce + sealed))
        with self._state.transaction():
            self._state.db.executemany("INSERT OR REPLACE INTO remembered VALUES (?, ?, ?)", entries)

    def of(self, stream: str, key: bytes) -> dict[str, Any] | None:
        """The columns of a row by its key's hash; None when it was never kept."""
        query = "SELECT box FROM remembered WHERE stream = ? AND key = ?"
        found = self._state.db.execute(query, (stream, key)).fetchone()
        if found is None:
            return None
        plain = self._cipher.decrypt(found[0][:NONCE], found[0][NONCE:], stream.encode() + key)
        return {name: _read(value) for name, value in json.loads(plain).items()}

    def forget(self) -> None:
        """Inside the caller's transaction: rows that are gone, and said so, are kept no longer."""
        self._state.db.execute(
            """DELETE FROM remembered WHERE NOT EXISTS (
                SELECT 1 FROM seen s WHERE s.stream = remembered.stream AND s.key = remembered.key
            ) AND NOT EXISTS (
                SELECT 1 FROM quarantine q WHERE q.stream = remembered.stream AND q.key = remembered.key
            )"""
        )


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
    return str(value)


def _read(value: Any) -> object:
    if not isinstance(value, Mapping):
        return value
    ((kind, text),) = value.items()
    reads: Mapping[str, Any] = {"t": datetime.fromisoformat, "d": date.fromisoformat, "n": Decimal}
    return reads[kind](text)
