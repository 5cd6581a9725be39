"""Which dropped files are complete, which belong together, and which were read before, under whatever name."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from connectors.contract import Incident
from connectors.pipeline.state.state import State
from connectors.sources.files.delivery import STREAM, Delivery, Entry, digest_of
from connectors.sources.files.drop_settings import DropSettings
from connectors.sources.files.manifest import Manifest, read_manifest
from connectors.sources.files.memory import NOT_NEWER, Waiting
from connectors.sources.files.rooms import Rooms
from hub.domain.clock import berlin_midnight, micros
from hub.errors import ConfigurationError, DataError

_STANDING = (
    "stream TEXT, position INTEGER, name TEXT, digest TEXT, as_of INTEGER, PRIMARY KEY (stream, position)"
)
_TABLES = (
    "CREATE TABLE IF NOT EXISTS taken (digest TEXT, as_of INTEGER, PRIMARY KEY (digest, as_of))",
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
        """What is complete, in order of its day; what is older than what was read; and what lies in quarantine, as long
        as it lies there."""
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
            if delivery and self.rejected(delivery):
                self._put_away(delivery)
            elif delivery:
                found.append(delivery)
        found = [delivery for delivery in found if not self._says_nothing(delivery, found)]
        late = {delivery.digest: told for delivery in found if (told := self._late(delivery))}
        self.only([delivery.digest for delivery in found])
        self._tidy(path for delivery in found for path in _paths(delivery))
        incidents += [*late.values(), *self._rooms.quarantined()]
        in_time = [delivery for delivery in found if delivery.digest not in late]
        return sorted(in_time, key=lambda delivery: (delivery.as_of, delivery.name)), incidents

    def _late(self, delivery: Delivery) -> Incident | None:
        """Held: a delivery that is older than what was read of a stream would take back what came since."""
        newest: dict[str, int] = {}
        for stream, _, _, as_of in self._standing():
            newest[stream] = max(as_of, newest.get(stream, as_of))
        for stream, entries in delivery.files.items():
            if entries[-1].as_of < newest.get(stream, entries[-1].as_of):
                self.hold(delivery, stream, 0.0, NOT_NEWER)
                remedy = "older than what was read: export it again with a new day, or hub connect reject"
                return Incident(STREAM, NOT_NEWER, entries[-1].place, remedy)
        return None

    def _put_away(self, delivery: Delivery) -> None:
        """A person rejected it; a look leaves it."""
        if not self._looking:
            for path in _paths(delivery):
                self._rooms.rejected(path)

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
            self.done(delivery)
        if not self._looking:
            for path in _paths(delivery):
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
        row = (stream, position, entry.place, digest, entry.as_of)
        self._state.db.execute("INSERT INTO standing VALUES (?, ?, ?, ?, ?)", row)
        self._state.db.execute("INSERT OR IGNORE INTO taken VALUES (?, ?)", (digest, entry.as_of))

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
            yield from self._of_one_stream(paths)
        else:
            yield from self._of_one_day(paths)

    def _of_one_stream(self, paths: Paths) -> Iterator[_Set]:
        """Files of the same streams and day are parts of one stock; where each holds changes, each is for itself."""
        parts: dict[object, list[str]] = {}
        for name in paths:
            of = [one for one in self._settings.files.streams.values() if fnmatch(name, one.file)]
            day = self._settings.as_of.search(name) if self._settings.as_of else None
            alone = day is None or any(one.changes for one in of)
            parts.setdefault(name if alone else (day and day[1], *(one.name for one in of)), []).append(name)
        yield from (_Set(tuple(names)) for names in parts.values())

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
            stream.name: names
            for stream in self._settings.files.streams.values()
            if (names := [name for name in one.names if fnmatch(name, stream.file)])
        }
        if not chosen:
            raise DataError(
                "belongs to no stream",
                reason="unknown_file",
                place=one.names[0],
                remedy="name it in a stream",
            )
        files = {
            stream: tuple(self._entry(name, one.manifest, paths) for name in names)
            for stream, names in chosen.items()
        }
        if not self._looking:
            moved = {name: self._rooms.process(paths[name]) for name in one.names if name in paths}
            files = {stream: tuple(_at(each, moved) for each in entries) for stream, entries in files.items()}
        if all(self._was_read(entry) for entries in files.values() for entry in entries):
            return None
        entries = [entry for each in files.values() for entry in each]
        digests = sorted(self._rooms.digest(entry.path) for entry in entries)
        whole = {stream: self._with_parts_before(stream, each) for stream, each in files.items()}
        return Delivery(entries[0].place, max(e.as_of for e in entries), whole, digest_of(digests))

    def _with_parts_before(self, stream: str, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """With those parts of the same day's stock that were read already and do not come again."""
        if self._settings.files.streams[stream].changes or self._settings.as_of is None:
            return entries
        names, day = {entry.place for entry in entries}, entries[0].as_of
        before = [
            row for row in self._standing() if row[0] == stream and row[3] == day and row[1] not in names
        ]
        there = [(self._rooms.read_before(digest, name), name) for _, name, digest, _ in before]
        return (*(Entry(path, name, day) for path, name in there if path), *entries)

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

    def _was_read(self, entry: Entry) -> bool:
        """Whether it was read as that of this very day."""
        query = "SELECT 1 FROM taken WHERE digest = ? AND as_of = ?"
        return (
            self._state.db.execute(query, (self._rooms.digest(entry.path), entry.as_of)).fetchone()
            is not None
        )

    def _says_nothing(self, delivery: Delivery, waiting: Iterable[Delivery]) -> bool:
        """Whether it holds what stands, under whatever name. Behind another delivery that waits it takes that one's
        changes back, and an older state that came back is read again."""
        before = [
            one
            for one in waiting
            if (one.as_of, one.name) < (delivery.as_of, delivery.name)
            and not one.files.keys().isdisjoint(delivery.files)
        ]
        return self._stands(delivery) and all(map(self._stands, before))

    def _stands(self, delivery: Delivery) -> bool:
        return all(
            self._was_read(entry) or self._is_standing(stream, entry)
            for stream, entries in delivery.files.items()
            for entry in entries
        )

    def _is_standing(self, stream: str, entry: Entry) -> bool:
        standing = [row[2] for row in self._standing() if row[0] == stream]
        changes = self._settings.files.streams[stream].changes
        return self._rooms.digest(entry.path) in (standing[-1:] if changes else standing)

    def _was_taken(self, digest: str) -> bool:
        query = "SELECT 1 FROM taken WHERE digest = ?"
        return self._state.db.execute(query, (digest,)).fetchone() is not None

    def _tidy(self, waiting: Iterable[Path]) -> None:
        """What is in processing and was read already goes to done, its manifest with the last of them.

        Not what belongs to a delivery that waits: one of its files may be the same as the day before.
        """
        if self._looking:
            return
        left, keep = [], frozenset(waiting)
        for path in self._rooms.processing():
            if path not in keep and self._was_taken(self._rooms.digest(path)):
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


def _paths(delivery: Delivery) -> set[Path]:
    return {entry.path for entries in delivery.files.values() for entry in entries}


def _at(entry: Entry, moved: Mapping[str, Path]) -> Entry:
    return Entry(moved[entry.place], entry.place, entry.as_of, entry.rows, entry.sha256)
