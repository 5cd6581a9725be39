"""What an interface said, kept as a file of our own: an API forgets its last state, and people must be read again.

Only mapped columns are in it, sealed with the agency's own key (AES-256-GCM) piece by piece; each piece is bound to its
file and its place, the last one says that it is the last. So nothing can be read, cut or exchanged unnoticed.
"""

import json
import os
import secrets
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.contract import Fault
from connectors.sources.files.delivery import BadRow, Entry, HeldRow
from connectors.sources.files.settings import FileStream
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError

PIECE = 256 * 1024  # signs of rows in one piece, about
NONCE = 12
_SIZE = struct.Struct(">I")
_TAIL = struct.Struct(">Q")
_LAST = "last"
DAMAGED = "spool_damaged"


class Seal:
    """Seals and opens pieces of files."""

    def __init__(self, key: AgencyKey) -> None:
        self._cipher = AESGCM(key.row_hash(b"spool/1") + key.row_hash(b"spool/2"))

    def put(self, file: IO[bytes], content: Any, name: str, number: int | str) -> None:
        """Write one piece."""
        nonce = secrets.token_bytes(NONCE)
        box = nonce + self._cipher.encrypt(nonce, json.dumps(content).encode(), f"{name}/{number}".encode())
        file.write(_SIZE.pack(len(box)) + box)

    def get(self, file: IO[bytes], name: str, number: int | str) -> Any:
        """Read one piece; raises ValueError or InvalidTag where it is not what was written."""
        head = file.read(_SIZE.size)
        if len(head) != _SIZE.size:
            raise ValueError
        box = file.read(_SIZE.unpack(head)[0])
        return json.loads(self._cipher.decrypt(box[:NONCE], box[NONCE:], f"{name}/{number}".encode()))


class SpoolWriter:
    """Writes one file; it has its name only once it is whole and on the disk."""

    def __init__(self, path: Path, seal: Seal) -> None:
        self._path, self._seal, self._part = path, seal, path.with_suffix(".part")
        self._file = self._part.open("wb")
        self._page: list[list[str] | dict[str, Any]] = []
        self._signs, self._number, self.rows = 0, 0, 0

    def add(self, cells: list[str]) -> None:
        self._page.append(_written(cells))
        self._signs += sum(map(len, cells))
        self.rows += 1
        if self._signs >= PIECE:
            self._flush()

    def finish(self, columns: Sequence[str], names: Sequence[str]) -> None:
        """Say that it is whole, and give it its name."""
        self._flush()
        start = self._file.tell()
        told = {"rows": self.rows, "pieces": self._number, "columns": list(columns), "names": list(names)}
        self._seal.put(self._file, told, self._path.name, _LAST)
        self._file.write(_TAIL.pack(start))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()
        self._part.replace(self._path)

    def close(self) -> None:
        """Without `finish`: what was written does not count."""
        self._file.close()

    def _flush(self) -> None:
        if self._page:
            self._seal.put(self._file, self._page, self._path.name, self._number)
            self._page, self._signs = [], 0
            self._number += 1


class SpoolReader:
    """Reads one file, row by row."""

    def __init__(self, stream: FileStream, entry: Entry, seal: Seal) -> None:
        self._stream, self._entry, self._seal = stream, entry, seal
        self.rows = 0

    def cells(self) -> Iterator[tuple[int, list[str]]]:
        """Number and cells of every row; raises DataError."""
        told = self._told()
        try:
            with self._entry.path.open("rb") as file:
                for number in range(told["pieces"]):
                    for written in self._seal.get(file, self._entry.path.name, number):
                        self.rows += 1
                        yield self.rows, _read(written)
        except OSError:
            raise self._damaged() from None
        except (ValueError, InvalidTag):
            raise self._removed() from None

    def header(self) -> tuple[str, ...]:
        """Every name that was there, mapped or not."""
        return tuple(self._told()["names"])

    def verify(self) -> None:
        """All rows that were written were read."""
        if self.rows != self._told()["rows"]:
            raise self._damaged()

    def _told(self) -> dict[str, Any]:
        try:
            with self._entry.path.open("rb") as file:
                file.seek(-_TAIL.size, os.SEEK_END)
                file.seek(_TAIL.unpack(file.read())[0])
                told: dict[str, Any] = self._seal.get(file, self._entry.path.name, _LAST)
        except OSError:
            raise self._damaged() from None
        except (ValueError, OverflowError, InvalidTag):
            raise self._removed() from None
        if tuple(told["columns"]) != self._stream.columns:
            raise self._damaged()
        return told

    def _removed(self) -> DataError:
        """A file that says something else than was written is of no use: without it the stream is fetched anew."""
        with suppress(OSError):
            self._entry.path.unlink()
        remedy = "nothing to do: the file was removed, and everything is fetched anew"
        return DataError(
            "is not as it was written", reason=DAMAGED, place=self._entry.path.name, remedy=remedy
        )

    def _damaged(self) -> DataError:
        remedy = "delete this file beside the connector's state: everything is fetched anew"
        return DataError(
            "is not as it was written", reason=DAMAGED, place=self._entry.path.name, remedy=remedy
        )


def _written(cells: list[str]) -> list[str] | dict[str, Any]:
    """A row as it is kept; of one that is held also why, and whether its cells are those of its columns."""
    if not isinstance(cells, HeldRow):
        return cells
    return {"cells": list(cells), "fault": list(cells.fault), "bad": isinstance(cells, BadRow)}


def _read(written: Any) -> list[str]:
    if isinstance(written, list):
        return written
    return (BadRow if written["bad"] else HeldRow).of(written["cells"], Fault(*written["fault"]))
