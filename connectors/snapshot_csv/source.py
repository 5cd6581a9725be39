"""Reads full snapshots (a folder of CSV files with a manifest) and passes on only what changed.

A snapshot counts as a whole: it is examined to its last byte before the first row is passed on. The last one that was
read stays where the agency keeps it and is read again when somebody's present state is wanted.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from connectors.runtime.ports import Batch, Control, Held, Incident, NothingKept, Row
from connectors.runtime.state import State, hidden
from connectors.snapshot_csv.config import CsvSettings, CsvStream
from connectors.snapshot_csv.diff import Diff, Incoming
from connectors.snapshot_csv.manifest import Manifest
from connectors.snapshot_csv.reader import CsvReader
from connectors.snapshot_csv.shelf import STREAM, Shelf
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError, DataError

SEPARATOR = "\x1f"


class SnapshotSource:
    """One export folder."""

    def __init__(self, settings: CsvSettings, state: State, key: AgencyKey) -> None:
        self._settings, self._state, self._key = settings, state, key
        self._shelf, self._diff = Shelf(settings, state), Diff(state)
        self._current: Manifest | None = None
        self._known = False  # whether the gate's knowledge has the current (or else the last) snapshot
        self._refused: dict[str, tuple[str, Incident]] = {}  # name → (digest, why)
        self._readers: dict[str, CsvReader] = {}  # the last one of each stream: it knows the header

    def check(self) -> None:
        if not self._settings.folder.is_dir():
            raise ConfigurationError(
                "is no folder", place="config.settings.folder", remedy="name the export folder"
            )

    def discover(self) -> Mapping[str, Sequence[str]]:
        kept = self._current or self._shelf.kept()
        for name, stream in self._settings.streams.items():
            if name not in self._readers and kept:
                next(self._reader(kept, stream).cells(), None)
        return {name: reader.header for name, reader in self._readers.items()}

    def refresh(self, now: datetime) -> Sequence[Incident]:
        """Take up the oldest snapshot that is newer than the last one and sound; the others are incidents."""
        if self._current:
            return []
        found, incidents = self._shelf.candidates(now)
        for manifest in found:
            incident = self._remembered(manifest) or self._examine(manifest)
            if incident is None:
                self._current, self._known = manifest, False
                break
            incidents.append(incident)
        if self._current is None and self._shelf.last and self._shelf.kept() is None:
            remedy = "put the last snapshot back, or export a new one: nobody can be read again without it"
            incidents.append(Incident(STREAM, "kept_snapshot_missing", self._shelf.last.name, remedy))
        return incidents

    def control(self, streams: Collection[str]) -> Control:
        manifest = self._current or self._shelf.kept()
        if self._known or manifest is None:
            return Control(iter(()), complete=False)
        self._known = True
        return Control(self._rows(manifest, streams), complete=True)

    def read(self, streams: Collection[str], limit: int) -> Iterator[Batch]:
        if self._current is None:
            return
        self._diff.find_changes()
        for name in streams:
            yield from self._changed(self._current, self._settings.streams[name], limit)
            yield from self._vanished(self._current, self._settings.streams[name], limit)

    def finished(self) -> None:
        if self._current:
            self._shelf.adopt(self._current)
            self._current = None
            self._diff.clear()

    def subjects(self, local_ids: Collection[str]) -> Iterator[Row]:
        manifest = self._current or self._shelf.kept()
        if manifest is None:
            raise NothingKept
        wanted = frozenset(local_ids)
        for stream in self._settings.streams.values():
            columns = _subject_columns(stream)
            rows = self._rows(manifest, [stream.name]) if columns else ()
            page = [row for row in rows if any(row.values[column] in wanted for column in columns)]
            yield from self._since(stream, page)

    def held(self) -> Held | None:
        return self._shelf.held()

    def accept(self) -> Held | None:
        return self._shelf.accept()

    def close(self) -> None:
        """Nothing is kept open."""

    def _remembered(self, manifest: Manifest) -> Incident | None:
        """A refusal stands until the snapshot is another one, or was accepted."""
        digest, incident = self._refused.get(manifest.name, ("", None))
        return incident if digest == manifest.digest and not self._shelf.accepted(manifest) else None

    def _examine(self, manifest: Manifest) -> Incident | None:
        """Read it to its end once; None when it may be taken up."""
        try:
            self._load(manifest)
        except DataError as error:
            return self._refuse(manifest, error.reason, error.place, error.remedy)
        if self._shelf.accepted(manifest) or (found := self._too_many_vanished()) is None:
            return None
        stream, share = found
        self._shelf.hold(manifest, stream, share)
        remedy = f"{share:.0%} of the keys vanished: hub connect accept, if that is true"
        return self._refuse(manifest, "snapshot_held", f"{manifest.name}/{stream}", remedy)

    def _too_many_vanished(self) -> tuple[str, float] | None:
        """Where more keys vanished than the configuration lets pass, and their share."""
        counts = {name: self._diff.vanished_count(name) for name in self._settings.streams}
        for name, (gone, before) in counts.items():
            if gone > self._settings.vanish_rows and gone > before * self._settings.vanish_limit:
                return name, gone / before
        gone, before = (sum(pair[n] for pair in counts.values()) for n in (0, 1))
        return ("*", gone / before) if gone > before * self._settings.vanish_limit else None

    def _refuse(self, manifest: Manifest, reason: str, place: str, remedy: str) -> Incident:
        incident = Incident(STREAM, reason, place, remedy)
        self._refused[manifest.name] = manifest.digest, incident
        return incident

    def _load(self, manifest: Manifest) -> None:
        self._diff.clear()
        with self._state.transaction():
            for stream in self._settings.streams.values():
                reader = self._reader(manifest, stream)
                self._diff.load(self._incoming(reader, stream))
                reader.verify()
            self._diff.index()
        for stream in self._settings.streams.values():
            line = self._diff.duplicate(stream.name)
            if line is not None:
                place = f"{manifest.name}/{stream.file}:{line}"
                raise DataError(
                    "key came before", reason="duplicate_key", place=place, remedy="export it again"
                )

    def _incoming(self, reader: CsvReader, stream: CsvStream) -> Iterator[Incoming]:
        positions = [stream.columns.index(name) for name in stream.stream.key]
        hash_key, hash_row = self._state.key_hash, self._content
        for line, cells in reader.cells():
            yield Incoming(stream.name, line, hash_key(_key(cells, positions)), hash_row(cells))

    def _content(self, cells: Sequence[str]) -> bytes:
        return self._key.row_hash(SEPARATOR.join(cells).encode())

    def _reader(self, manifest: Manifest, stream: CsvStream) -> CsvReader:
        entry = manifest.files.get(stream.file)
        if entry is None:
            raise DataError(
                "is not in the manifest", reason="manifest_wrong", place=f"{manifest.name}/{stream.file}",
                remedy="export all files that the configuration names",
            )  # fmt: skip
        reader = CsvReader(manifest.folder / stream.file, stream, self._settings.dialect, entry)
        self._readers[stream.name] = reader
        return reader

    def _rows(self, manifest: Manifest, streams: Collection[str]) -> Iterator[Row]:
        for name in streams:
            stream = self._settings.streams[name]
            for line, cells in self._reader(manifest, stream).cells():
                yield self._row(manifest, stream, line, cells)

    def _row(
        self, manifest: Manifest, stream: CsvStream, line: int, cells: Sequence[str], content: bytes = b""
    ) -> Row:
        values = dict(zip(stream.columns, cells, strict=True))
        key = SEPARATOR.join(values[name] for name in stream.stream.key)
        return Row(stream.name, key, f"{manifest.name}/{stream.file}:{line}", values, manifest.as_of, content)

    def _changed(self, manifest: Manifest, stream: CsvStream, limit: int) -> Iterator[Batch]:
        changes = self._diff.changes(stream.name)
        wanted = next(changes, None)
        page: list[Row] = []
        if wanted is None:
            return
        for line, cells in self._reader(manifest, stream).cells():
            if line != wanted[0]:
                continue
            if self._content(cells) != wanted[1]:
                raise DataError(
                    "changed while it was read", reason="changed_while_reading",
                    place=f"{manifest.name}/{stream.file}:{line}", remedy="do not write into a finished snapshot",
                )  # fmt: skip
            page.append(self._row(manifest, stream, line, cells, wanted[1]))
            if len(page) >= limit:
                yield Batch(stream.name, page)
                page = []
            wanted = next(changes, None)
            if wanted is None:
                break
        if page:
            yield Batch(stream.name, page)

    def _vanished(self, manifest: Manifest, stream: CsvStream, limit: int) -> Iterator[Batch]:
        """Rows that are no longer there, with what they said where the mapping asks for it."""
        gone = self._diff.vanished(stream.name)
        kept = self._shelf.kept() if gone and stream.stream.on_vanish else None
        rows = (
            self._former(kept, manifest, stream, frozenset(gone))
            if kept
            else self._nameless(manifest, stream, gone)
        )
        page: list[Row] = []
        for row in rows:
            page.append(row)
            if len(page) >= limit:
                yield Batch(stream.name, page)
                page = []
        if page:
            yield Batch(stream.name, page)

    def _former(
        self, kept: Manifest, now: Manifest, stream: CsvStream, gone: frozenset[bytes]
    ) -> Iterator[Row]:
        for row in self._rows(kept, [stream.name]):
            if self._state.key_hash(row.key) in gone:
                yield row._replace(gone=True, version=now.as_of)

    def _nameless(self, manifest: Manifest, stream: CsvStream, gone: Sequence[bytes]) -> Iterator[Row]:
        for key in gone:
            yield Row(
                stream.name, hidden(key), f"{manifest.name}/{stream.file}", {}, manifest.as_of, gone=True
            )

    def _since(self, stream: CsvStream, rows: Sequence[Row]) -> Iterator[Row]:
        """The rows under the version in which their content first appeared; those that wait in quarantine stay out."""
        for start in range(0, len(rows), 500):
            page = rows[start : start + 500]
            seen = self._state.seen(stream.name, [row.key for row in page])
            for row in page:
                if found := seen.get(self._state.key_hash(row.key)):
                    yield row._replace(version=found[1], content=found[0])


def _key(cells: Sequence[str], positions: Sequence[int]) -> str:
    return SEPARATOR.join(cells[position] for position in positions)


def _subject_columns(stream: CsvStream) -> list[str]:
    """The columns in which a row names whom it is about."""
    about = (event.subject or event.case for event in stream.stream.events)
    return sorted({reference.by for reference in about if not reference.lookup})
