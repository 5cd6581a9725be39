"""One XML file, record by record, in bounded memory; hardened against entities, foreign references, depth and size.

expat reports where it is; a document type or an entity ends the reading before anything is resolved. What the file says
of its encoding must be what was agreed.
"""

import codecs
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any
from xml.parsers import expat

from connectors.files.delivery import Entry
from connectors.files.settings import FileStream
from connectors.xml.config import Records, XmlSettings
from hub.errors import DataError

CHUNK = 64 * 1024
SPLIT = "\x1f"
Row = tuple[int, list[str]]


class XmlReader:
    """Reads one file once; `rows` counts its records."""

    def __init__(self, stream: FileStream, settings: XmlSettings, entry: Entry) -> None:
        self._stream, self._settings, self._entry = stream, settings, entry
        self._sha = hashlib.sha256()
        self.rows = 0

    def cells(self) -> Iterator[Row]:
        """Line number and wanted cells of every record; raises DataError with reason and place."""
        tree = _Tree(self._settings, self._settings.records[self._stream.name], self._entry)
        for chunk in self._chunks():
            for line, values in tree.feed(chunk):
                self.rows += 1
                yield line, [values.get(name, "") for name in self._stream.columns]
        tree.end()

    def header(self) -> tuple[str, ...]:
        """The columns that were agreed: an XML file names none."""
        return tuple(sorted(self._settings.records[self._stream.name].columns))

    def verify(self) -> None:
        entry = self._entry
        if entry.sha256 is not None and self._sha.hexdigest() != entry.sha256:
            raise _fault(entry, "is not what the manifest describes", "checksum_mismatch", 0)
        if entry.rows is not None and self.rows != entry.rows:
            message = f"{self.rows} records, the manifest says {entry.rows}"
            raise _fault(entry, message, "manifest_wrong", 0)

    def _chunks(self) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(self._settings.encoding)()
        at = 0
        try:
            with self._entry.path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    self._sha.update(chunk)
                    decoder.decode(chunk)
                    at += len(chunk)
                    yield chunk
                decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            message = f"byte {at + error.start}: not {self._settings.encoding}"
            raise _fault(self._entry, message, "wrong_encoding", 0) from None
        except OSError:
            raise _fault(self._entry, "is not there", "file_missing", 0) from None


class _Tree:
    """Follows the elements, keeps what a record needs and lets everything else go."""

    def __init__(self, settings: XmlSettings, records: Records, entry: Entry) -> None:
        self._settings, self._records, self._entry = settings, records, entry
        self._path: list[str] = []
        self._above: dict[tuple[str, ...], str] = {}  # texts and attributes on the way from the root
        self._texts: defaultdict[tuple[str, ...], list[str]] = defaultdict(
            list
        )  # one for each time it is there
        self._kept, self._found, self._start = 0, list[tuple[int, dict[str, str]]](), 0
        self._parser = self._made()

    def feed(self, chunk: bytes) -> Iterator[tuple[int, dict[str, str]]]:
        try:
            self._parser.Parse(chunk)
        except expat.ExpatError as error:
            raise self._broken(error) from None
        found, self._found = self._found, []
        yield from found

    def end(self) -> None:
        """The document must be whole."""
        try:
            self._parser.Parse(b"", True)  # noqa: FBT003  expat's own: this was all
        except expat.ExpatError as error:
            raise self._broken(error) from None

    def _made(self) -> Any:
        parser = expat.ParserCreate(namespace_separator=SPLIT)
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._begins, self._ends
        parser.CharacterDataHandler = self._text
        parser.XmlDeclHandler = self._declared
        parser.StartDoctypeDeclHandler = self._forbidden
        parser.EntityDeclHandler = self._forbidden
        parser.ExternalEntityRefHandler = self._forbidden
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        return parser

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        told = codecs.lookup(encoding).name if encoding and _known(encoding) else encoding or "utf-8"
        agreed = codecs.lookup(self._settings.encoding).name.replace("-sig", "").replace("_sig", "")
        if told != agreed:
            raise self._fault(f"says that it is {told}, agreed was {agreed}", "wrong_encoding")

    def _forbidden(self, *_: Any) -> int:
        raise self._fault("has a document type or an entity", "forbidden_xml")

    def _begins(self, name: str, attributes: dict[str, str]) -> None:
        limits = self._settings.limits
        self._path.append(_named(name))
        if len(self._path) > limits.depth or len(attributes) > limits.attributes:
            raise self._fault("is nested too deep or has too many attributes", "too_large")
        place = tuple(self._path)
        if place == self._records.path:
            self._texts.clear()
            self._kept, self._start = 0, self._parser.CurrentLineNumber
        self._new(place)
        for attribute, value in attributes.items():
            at = (*place, f"@{_named(attribute)}")
            self._new(at)
            self._keep(at, value)

    def _text(self, text: str) -> None:
        self._keep(tuple(self._path), text)

    def _new(self, place: tuple[str, ...]) -> None:
        """An element or attribute begins; its text comes in pieces."""
        size = len(self._records.path)
        if place[:size] == self._records.path:
            self._weigh(1)
            self._texts[place[size:]].append("")
        else:
            self._above[place] = ""

    def _keep(self, place: tuple[str, ...], text: str) -> None:
        size = len(self._records.path)
        if place[:size] == self._records.path:
            self._weigh(len(text))
            self._texts[place[size:]][-1] += text
        elif text.strip() or self._above[place]:
            self._above[place] += text

    def _weigh(self, size: int) -> None:
        self._kept += size
        if self._kept > self._settings.limits.record_bytes:
            raise self._fault("has a record that is too large", "too_large")

    def _ends(self, name: str) -> None:
        place = tuple(self._path)
        self._path.pop()
        if place == self._records.path:
            self._found.append((self._start, self._values()))
        elif place[: len(self._records.path)] != self._records.path:
            self._forget(place)

    def _values(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for column, path in self._records.columns.items():
            if path[0] == "":
                found[column] = self._above.get(path[1:], "").strip()
            else:
                found[column] = self._joined(column, self._texts.get(() if path == (".",) else path, ()))
        return found

    def _joined(self, column: str, parts: Iterable[str]) -> str:
        """One text; of what is there several times, a list as the export's own lists are written."""
        texts = [text for part in parts if (text := " ".join(part.split()))]
        split = self._settings.split
        if len(texts) > 1 and (not split or any(split in text for text in texts)):
            raise self._fault(f"column {column} is there several times, and no list", "wrong_shape")
        return split.join(texts)

    def _forget(self, ended: tuple[str, ...]) -> None:
        """What stands in a branch that has ended belongs to no later record, unless it is a leaf beside its way."""
        if ended == self._records.path[: len(ended)]:
            for place in [place for place in self._above if place[: len(ended)] == ended]:
                del self._above[place]

    def _broken(self, error: expat.ExpatError) -> DataError:
        kind = expat.errors.codes.get(expat.errors.XML_ERROR_NO_ELEMENTS)
        cut = error.code in (kind, *(expat.errors.codes[text] for text in _CUT))
        message = f"is no whole XML (line {error.lineno}, column {error.offset})"
        return _fault(self._entry, message, "truncated" if cut else "unreadable_xml", error.lineno)

    def _fault(self, message: str, reason: str) -> DataError:
        return _fault(self._entry, message, reason, self._parser.CurrentLineNumber)


_CUT = (
    expat.errors.XML_ERROR_UNCLOSED_TOKEN,
    expat.errors.XML_ERROR_PARTIAL_CHAR,
    expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
)


def _named(name: str) -> str:
    """`{uri}Name`, as the configuration's paths are written out."""
    uri, split, local = name.rpartition(SPLIT)
    return f"{{{uri}}}{local}" if split else name


def _known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True


def _fault(entry: Entry, message: str, reason: str, line: int) -> DataError:
    place = f"{entry.place}:{line}" if line else entry.place
    return DataError(message, reason=reason, place=place, remedy=f"{message}; export it again")
