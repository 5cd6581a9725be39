"""One CSV file, line by line: decoded strictly, its shape checked, its checksum counted along. Bounded memory.

The first fault ends the reading and says where it is, by file, line and byte; nothing is repaired or guessed.
"""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from connectors.snapshot_csv.config import CsvStream, Dialect
from connectors.snapshot_csv.manifest import Entry
from hub.errors import DataError

OTHER_DELIMITERS = ",;\t|"
Cells = tuple[int, list[str]]  # line number, the cells of the columns wanted


class CsvReader:
    """Reads one file once. After the last row, `sha256` and `rows` say what was read."""

    def __init__(self, path: Path, stream: CsvStream, dialect: Dialect, entry: Entry) -> None:
        self._path, self._stream, self._dialect, self._entry = path, stream, dialect, entry
        self._sha, self._offset, self._line = hashlib.sha256(), 0, 0
        self._foreign: tuple[int, int] | None = None  # first line and byte that is not ASCII
        self._utf8 = True
        self._single = dialect.encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "utf-8-sig")
        self.rows = 0
        self.header: Sequence[str] = ()

    @property
    def place(self) -> str:
        return f"{self._path.parent.name}/{self._path.name}"

    def cells(self) -> Iterator[Cells]:
        """Line number and wanted cells of every row; raises DataError with reason and place."""
        try:
            with self._path.open("rb") as file:
                yield from self._parsed(file)
        except OSError:
            raise self._fault("is not there", "file_missing", 0) from None

    def verify(self) -> None:
        """Compare with the manifest what was read to its end; raises DataError."""
        entry = self._entry
        if self._sha.hexdigest() != entry.sha256:
            if self.rows < entry.rows:
                raise self._fault(f"{self.rows} of {entry.rows} rows", "truncated", self._line)
            raise self._fault("is not what the manifest describes", "checksum_mismatch", self._line)
        if self.rows != entry.rows:
            raise self._fault(
                f"{self.rows} rows, the manifest says {entry.rows}", "manifest_wrong", self._line
            )
        if self._single and self._foreign and self._utf8:
            line, byte = self._foreign
            raise self._fault(f"byte {byte}: UTF-8, not {self._dialect.encoding}", "wrong_encoding", line)

    def _parsed(self, file: Iterator[bytes]) -> Iterator[Cells]:
        reader = csv.reader(
            self._lines(file), delimiter=self._dialect.delimiter, quotechar=self._dialect.quote, strict=True
        )
        try:
            self.header = next(reader, [])
            wanted = [self._position(name) for name in self._stream.columns]
            width = len(self.header)
            for row in reader:
                if len(row) != width:
                    raise self._cut(file, f"{len(row)} of {width} columns", "wrong_columns", reader.line_num)
                self.rows += 1
                yield reader.line_num, [row[position] for position in wanted]
        except csv.Error:
            raise self._cut(file, "quotes do not close", "unreadable_csv", reader.line_num) from None

    def _cut(self, file: Iterator[bytes], message: str, reason: str, line: int) -> DataError:
        """A fault in the very last line of a file that is not the manifest's: it was cut off."""
        last = next(file, b"") == b"" and self._sha.hexdigest() != self._entry.sha256
        return self._fault(message, "truncated" if last else reason, line)

    def _lines(self, file: Iterator[bytes]) -> Iterator[str]:
        encoding = self._dialect.encoding
        for raw in file:
            self._line += 1
            self._sha.update(raw)
            if not raw.isascii() or b"\0" in raw:
                self._look(raw)
            try:
                yield raw.decode(encoding)
            except UnicodeDecodeError as error:
                raise self._fault(
                    f"byte {self._offset + error.start}: not {encoding}", "wrong_encoding", self._line
                ) from None
            self._offset += len(raw)

    def _look(self, raw: bytes) -> None:
        """A byte that is not plain ASCII: NUL never is text, and UTF-8 that calls itself cp1252 is told at the end."""
        if b"\0" in raw:
            byte = self._offset + raw.index(b"\0")
            raise self._fault(f"byte {byte}: not {self._dialect.encoding}", "wrong_encoding", self._line)
        first = next(n for n, byte in enumerate(raw) if byte > 127)
        self._foreign = self._foreign or (self._line, self._offset + first)
        if self._single and self._utf8:
            self._utf8 = _is_utf8(raw)

    def _position(self, name: str) -> int:
        if name in self.header:
            return self.header.index(name)
        only = self.header[0] if len(self.header) == 1 else ""
        other = next(
            (sign for sign in OTHER_DELIMITERS if sign != self._dialect.delimiter and sign in only), ""
        )
        if other:
            raise self._fault(
                f"delimiter expected {self._dialect.delimiter!r}, found {other!r}", "wrong_delimiter", 1
            )
        raise self._fault(f"column {name} is not there; {self._found()}", "header_drift", 1)

    def _found(self) -> str:
        """The columns found, unless the first line looks like data rather than a header."""
        expected = set(self._stream.columns)
        if len(expected.intersection(self.header)) * 2 < len(expected):
            return f"expected {', '.join(self._stream.columns)}, found {len(self.header)} others"
        return f"expected {', '.join(self._stream.columns)}, found {', '.join(self.header)}"

    def _fault(self, message: str, reason: str, line: int) -> DataError:
        place = f"{self.place}:{line}" if line else self.place
        return DataError(message, reason=reason, place=place, remedy=f"{message}; export this snapshot again")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
