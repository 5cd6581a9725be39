"""One CSV file, line by line: decoded strictly, its shape checked, its checksum counted along. Bounded memory.

The first fault ends the reading and says where it is, by file, line and byte; nothing is repaired or guessed.
"""

import codecs
import csv
import hashlib
from collections.abc import Iterator
from typing import IO

from connectors.contract import Fault
from connectors.sources.files.delivery import BAD_ROW, BadRow, Entry
from connectors.sources.files.encoding import BOM, Bytes
from connectors.sources.files.settings import Dialect, FileStream
from hub.errors import DataError

OTHER_DELIMITERS = ",;\t|"
DOS_END = b"\x1a"
CHUNK = 64 * 1024
_OPEN = "quotes do not close"
_CAUSES = {
    "new-line character": "a carriage return stands in a field without quotes",
    "field limit": f"a field is longer than {csv.field_size_limit()} characters",
    "expected after": "text stands behind a closing quote",
    "unexpected end": _OPEN,
}
"""What the csv module says → what is told."""


class CsvReader:
    """Reads one file once. After the last row, `rows` says how many it read."""

    def __init__(self, stream: FileStream, dialect: Dialect, entry: Entry) -> None:
        self._stream, self._dialect, self._entry = stream, dialect, entry
        self._sha, self._offset, self._line = hashlib.sha256(), 0, 0
        self._bytes = Bytes(dialect.encoding)
        self._last = ""  # the trailer's line
        self._header: tuple[str, ...] = stream.names
        self._fits = True  # the last row that was read
        self._marked = False  # whether a row began with a byte order mark
        self.rows = 0

    def cells(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and wanted cells of every row; raises DataError with reason and place."""
        try:
            with self._entry.path.open("rb") as file:
                yield from self._parsed(file)
        except OSError:
            raise self._fault("is not there", "file_missing", 0) from None

    def header(self) -> tuple[str, ...]:
        """The columns of the file."""
        if not self._header:
            next(self.cells(), None)
        return self._header

    def verify(self) -> None:
        """Compare with manifest or trailer what was read to its end; raises DataError."""
        self._verify_manifest()
        self._verify_trailer()
        if wrong := self._bytes.contradiction():
            raise self._fault(wrong.message, "wrong_encoding", wrong.line)

    def _verify_manifest(self) -> None:
        entry = self._entry
        if entry.sha256 is not None and self._sha.hexdigest() != entry.sha256:
            whole = self.rows if self._fits else self.rows - 1
            if entry.rows is not None and whole < entry.rows:
                raise self._fault(f"{whole} of {entry.rows} rows", "truncated", self._line)
            raise self._fault("is not what the manifest describes", "checksum_mismatch", self._line)
        if entry.rows is not None and self.rows != entry.rows:
            message = f"{self.rows} rows, the manifest says {entry.rows}"
            raise self._fault(message, "manifest_wrong", self._line)

    def _verify_trailer(self) -> None:
        if self._dialect.trailer is None:
            return
        found = self._dialect.trailer.fullmatch(self._last.rstrip("\r\n"))
        if found is None:
            raise self._fault("the last line is no trailer", "truncated", self._line)
        told = found[1] if self._dialect.trailer.groups else ""
        if told.isdigit() and int(told) != self.rows:
            raise self._fault(f"{self.rows} rows, the trailer says {int(told)}", "truncated", self._line)

    def _parsed(self, file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
        sign = self._dialect
        reader = sign.parsed(self._lines(file))
        try:
            if sign.header:
                self._header = tuple(next(reader, []))
                self._check_header()
            wanted = [self._position(name) for name in self._stream.columns]
            width = len(self._header)
            for row in reader:
                if not row and width > 1:
                    continue  # an empty line
                self.rows += 1
                self._fits = len(row) == width
                problem = "" if self._fits else f"{len(row)} of {width} columns"
                if self._marked or (row[:1] and row[0].startswith(BOM)):
                    problem = self._look_behind_mark(row, reader.line_num + sign.skip) or problem
                yield (
                    reader.line_num + sign.skip,
                    BadRow.of(row, _misfit(problem)) if problem else [row[position] for position in wanted],
                )
        except csv.Error as error:
            message = next((told for sign, told in _CAUSES.items() if sign in str(error)), "is no CSV")
            reason = "too_large" if "limit" in str(error) else "unreadable_csv"
            if message == _OPEN:
                raise self._cut(file, message, reason, reader.line_num) from None
            raise self._fault(message, reason, reader.line_num + sign.skip) from None

    def _look_behind_mark(self, row: list[str], line: int) -> str:
        """Files that were put one behind the other bring their marks and headers with them, perhaps other columns:
        raises DataError. A mark before anything else is a character of its cell, and one before a quote hides what
        the cell says."""
        self._marked = True
        names = {cell.removeprefix(BOM).strip(self._dialect.quote or "") for cell in row}
        if len(names.intersection(self._header)) * 2 > len(self._header):
            raise self._fault("byte order mark: within the file, with a header", "wrong_encoding", line)
        hidden = self._dialect.quote and row[0].startswith(f"{BOM}{self._dialect.quote}")
        return "a byte order mark before a quote" if hidden else ""

    def _check_header(self) -> None:
        """No column stands twice: which of two is meant would be a guess."""
        found = [name for name in self._header if name]
        twice = [name for name in found if found.count(name) > 1]
        if twice:
            raise self._fault(f"column {twice[0]} stands twice", "header_drift", 1 + self._dialect.skip)

    def _cut(self, file: IO[bytes], message: str, reason: str, line: int) -> DataError:
        """A fault in the very last line of a file that is not complete: it was cut off."""
        told = self._entry.sha256
        complete = told is not None and self._sha.hexdigest() == told
        last = file.read(1) == b"" and not complete
        return self._fault(message, "truncated" if last else reason, line + self._dialect.skip)

    def _lines(self, file: IO[bytes]) -> Iterator[str]:
        """The lines to be parsed: without what stands before the header, and without the trailer."""
        waiting: str | None = None
        for text in self._wide(file) if self._bytes.is_wide else self._decoded(file):
            if self._line <= self._dialect.skip:
                continue
            if self._dialect.trailer is None:
                yield text
            elif waiting is not None:
                yield waiting
            waiting = text
        self._last = waiting or ""

    def _decoded(self, file: IO[bytes]) -> Iterator[str]:
        encoding = self._bytes.by_line
        for raw in file:
            self._line += 1
            self._sha.update(raw)
            self._check(raw)
            start = (
                3 if self._line == 1 and not self._bytes.is_single and raw.startswith(codecs.BOM_UTF8) else 0
            )
            try:
                text = raw[start:].decode(encoding)
            except UnicodeDecodeError as error:
                byte = self._offset + start + error.start
                raise self._fault(f"byte {byte}: not {encoding}", "wrong_encoding", self._line) from None
            self._look(raw, text)
            self._offset += len(raw)
            yield text

    def _wide(self, file: IO[bytes]) -> Iterator[str]:
        """Lines of an encoding whose signs are wider than a byte: a byte that looks like a line's end is none."""
        decoder, rest = codecs.getincrementaldecoder(self._dialect.encoding)(), ""
        while True:
            raw = file.read(CHUNK)
            self._sha.update(raw)
            try:
                lines = (rest + decoder.decode(raw, final=not raw)).splitlines(keepends=True)
            except UnicodeError as error:
                byte = self._offset + getattr(error, "start", 0)
                raise self._fault(
                    f"byte {byte}: not {self._dialect.encoding}", "wrong_encoding", self._line + 1
                ) from None
            self._offset += len(raw)
            rest = lines.pop() if lines and raw else ""
            for line in lines:
                self._line += 1
                text = line.removeprefix(BOM) if self._line == 1 else line
                self._whole(text.endswith(("\n", "\r")))
                self._check_start(text)
                yield text
            if not raw:
                return

    def _whole(self, ends: bool) -> None:  # noqa: FBT001  says of one line whether it ends
        """A line that does not end was cut, where nothing else tells the end."""
        told = self._entry.sha256 is not None or self._dialect.trailer is not None
        if not told and not ends:
            raise self._fault("the last line does not end", "truncated", self._line)

    def _check(self, raw: bytes) -> None:
        """What is told by a line's bytes alone."""
        if raw == DOS_END:
            raise self._fault("ends with Ctrl-Z, as DOS wrote it", "unreadable_csv", self._line)
        if b"\r" in raw and not raw.endswith(b"\n") and self._line == 1:
            raise self._fault("lines end with a carriage return alone", "unreadable_csv", self._line)
        self._whole(raw.endswith(b"\n"))
        if b"\0" in raw:
            byte = self._offset + raw.index(b"\0")
            raise self._fault(f"byte {byte}: not {self._dialect.encoding}", "wrong_encoding", self._line)

    def _look(self, raw: bytes, text: str) -> None:
        if wrong := self._bytes.look(raw, text):
            raise self._fault(wrong.message, "wrong_encoding", wrong.line)
        self._check_start(text)

    def _check_start(self, text: str) -> None:
        """A file has one mark of its own."""
        if self._line == 1 and text.startswith(BOM):
            raise self._fault("byte order mark: a second one", "wrong_encoding", 1)

    def _position(self, name: str) -> int:
        if name in self._header:
            return self._header.index(name)
        only = self._header[0] if len(self._header) == 1 else ""
        other = next(
            (sign for sign in OTHER_DELIMITERS if sign != self._dialect.delimiter and sign in only), ""
        )
        if other:
            message = f"delimiter expected {self._dialect.delimiter!r}, found {other!r}"
            raise self._fault(message, "wrong_delimiter", 1)
        raise self._fault(f"column {name} is not there; {self._found()}", "header_drift", 1)

    def _found(self) -> str:
        """The columns found, unless the first line looks like data rather than a header."""
        expected = set(self._stream.columns)
        if len(expected.intersection(self._header)) * 2 < len(expected):
            return f"expected {', '.join(self._stream.columns)}, found {len(self._header)} others"
        return f"expected {', '.join(self._stream.columns)}, found {', '.join(self._header)}"

    def _fault(self, message: str, reason: str, line: int) -> DataError:
        place = f"{self._entry.place}:{line}" if line else self._entry.place
        return DataError(message, reason=reason, place=place, remedy=f"{message}; export it again")


def _misfit(problem: str) -> Fault:
    return Fault(BAD_ROW, "", f"it has {problem}: correct the row, or its delimiters and quotes")
