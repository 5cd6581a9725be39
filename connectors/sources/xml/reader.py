"""One XML file, record by record, in bounded memory; hardened against entities, foreign references, depth and size.

expat reports where it is; a document type or an entity ends the reading before anything is resolved. What the file says
of its encoding must be what was agreed, and the bytes must not contradict it.
"""

import codecs
import hashlib
from collections.abc import Iterator

from connectors.sources.files.delivery import Entry, Position
from connectors.sources.files.encoding import Bytes
from connectors.sources.files.settings import FileStream
from connectors.sources.xml.config import XmlSettings
from connectors.sources.xml.tree import CHUNK, Found, Tree, fault


class XmlReader:
    """Reads one file once; `rows` counts its records. `hidden`: of each stream the places met so far that would protect
    and that are left out; readers of one source share it."""

    def __init__(
        self,
        stream: FileStream,
        settings: XmlSettings,
        entry: Entry,
        hidden: dict[str, set[str]] | None = None,
    ) -> None:
        self._stream, self._settings, self._entry = stream, settings, entry
        self._sha, self._bytes = hashlib.sha256(), Bytes(settings.encoding)
        self._tree: Tree | None = None
        self._hidden = {} if hidden is None else hidden
        self.rows = 0

    def cells(self) -> Iterator[tuple[int, list[str]]]:
        """Position and wanted cells of every record; raises DataError with reason and place."""
        self._tree = tree = Tree(self._stream, self._settings, self._entry)
        last, same = 0, 0
        for line, values in self._records(tree):
            self.rows += 1
            same = same + 1 if line == last else 1
            last = line
            yield Position.of(self.rows, line, same), [values.get(name, "") for name in self._stream.columns]

    def header(self) -> tuple[str, ...]:
        """The columns that were agreed, for an XML file names none, and what would protect and is left out."""
        hidden = self._hidden.get(self._stream.name, set())
        return tuple(sorted({*self._settings.records[self._stream.name].columns, *hidden}))

    def verify(self) -> None:
        entry = self._entry
        if entry.sha256 is not None and self._sha.hexdigest() != entry.sha256:
            raise fault(entry, "is not what the manifest describes", "checksum_mismatch", 0)
        if entry.rows is not None and self.rows != entry.rows:
            message = f"{self.rows} records, the manifest says {entry.rows}"
            raise fault(entry, message, "manifest_wrong", 0)
        if self._tree is not None:
            self._tree.check_names()

    def _records(self, tree: Tree) -> Iterator[Found]:
        for chunk in self._chunks():
            yield from tree.feed(chunk)
        yield from tree.end()
        self._hidden.setdefault(self._stream.name, set()).update(tree.hidden)
        if wrong := self._bytes.contradiction():
            raise fault(self._entry, wrong.message, "wrong_encoding", wrong.line)

    def _chunks(self) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(self._settings.encoding)()
        at = 0
        try:
            with self._entry.path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    self._sha.update(chunk)
                    text = decoder.decode(chunk)
                    if wrong := self._bytes.look(chunk, text):
                        raise fault(self._entry, wrong.message, "wrong_encoding", wrong.line)
                    at += len(chunk)
                    yield chunk
                decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            message = f"byte {at + error.start}: not {self._settings.encoding}"
            raise fault(self._entry, message, "wrong_encoding", 0) from None
        except OSError:
            raise fault(self._entry, "is not there", "file_missing", 0) from None
