"""Whether bytes are what their encoding is said to be, although they can be decoded. Pure.

Every byte is a character in a single-byte encoding, so a wrong name decodes too: cp1252 read as ISO-8859-1 turns
quotation marks and the euro sign into invisible control characters, UTF-8 read as cp1252 turns ü into Ã¼.
"""

import codecs
import re
from typing import NamedTuple

UTF8 = frozenset({"utf-8", "utf-8-sig"})
WIDE = ("utf-16", "utf-32")
BOM = "\ufeff"
_CONTROL = re.compile("[\x80-\x9f]")


class Contradiction(NamedTuple):
    """What the bytes say instead, and on which line."""

    message: str
    line: int


class Bytes:
    """Looks at a file piece by piece, in order; a piece is whole characters or the beginning of what follows."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self._name = codecs.lookup(encoding).name
        self.is_wide = self._name.startswith(WIDE)
        self.is_single = self._name not in UTF8 and not self.is_wide
        self.by_line = "utf-8" if self._name in UTF8 else encoding
        """What decodes one line: utf-8-sig would take a mark from each."""
        self._utf8 = codecs.getincrementaldecoder("utf-8")() if self.is_single else None
        self._line, self._offset, self._first = 1, 0, True
        self._foreign: tuple[int, int] | None = None  # first line and byte that is not ASCII

    def look(self, raw: bytes, text: str) -> Contradiction | None:
        """A fault in this piece, of which `text` was decoded; None when there is none."""
        found = self._mark(raw)
        if found is None and not raw.isascii():
            self._note(raw)
            found = self._control(text)
        self._line += raw.count(b"\n")
        self._offset += len(raw)
        self._first = False
        return found

    def contradiction(self) -> Contradiction | None:
        """At the end: whether what calls itself a single-byte encoding is UTF-8 throughout."""
        if self._foreign is None or self._utf8 is None or not self._ends_whole():
            return None
        line, byte = self._foreign
        return Contradiction(f"byte {byte}: UTF-8, not {self.encoding}", line)

    def _mark(self, raw: bytes) -> Contradiction | None:
        """UTF-8's byte order mark before what is said to be something else."""
        if self._first and self._utf8 and raw.startswith(codecs.BOM_UTF8):
            return Contradiction(f"byte 0: byte order mark of UTF-8, not {self.encoding}", 1)
        return None

    def _control(self, text: str) -> Contradiction | None:
        """C1 control characters are in no text of an office; in UTF-8 one is a matter of its row."""
        found = _CONTROL.search(text) if self.is_single else None
        if found is None:
            return None
        byte, line = self._offset + found.start(), self._line + text.count("\n", 0, found.start())
        sign = f"control character U+{ord(found[0]):04X}, no text in {self.encoding}"
        meant = "cp1252 is meant, perhaps" if self._utf8 is None else f"UTF-8, not {self.encoding}"
        return Contradiction(f"byte {byte}: {sign}; {meant}", line)

    def _note(self, raw: bytes) -> None:
        if self._foreign is None:
            at = next(n for n, byte in enumerate(raw) if byte > 127)
            self._foreign = self._line + raw.count(b"\n", 0, at), self._offset + at
        if self._utf8:
            try:
                self._utf8.decode(raw)
            except UnicodeDecodeError:
                self._utf8 = None

    def _ends_whole(self) -> bool:
        return self._utf8 is not None and not self._utf8.getstate()[0]
