"""One stream read into a file of its own: whole, or only what changed put into what was read before.

An interface may change between two pages: a row slips to a page that was read already and seems gone. A whole reading
of several pages in which a key is missing or comes twice therefore counts only when a second one says the same.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from connectors.contract import Fault, Unreadable
from connectors.pipeline.state.state import State
from connectors.sources.cursor import Ordering
from connectors.sources.doubtful import too_many
from connectors.sources.files.delivery import BAD_ROW, SEPARATOR, BadRow, Entry, HeldRow
from connectors.sources.files.diff import Diff, Incoming
from connectors.sources.files.rows import identify, key_of
from connectors.sources.files.settings import FileStream, unreadable
from connectors.sources.rest.client import Client
from connectors.sources.rest.config import Endpoint, RestSettings, version_of
from connectors.sources.rest.document import COLUMN_MISSING, Cells, Member, NoRow
from connectors.sources.rest.paging import Pages
from connectors.sources.rest.spool import Seal, SpoolReader, SpoolWriter
from hub.domain.clock import micros
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError

READINGS = 4
"""How often a whole reading is tried until two agree."""
MOST_CHANGES = 50_000
"""Changed rows at once in memory; beyond, the stream is read whole."""
_WRAP = 1 << 256
NOT_WHOLE = -1
"""In place of the time of a whole reading: a row without a key is among the rows, and only the next whole reading tells
whether it still stands there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is remembered of a reading. `digest` names the rows in whatever order, `mark` what was asked for.

    `newest`: the newest version among the rows; `etag`: what the server calls this state; `whole_at`: when the stream
    was last read whole, in microseconds, or NOT_WHOLE.
    """

    file: str
    digest: str
    mark: str
    newest: str = ""
    etag: str = ""
    whole_at: int = 0


class Streams:
    """Reads streams; raises what the client raises, and DataError."""

    def __init__(
        self, settings: RestSettings, client: Client, state: State, key: AgencyKey, seal: Seal
    ) -> None:
        self._settings, self._client, self._state, self._key, self._seal = settings, client, state, key, seal
        self._diff = Diff(state)

    def mark(self, stream: FileStream) -> str:
        """Changes when what was read before is no answer to what is asked now."""
        endpoint = self._settings.endpoints[stream.name]
        asked = (self._settings.access.url, sorted(endpoint.parameters.items()), endpoint.path, endpoint.rows)
        return sha256(repr((asked, endpoint.version, stream.columns)).encode()).hexdigest()

    def look(self, stream: FileStream, now: datetime) -> None:
        """Whether the first page can be read."""
        picker = self._picker(stream, now)
        page = next(self._pages(stream).read({}))
        for row in page.rows:
            picker.of(row, page.place)
        picker.verify(whole=True)

    def read(self, stream: FileStream, kept: Told | None, path: Path, now: datetime) -> Told:
        """What the stream is now, in a new file at `path`, or `kept` again where no row is otherwise."""
        if kept is None or not kept.newest or kept.whole_at == NOT_WHOLE:
            return self._whole(stream, kept, path, now)
        passed = micros(now) - kept.whole_at
        if passed < 0 or passed >= self._settings.reconcile_seconds * 1_000_000 > 0:
            return self._whole(stream, kept, path, now)
        return self._changed(stream, kept, path, now)

    def _whole(self, stream: FileStream, kept: Told | None, path: Path, now: datetime) -> Told:
        before = None
        for _ in range(READINGS):
            told, pages = self._fetch(stream, kept, path, now)
            if told is None:
                continue
            if pages <= 1 or told.digest == before or self._steady(stream, path):
                return told
            before = told.digest
        raise DataError(
            "changes while it is read",
            reason="changed_while_reading",
            place=stream.name,
            remedy="the pages do not fit together: correct paging or total, or let the interface sort by its key",
        )

    def _fetch(
        self, stream: FileStream, kept: Told | None, path: Path, now: datetime
    ) -> tuple[Told | None, int]:
        """One whole reading and its number of pages; None when it is not as many rows as the interface said."""
        picker, hashed, etag, total, counted, pages = self._picker(stream, now), 0, "", None, 0, 0
        with closing(SpoolWriter(path, self._seal)) as writer:
            for page in self._pages(stream).read({}, kept.etag if kept else ""):
                if page.unchanged and kept:
                    return replace(kept, whole_at=kept.whole_at if kept.whole_at < 0 else micros(now)), 0
                pages, etag, total, counted = pages + 1, etag or page.etag, page.total, counted + page.counted
                for row in page.rows:
                    cells = picker.of(row, page.place)
                    writer.add(cells)
                    hashed += self._hash(stream, cells)
            if total is not None and total != counted:
                return None, pages
            picker.verify(whole=True)
            writer.finish(stream.columns, picker.names())
        alone = pages == 1 or self._settings.endpoints[stream.name].etag_whole
        told = Told(
            file=path.name,
            digest=_text(hashed),
            mark=self.mark(stream),
            newest=picker.newest,
            etag=etag if alone else "",
            whole_at=NOT_WHOLE if picker.unnamed else micros(now),
        )
        return told, pages

    def _changed(self, stream: FileStream, kept: Told, path: Path, now: datetime) -> Told:
        """Rows from the newest version on, less the overlap, each in the place of what it was."""
        picker, key = self._picker(stream, now), key_of(stream)
        picker.newest = kept.newest
        since = {self._settings.endpoints[stream.name].since: start(self._settings.ordering, kept.newest)}
        found: dict[bytes, list[str]] = {}
        for page in self._pages(stream).read(since):
            for row in page.rows:
                cells = picker.of(row, page.place)
                found[self._state.key_hash(key(cells))] = cells
            if len(found) > MOST_CHANGES:
                return self._whole(stream, None, path, now)
        if not found:
            return kept
        picker.verify(whole=False)
        told = replace(kept, newest=picker.newest, whole_at=NOT_WHOLE if picker.unnamed else kept.whole_at)
        return self._merged(stream, told, found, picker.names(), path)

    def _merged(
        self, stream: FileStream, kept: Told, found: dict[bytes, list[str]], names: list[str], path: Path
    ) -> Told:
        old = SpoolReader(stream, Entry(path.with_name(kept.file), stream.name, 0), self._seal)
        key, hashed = key_of(stream), 0
        replaced = self._replaced(stream, old, found)
        with closing(SpoolWriter(path, self._seal)) as writer:
            for _, before in old.cells():
                if replaced and self._state.key_hash(key(before)) in replaced:
                    continue
                cells = found.pop(self._state.key_hash(key(before)), before)
                writer.add(cells)
                hashed += self._hash(stream, cells)
            for cells in found.values():
                writer.add(cells)
                hashed += self._hash(stream, cells)
            if _text(hashed) == kept.digest:
                return kept
            writer.finish(stream.columns, sorted({*names, *old.header()}))
        return replace(kept, file=path.name, digest=_text(hashed), etag="")

    def _replaced(self, stream: FileStream, old: SpoolReader, found: Mapping[bytes, list[str]]) -> set[bytes]:
        """The rows of persons' first numbers in whose place newer ones came: an interface that tells what changed need
        not tell what is gone. Where both stand, the next whole reading has both."""
        if not stream.stream.renumbered:
            return set()
        new: dict[bytes, bytes] = {}
        for hashed, cells in found.items():
            one = identify(stream, cells)
            if one.before and one.before != one.key and not one.gone:
                new[hashed] = self._state.key_hash(one.before)
        key = key_of(stream)
        there = {self._state.key_hash(key(cells)) for _, cells in old.cells()} if new else set()
        return {first for own, first in new.items() if own not in there} - found.keys()

    def _steady(self, stream: FileStream, path: Path) -> bool:
        """Whether no key is missing that was read before, and none came twice."""
        reader, key = SpoolReader(stream, Entry(path, stream.name, 0), self._seal), key_of(stream)
        self._diff.clear()
        with self._state.transaction():
            self._diff.load(
                Incoming(stream.name, line, self._state.key_hash(key(cells)), b"")
                for line, cells in reader.cells()
            )
            self._diff.index()
        return self._diff.is_unique and not self._diff.vanished(stream.name)

    def _hash(self, stream: FileStream, cells: list[str]) -> int:
        content = SEPARATOR.join((stream.name, *cells)).encode()
        return int.from_bytes(self._key.row_hash(content), "big")

    def _pages(self, stream: FileStream) -> Pages:
        return Pages(self._client, self._settings.paging, stream.name, self._settings.endpoints[stream.name])

    def _picker(self, stream: FileStream, now: datetime) -> "Picker":
        endpoint = self._settings.endpoints[stream.name]
        return Picker(stream, endpoint, self._settings.ordering, now)


class Picker:
    """Wanted cells out of rows; on the way the newest version, no later than now.

    A row that cannot be read is held alone (`HeldRow`, or an unreadable cell). `unnamed`: how many have no key.
    """

    def __init__(self, stream: FileStream, endpoint: Endpoint, ordering: Ordering, now: datetime) -> None:
        self._stream, self._version, self._ordering, self._now = stream, endpoint.version, ordering, now
        self._width = len(stream.columns)
        columns = list(dict.fromkeys([*stream.columns, *([self._version] if self._version else [])]))
        self._at = columns.index(self._version) if self._version else -1
        self._cells = Cells(columns, endpoint.optional, ordering.style.decimal)
        self._columns = columns
        self._rows, self._held, self._noted = 0, 0, 0
        self._first = ("", "")  # reason and place of the first row that is held
        self._lacking: Counter[str] = Counter()
        self.newest, self.unnamed = "", 0

    def names(self) -> list[str]:
        """Members that were there."""
        return sorted(self._cells.names - {self._version})

    def of(self, row: Member, place: str) -> list[str]:
        """The cells of the stream's columns, of which some may be unreadable; or a HeldRow."""
        self._rows += 1
        found = (
            self._no_row(row, place) if isinstance(row, NoRow) else self._picked(self._cells.of(row), place)
        )
        self.unnamed += not identify(self._stream, found).named
        return found

    def verify(self, *, whole: bool) -> None:
        """After the last row of a reading (`whole`: of all rows). Raises DataError where it is the interface, and not
        single rows, that is otherwise than agreed: no row has a column, or too many rows cannot be read."""
        several = whole and self._rows > 1
        lacking = next(
            (name for name, count in self._lacking.items() if several and count == self._rows), None
        )
        if lacking is not None:
            reason, place, message = COLUMN_MISSING, self._stream.name, f"column {lacking} is not there"
        elif too_many(self._held, self._rows):
            (reason, place), message = self._first, f"{self._held} of {self._rows} rows cannot be read"
        else:
            return
        remedy = f"{message}; correct the interface or the mapping"
        raise DataError(message, reason=reason, place=place, remedy=remedy)

    def _no_row(self, row: NoRow, place: str) -> BadRow:
        self._note(BAD_ROW, place)
        return BadRow.of([row.digest], Fault(BAD_ROW, "", f"it {row.why}: correct the interface"))

    def _picked(self, cells: Sequence[str | Unreadable], place: str) -> list[str]:
        texts = [cell if isinstance(cell, str) else unreadable(cell) for cell in cells]
        for name, cell in zip(self._columns, cells, strict=True):
            if not isinstance(cell, str):
                self._lacking[name] += cell.reason == COLUMN_MISSING
                self._note(cell.reason, place)
        found = texts[: self._width]
        if not self._version or self._advances(cells[self._at]):
            return found
        self._note("unreadable_version", place)
        remedy = (
            f"{self._version} is neither a time nor a whole number: correct the record, or defaults.timestamp"
        )
        return HeldRow.of(found, Fault("unreadable_version", self._version, remedy))

    def _note(self, reason: str, place: str) -> None:
        """A row is held."""
        if not self._held:
            self._first = reason, place
        if self._noted != self._rows:
            self._noted, self._held = self._rows, self._held + 1

    def _advances(self, version: str | Unreadable) -> bool:
        """Whether the version can be read, or none is told."""
        if not isinstance(version, str):
            return False
        try:
            told = str(self._ordering.capped(version_of(version), self._now)) if version else self.newest
            if told and (not self.newest or self._order(told) > self._order(self.newest)):
                self.newest = told
        except DataError:
            return False
        return True

    def _order(self, text: str) -> int:
        return self._ordering.order(version_of(text))


def start(ordering: Ordering, newest: str) -> str:
    """Where to ask from, written as the interface writes it."""
    text = str(ordering.start(version_of(newest)))
    return text.removesuffix("+00:00") + "Z" if newest.endswith("Z") else text


def _text(hashed: int) -> str:
    return f"{hashed % _WRAP:064x}"
