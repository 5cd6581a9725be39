"""One CSV file, line by line: decoded strictly, its shape checked, its checksum counted along. Bounded memory.

The first fault ends the reading and says where it is, by file, line and byte; nothing is repaired or guessed.
"""

import codecs
import csv
import hashlib
from collections.abc import Iterator
from typing import IO

from connectors.files.delivery import Entry
from connectors.files.settings import Dialect, FileStream
from hub.errors import DataError

OTHER_DELIMITERS = ",;\t|"
UTF8 = frozenset({"utf-8", "utf-8-sig"})
WIDE = ("utf-16", "utf-32")
CHUNK = 64 * 1024


class CsvReader:
    """Reads one file once. After the last row, `rows` says how many it read."""

    def __init__(self, stream: FileStream, dialect: Dialect, entry: Entry) -> None:
        self._stream, self._dialect, self._entry = stream, dialect, entry
        self._sha, self._offset, self._line = hashlib.sha256(), 0, 0
        self._foreign: tuple[int, int] | None = None  # first line and byte that is not ASCII
        name = codecs.lookup(dialect.encoding).name
        self._is_wide = name.startswith(WIDE)
        self._utf8, self._single = True, name not in UTF8
        self._last = ""  # the trailer's line
        self._header: tuple[str, ...] = stream.names
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
        if self._single and self._foreign and self._utf8:
            line, byte = self._foreign
            raise self._fault(f"byte {byte}: UTF-8, not {self._dialect.encoding}", "wrong_encoding", line)

    def _verify_manifest(self) -> None:
        entry = self._entry
        if entry.sha256 is not None and self._sha.hexdigest() != entry.sha256:
            if entry.rows is not None and self.rows < entry.rows:
                raise self._fault(f"{self.rows} of {entry.rows} rows", "truncated", self._line)
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
            wanted = [self._position(name) for name in self._stream.columns]
            width = len(self._header)
            for row in reader:
                if len(row) != width:
                    raise self._cut(file, f"{len(row)} of {width} columns", "wrong_columns", reader.line_num)
                self.rows += 1
                yield reader.line_num + sign.skip, [row[position] for position in wanted]
        except csv.Error:
            raise self._cut(file, "quotes do not close", "unreadable_csv", reader.line_num) from None

    def _cut(self, file: IO[bytes], message: str, reason: str, line: int) -> DataError:
        """A fault in the very last line of a file that is not complete: it was cut off."""
        told = self._entry.sha256
        complete = told is not None and self._sha.hexdigest() == told
        last = file.read(1) == b"" and not complete
        return self._fault(message, "truncated" if last else reason, line + self._dialect.skip)

    def _lines(self, file: IO[bytes]) -> Iterator[str]:
        """The lines to be parsed: without what stands before the header, and without the trailer."""
        waiting: str | None = None
        for text in self._wide(file) if self._is_wide else self._decoded(file):
            if self._line <= self._dialect.skip:
                continue
            if self._dialect.trailer is None:
                yield text
            elif waiting is not None:
                yield waiting
            waiting = text
        self._last = waiting or ""

    def _decoded(self, file: IO[bytes]) -> Iterator[str]:
        encoding = self._dialect.encoding
        for raw in file:
            self._line += 1
            self._sha.update(raw)
            self._check(raw)
            start = 3 if self._line == 1 and not self._single and raw.startswith(codecs.BOM_UTF8) else 0
            try:
                yield raw[start:].decode(encoding)
            except UnicodeDecodeError as error:
                byte = self._offset + start + error.start
                raise self._fault(f"byte {byte}: not {encoding}", "wrong_encoding", self._line) from None
            self._offset += len(raw)

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
                self._whole(line.endswith(("\n", "\r")))
                yield line
            if not raw:
                return

    def _whole(self, ends: bool) -> None:  # noqa: FBT001  says of one line whether it ends
        """A line that does not end was cut, where nothing else tells the end."""
        told = self._entry.sha256 is not None or self._dialect.trailer is not None
        if not told and not ends:
            raise self._fault("the last line does not end", "truncated", self._line)

    def _check(self, raw: bytes) -> None:
        self._whole(raw.endswith(b"\n"))
        if not raw.isascii() or b"\0" in raw:
            self._look(raw)

    def _look(self, raw: bytes) -> None:
        """NUL never is text, and UTF-8 that calls itself cp1252 is told at the end."""
        if b"\0" in raw:
            byte = self._offset + raw.index(b"\0")
            raise self._fault(f"byte {byte}: not {self._dialect.encoding}", "wrong_encoding", self._line)
        if self._foreign is None:
            first = next((n for n, byte in enumerate(raw) if byte > 127), 0)
            self._foreign = self._line, self._offset + first
        if self._single and self._utf8:
            self._utf8 = _is_utf8(raw)

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


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
