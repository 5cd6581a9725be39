"""The ledger as a file: kept apart from every backup of keys and data, because it is what a backup must not undo.

One JSON array a line, one line per destroyed key version, under a header. An export says how many lines it has and what
they hash to; the journal, which grows with every destruction, does not. Pseudonyms and fingerprints only: no key.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson

from hub.domain.clock import micros, moment
from hub.errors import ConfigurationError, DataError, KeyServiceUnavailable, NoInput
from hub.ports import Certificate, KeyRef

FORMAT = "fallbruecke erasure ledger 1"
_HEADER = {"format": FORMAT, "entries": None, "sha256": None}
_PARTS = (
    7  # kind, controller, subject, sender, version, fingerprint, destroyed at (microseconds since 1970 UTC)
)


class DestructionJournal:
    """The file to which each destruction is written before it is done; several processes may share it."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigurationError when the file cannot be written."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._append(b"", header=orjson.dumps(_HEADER) + b"\n")
        except OSError as error:
            raise ConfigurationError(
                f"the ledger cannot be written: {error.strerror}",
                place="HUB_LEDGER_FILE",
                remedy="name a file apart from the databases, on a disk that can be written",
            ) from None

    def enter(self, proof: Certificate) -> None:
        """Durable when it returns; raises KeyServiceUnavailable, and then nothing may be destroyed."""
        try:
            self._append(b"".join(_lines([proof])))
        except OSError:
            raise KeyServiceUnavailable(
                "the ledger cannot be written",
                place="HUB_LEDGER_FILE",
                remedy="make room; nothing is destroyed that it does not name",
            ) from None

    def entries(self) -> Sequence[Certificate]:
        """One certificate per line; a last line that a crash cut off does not count: its key was not destroyed."""
        return _journal(self._path.read_bytes(), self._path.name)

    def _append(self, text: bytes, header: bytes = b"") -> None:
        with self._path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            file.write((header if size == 0 else self._line_end()) + text)
            file.flush()
            os.fsync(file.fileno())

    def _line_end(self) -> bytes:
        """Ends a line that a crash cut off, so that the next one can be read."""
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return b"" if file.read(1) == b"\n" else b"\n"


def export(path: Path, ledger: Iterable[Certificate]) -> int:
    """Write the ledger to a new file; how many key versions it names. Raises NoInput when it cannot be written."""
    lines = list(_lines(ledger))
    body = b"".join(lines)
    header = _HEADER | {"entries": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    draft = path.parent / f"{path.name}.part"
    try:
        with draft.open("wb") as file:
            file.write(orjson.dumps(header) + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise NoInput(
            f"cannot be written: {error.strerror}", place=path.name, remedy="name a writable folder"
        ) from None
    return len(lines)


def read(path: Path) -> Sequence[Certificate]:
    """The entries of an export or of a journal; raises NoInput, or DataError for a file that is not whole."""
    try:
        content = path.read_bytes()
    except OSError:
        raise NoInput("cannot be read", place=path.name, remedy="name a ledger that exists") from None
    header, _, body = content.partition(b"\n")
    told = _header(header, path.name)
    if told["entries"] is None:
        return _journal(content, path.name)
    if hashlib.sha256(body).hexdigest() != told["sha256"]:
        raise _broken(path.name)
    return [_entry(line, path.name) for line in body.splitlines()]


def _journal(content: bytes, name: str) -> Sequence[Certificate]:
    lines = content.splitlines(keepends=True)
    if not lines:
        return []
    _header(lines[0], name)
    whole = [line for line in lines[1:] if line.endswith(b"\n")]
    return [_entry(line, name) for line in whole if not _cut_off(line)]


def _cut_off(line: bytes) -> bool:
    """A line that a crash left half-written and that was ended afterwards."""
    return not line.rstrip().endswith(b"]")


def _header(line: bytes, name: str) -> dict[str, object]:
    try:
        header = orjson.loads(line)
    except orjson.JSONDecodeError:
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT or header.keys() != _HEADER.keys():
        raise _broken(name)
    return header


def _lines(ledger: Iterable[Certificate]) -> Iterator[bytes]:
    for proof in ledger:
        for version, fingerprint in zip(proof.versions, proof.fingerprints, strict=True):
            yield orjson.dumps((*proof.ref, version, fingerprint, micros(proof.at))) + b"\n"


def _entry(line: bytes, name: str) -> Certificate:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise _broken(name) from None
    if not isinstance(found, list) or len(found) != _PARTS:
        raise _broken(name)
    kind, controller, subject, sender, version, fingerprint, at = found
    return Certificate(KeyRef(kind, controller, subject, sender), (version,), (fingerprint,), moment(at))


def _broken(name: str) -> DataError:
    return DataError(
        "this is no whole ledger of destroyed keys",
        reason="ledger",
        place=name,
        remedy="give the newest export, or the file that HUB_LEDGER_FILE names",
    )
