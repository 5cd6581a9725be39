"""Which dropped files are complete, which belong together, and which were read before, under whatever name."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from connectors.file_drop.config import DropSettings
from connectors.file_drop.rooms import Rooms
from connectors.files.delivery import STREAM, Delivery, Entry, digest_of
from connectors.files.manifest import Manifest, read_manifest
from connectors.files.memory import Waiting
from connectors.files.settings import FileStream
from connectors.runtime.ports import Incident
from connectors.runtime.state import State
from hub.domain.clock import berlin_midnight, micros
from hub.errors import ConfigurationError, DataError

_STANDING = (
    "stream TEXT, position INTEGER, name TEXT, digest TEXT, as_of INTEGER, PRIMARY KEY (stream, position)"
)
_TABLES = (
    "CREATE TABLE IF NOT EXISTS ledger (digest TEXT PRIMARY KEY)",
    f"CREATE TABLE IF NOT EXISTS standing ({_STANDING})",
)

Paths = Mapping[str, Path]


class _Set(NamedTuple):
    """Files that belong together, and what a manifest says of them."""

    names: tuple[str, ...]
    manifest: Manifest | None = None


class Inbox(Waiting):
    """One drop folder. `looking`: nothing is moved and nothing put aside, for a preview."""

    def __init__(self, settings: DropSettings, state: State, *, looking: bool = False) -> None:
        super().__init__(state)
        self._settings, self._looking, self._rooms = settings, looking, Rooms(settings)
        with state.transaction():
            for statement in _TABLES:
                state.db.execute(statement)

    def check(self) -> None:
        """Raises ConfigurationError when there is no inbox."""
        if not self._settings.inbox.is_dir():
            raise ConfigurationError(
                "has no inbox",
                place="config.settings.folder",
                remedy='create the folder inbox in it, or set inbox = "." where files arrive in the folder itself',
            )

    def candidates(self, now: datetime) -> tuple[list[Delivery], list[Incident]]:
        """What is complete, in order of its day; and what lies in quarantine, as long as it lies there."""
        found: list[Delivery] = []
        incidents: list[Incident] = []
        paths = self._rooms.waiting()
        for one in self._sets(paths, incidents):
            try:
                delivery = self._delivery(one, paths)
            except DataError as error:
                incidents += self._refused(
                    one.names, paths, Incident(STREAM, error.reason, error.place, error.remedy)
                )
                continue
            found += [delivery] if delivery else []
        self._tidy(
            entry.path for delivery in found for entries in delivery.files.values() for entry in entries
        )
        incidents += self._rooms.quarantined()
        return sorted(found, key=lambda delivery: (delivery.as_of, delivery.name)), incidents

    def kept(self) -> Delivery | None:
        """The files that hold what was read, stream by stream; None when one is gone."""
        files: dict[str, list[Entry]] = {}
        for stream, name, digest, as_of in self._standing():
            path = self._rooms.read_before(digest, name)
            if path is None:
                return None
            files.setdefault(stream, []).append(Entry(path, name, as_of))
        if not files:
            return None
        newest = max(entry.as_of for entries in files.values() for entry in entries)
        return Delivery("done", newest, {name: tuple(entries) for name, entries in files.items()}, "")

    def missing(self) -> str | None:
        """A file that still counts and is there no longer."""
        lost = (
            name for _, name, digest, _ in self._standing() if self._rooms.read_before(digest, name) is None
        )
        return next(lost, None)

    def adopt(self, delivery: Delivery) -> None:
        """Remembered first, moved then: a crash in between is mended at the next look."""
        with self._state.transaction():
            for stream, entries in delivery.files.items():
                if not self._settings.files.streams[stream].changes:
                    self._state.db.execute("DELETE FROM standing WHERE stream = ?", (stream,))
                for entry in entries:
                    self._remember(stream, entry)
            self.done()
        if not self._looking:
            for path in {entry.path for entries in delivery.files.values() for entry in entries}:
                self._rooms.done(path)
            self._tidy_manifests(self._rooms.processing())

    def refuse(self, delivery: Delivery, incident: Incident) -> None:
        """The whole delivery goes to quarantine; a look leaves it."""
        names = tuple(entry.path.name for entries in delivery.files.values() for entry in entries)
        self._refused(names, self._rooms.waiting(), incident)

    def _standing(self) -> list[tuple[str, str, str, int]]:
        query = "SELECT stream, name, digest, as_of FROM standing ORDER BY stream, position"
        return self._state.db.execute(query).fetchall()

    def _remember(self, stream: str, entry: Entry) -> None:
        digest = self._rooms.digest(entry.path)
        query = "SELECT coalesce(max(position), 0) + 1 FROM standing WHERE stream = ?"
        position = self._state.db.execute(query, (stream,)).fetchone()[0]
        row = (stream, position, entry.path.name, digest, entry.as_of)
        self._state.db.execute("INSERT INTO standing VALUES (?, ?, ?, ?, ?)", row)
        self._state.db.execute("INSERT OR IGNORE INTO ledger VALUES (?)", (digest,))

    def _sets(self, paths: Paths, incidents: list[Incident]) -> Iterator[_Set]:
        """Files that are complete together, by the sign that was agreed."""
        if self._settings.complete == "manifest":
            for name in (name for name in paths if fnmatch(name, self._settings.manifest)):
                try:
                    told = read_manifest(paths[name].parent, name, self._settings.dialect)
                except DataError as error:
                    incidents += self._refused(
                        (name,), paths, Incident(STREAM, error.reason, name, error.remedy)
                    )
                else:
                    yield _Set((name, *told.files), told)
        elif not self._settings.together:
            yield from (_Set((name,)) for name in paths)
        else:
            yield from self._of_one_day(paths)

    def _of_one_day(self, paths: Paths) -> Iterator[_Set]:
        days: dict[str, list[str]] = {}
        for name in paths:
            found = self._settings.as_of.search(name) if self._settings.as_of else None
            days.setdefault(found[1] if found else "", []).append(name)
        wanted = {stream.file for stream in self._settings.files.streams.values()}
        for day, names in sorted(days.items()):
            undated = not day and self._settings.as_of is not None
            if undated or all(any(fnmatch(name, pattern) for name in names) for pattern in wanted):
                yield _Set(tuple(names))

    def _delivery(self, one: _Set, paths: Paths) -> Delivery | None:
        """Take the files into processing; None when all of it was read before."""
        chosen = {
            stream.name: name for stream in self._settings.files.streams.values()
            if (name := _of(stream, one.names)) is not None
        }  # fmt: skip
        if not chosen:
            raise DataError(
                "belongs to no stream",
                reason="unknown_file",
                place=one.names[0],
                remedy="name it in a stream",
            )
        files = {stream: (self._entry(name, one.manifest, paths),) for stream, name in chosen.items()}
        if not self._looking:
            moved = {name: self._rooms.process(paths[name]) for name in one.names if name in paths}
            files = {stream: (_at(each[0], moved),) for stream, each in files.items()}
        digests = [self._rooms.digest(each[0].path) for each in files.values()]
        if all(self._known(digest) for digest in digests):
            return None
        entries = [each[0] for each in files.values()]
        return Delivery(
            entries[0].path.name, max(e.as_of for e in entries), files, digest_of(sorted(digests))
        )

    def _entry(self, name: str, manifest: Manifest | None, paths: Paths) -> Entry:
        if name not in paths:
            raise DataError(
                "is not there",
                reason="file_missing",
                place=name,
                remedy="deliver all that the manifest names",
            )
        told = manifest.files[name] if manifest else None
        as_of = manifest.as_of if manifest and not self._settings.as_of else self._as_of(name, paths)
        return Entry(paths[name], name, as_of, told.rows if told else None, told.sha256 if told else None)

    def _as_of(self, name: str, paths: Paths) -> int:
        """The day in the file's name, or the moment at which it was finished; in microseconds."""
        if self._settings.as_of is None:
            return int(paths[name].stat().st_mtime * 1_000_000)
        found = self._settings.as_of.search(name)
        try:
            day = datetime.strptime(found[1] if found else "", self._settings.as_of_date).date()  # noqa: DTZ007  a day
        except ValueError:
            raise DataError(
                "has no day in its name", reason="as_of_missing", place=name, remedy="name it as agreed"
            ) from None
        return micros(berlin_midnight(day))

    def _known(self, digest: str) -> bool:
        query = "SELECT 1 FROM ledger WHERE digest = ?"
        return self._state.db.execute(query, (digest,)).fetchone() is not None

    def _tidy(self, waiting: Iterable[Path]) -> None:
        """What is in processing and was read already goes to done, its manifest with the last of them.

        Not what belongs to a delivery that waits: one of its files may be the same as the day before.
        """
        if self._looking:
            return
        left, keep = [], frozenset(waiting)
        for path in self._rooms.processing():
            if path not in keep and self._known(self._rooms.digest(path)):
                self._rooms.done(path)
            else:
                left.append(path)
        self._tidy_manifests(left)

    def _tidy_manifests(self, left: Iterable[Path]) -> None:
        """Manifests that nothing is left of."""
        left = list(left)
        if self._settings.complete == "manifest" and all(
            fnmatch(p.name, self._settings.manifest) for p in left
        ):
            for path in left:
                self._rooms.done(path)

    def _refused(self, names: tuple[str, ...], paths: Paths, incident: Incident) -> list[Incident]:
        """Put aside; the incidents to tell besides those that lie in quarantine."""
        if self._looking:
            return [incident]
        for name in names:
            if name in paths and paths[name].exists():
                self._rooms.aside(paths[name], incident)
            elif (there := self._settings.processing / name).exists():
                self._rooms.aside(there, incident)
        return []


def _of(stream: FileStream, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if fnmatch(name, stream.file)), None)


def _at(entry: Entry, moved: Mapping[str, Path]) -> Entry:
    return Entry(moved[entry.path.name], entry.place, entry.as_of, entry.rows, entry.sha256)
