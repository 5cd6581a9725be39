"""Reads deliveries of files and passes on only what changed.

A delivery counts as a whole: it is examined to its last byte before the first row is passed on. What was read last
stays where the agency keeps it and is read again when somebody's present state is wanted. A file that turns out to be
otherwise than it was examined ends the reading of its own stream; its delivery is examined anew in the next step.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import TypeVar

from connectors.contract import Batch, Control, Held, Incident, NothingKept, Row
from connectors.pipeline.mapping.row_rules import is_named, is_unnamed
from connectors.pipeline.state.renumbering import RowKeys, numbered
from connectors.pipeline.state.state import State, hidden
from connectors.sources.doubtful import TWICE, Doubtful, too_many
from connectors.sources.files.again import Again
from connectors.sources.files.delivery import SEPARATOR, STREAM, BadRow, Delivery, Entry, Reader, Shelf
from connectors.sources.files.diff import Diff, Incoming, beyond
from connectors.sources.files.rows import Open, identify, paged, row, rows, standing, subject_columns
from connectors.sources.files.settings import FilesSettings, FileStream
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError

T = TypeVar("T")
PART = 1 << 40
"""Positions of a file's rows are below it, so a stock in parts counts on from part to part."""
SEEN_AT_ONCE = 500
READING = "files_reading"
"""Names the delivery of which rows were passed on and that was not read to its end: as long as it is not taken up
again, what was read before it says less than was published."""
TO_THE_END = "read"  # the cursor of a stream: of files there is no other place to go on from


class FilesSource:
    """One agency's files, on whatever shelf they lie and in whatever format `opened` reads."""

    def __init__(
        self,
        settings: FilesSettings,
        shelf: Shelf,
        opened: Open,
        state: State,
        key: AgencyKey,
        check: Callable[[], None],
    ) -> None:
        self._settings, self._shelf, self._open, self._state, self._key = settings, shelf, opened, state, key
        self.check = check
        self._diff, self._again = Diff(state), Again(state, lambda name: self._rows([name]))
        self._doubtful, self._keys = Doubtful(state, key.row_hash), RowKeys(state)
        self._settled: dict[str, tuple[Entry, ...]] = {}  # stream → the files whose rows' keys are settled
        self._current: Delivery | None = None
        self._known = False  # whether the gate's knowledge has the current (or else the last) state
        self._refused: dict[str, tuple[str, Incident]] = {}  # name → (digest, why)
        self._broken: dict[
            str, Incident
        ] = {}  # stream → why its reading ended in this step; told in the next one
        self._blind = False  # the gate could not learn in this step

    def discover(self) -> Mapping[str, Sequence[str]]:
        """But for columns that are read only to make others: those are mapped by what is made of them."""
        shown, found = self._whole(), dict[str, Sequence[str]]()
        for name, stream in self._settings.streams.items():
            with self._alone(name):
                if entries := shown.get(name):
                    header = self._open(stream, entries[-1]).header()
                    found[name] = tuple(one for one in header if one not in stream.parts)
        return found

    def refresh(self, now: datetime) -> Sequence[Incident]:
        """Take up the oldest delivery that is complete and sound; the others are incidents."""
        told, self._broken, self._blind = [*self._broken.values()], {}, False
        if self._current and not told:
            return []
        self._current = None
        found, incidents = self._shelf.candidates(now)
        incidents = [*told, *incidents]
        for delivery in found:
            incident = self._remembered(delivery) or self._examine(delivery)
            if incident is None:
                self._current, self._known = delivery, False
                break
            incidents.append(incident)
        if self._current is None and (lost := self._shelf.missing()):
            remedy = "put what was read last back, or deliver anew: nobody can be read again without it"
            incidents.append(Incident(STREAM, "kept_snapshot_missing", lost, remedy))
        return incidents

    def control(self, streams: Collection[str]) -> Control:
        if self._known or not self._whole():
            return Control(iter(()), complete=False)
        rows: list[Row] = []
        for name in streams:
            with self._alone(name):
                rows += self._rows([name])
        self._known, self._blind = not self._broken, bool(self._broken)
        return Control(iter(() if self._blind else rows), complete=self._known)

    def read(self, streams: Collection[str], limit: int) -> Iterator[Batch]:
        if self._blind:
            return
        if self._current is None:
            for name in self._asked_anew(streams):
                with self._alone(name):
                    yield from paged(name, self._waiting(self._settings.streams[name]), limit)
            return
        self._diff.find_changes()
        for name in streams:
            if name in self._current.files:
                with self._alone(name):
                    yield from self._begun(self._current, self._read(self._current, name, limit))

    def finished(self) -> None:
        """A delivery of which a stream could not be read to its end is not taken up."""
        if self._broken:
            return
        again = self._asked_anew(self._settings.streams)
        if self._current:
            with self._state.transaction():
                self._state.drop_meta(READING)
            self._doubtful.keep(self._current.files)
            self._shelf.adopt(self._current)
            self._current = None
            self._diff.clear()
        with self._state.transaction():
            for name in again:
                self._state.save_cursor(name, TO_THE_END)

    def subjects(self, local_ids: Collection[str]) -> Iterator[Row]:
        self._require_kept(self._whole())
        wanted = frozenset(local_ids)
        for stream in self._settings.streams.values():
            columns = subject_columns(stream)
            with self._all_or_none(stream.name):
                there: Iterable[Row] = self._rows([stream.name]) if columns else ()
                page = [
                    one for one in there if any(is_named(one.values, column, wanted) for column in columns)
                ]
            yield from self._since(stream, page)

    def referring(self, stream: str, column: str, wanted: Callable[[object], bool]) -> Iterator[Row]:
        entries = self._require_kept(self._whole().get(stream))
        found, hash_key = self._settings.streams[stream], self._state.key_hash
        with self._all_or_none(stream):
            self._renumber(found, entries)
            there = self._counted(stream, standing(self._open, found, entries, hash_key, self._content))
            mine = (one for one in there if wanted(one.values.get(column)))
            while page := list(islice(mine, SEEN_AT_ONCE)):
                read = {one.key: one for one in self._since(found, page)}
                yield from (read.get(one.key, one) for one in page)

    def rereadable(self) -> Collection[str]:
        return self._whole()

    def rows_after(self, stream: str, after: str | None, limit: int) -> Batch:
        entries = self._require_kept(self._whole().get(stream))
        with self._all_or_none(stream):
            return self._page(stream, entries, after, limit)

    def _page(self, stream: str, entries: Sequence[Entry], after: str | None, limit: int) -> Batch:
        there, following = self._again.page(stream, entries, after, limit)
        return Batch(stream, list(self._since(self._settings.streams[stream], there)), following)

    def held(self) -> Held | None:
        return self._shelf.held()

    def accept(self, name: str = "") -> Held | None:
        return self._shelf.accept(name)

    def close(self) -> None:
        """Nothing is kept open."""

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """A fault in this stream ends the reading of this stream alone; the next step reports it."""
        try:
            yield
        except DataError as error:
            self._broken[name] = Incident(name, error.reason, error.place or name, error.remedy)

    @contextmanager
    def _all_or_none(self, name: str) -> Iterator[None]:
        """The same where rows are wanted as they are now: what cannot be read now is asked for again later."""
        with self._alone(name):
            yield
        if name in self._broken:
            raise NothingKept

    def _require_kept(self, there: T | None) -> T:
        """The kept delivery, while it holds everything that was published; raises NothingKept."""
        if not there or self._broken or (self._current is None and self._state.meta(READING)):
            raise NothingKept
        return there

    def _begun(self, delivery: Delivery, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Remember, before its first row is passed on, that this delivery is being read."""
        for batch in batches:
            if self._state.meta(READING) != delivery.digest:
                with self._state.transaction():
                    self._state.set_meta(READING, delivery.digest)
            yield batch

    def _read(self, delivery: Delivery, name: str, limit: int) -> Iterator[Batch]:
        stream = self._settings.streams[name]
        yield from paged(name, self._counted(name, self._changed(delivery, stream)), limit)
        if stream.changes and stream.stream.renumbered:
            yield from paged(name, self._set_apart(stream), limit)
        yield from paged(name, self._vanished(delivery, stream), limit)

    def _whole(self) -> Mapping[str, tuple[Entry, ...]]:
        """Stream → the files that hold its present state: what was read before, with what is being read now."""
        kept = self._shelf.kept()
        found = dict(kept.files) if kept else {}
        for name, entries in (self._current.files if self._current else {}).items():
            changes = self._settings.streams[name].changes
            found[name] = (*found.get(name, ()), *entries) if changes else entries
        return found

    def _with_kept(self, stream: FileStream, delivery: Delivery) -> tuple[Entry, ...]:
        """The files that hold the stream's present state once this delivery is read."""
        kept = self._shelf.kept() if stream.changes else None
        return (*(kept.files.get(stream.name, ()) if kept else ()), *delivery.files[stream.name])

    def _set_apart(self, stream: FileStream) -> Iterator[Row]:
        """Rows of older files that continued a record whose own row is there again: they are said for themselves."""
        entries = self._whole()[stream.name]
        there = standing(self._open, stream, entries, self._state.key_hash, self._content)
        for one in there:
            if one.before and self._keys.apart(stream.name, [numbered(one)]):
                yield from self._keys.rows(stream.name, [one])

    def _asked_anew(self, streams: Collection[str]) -> list[str]:
        """Streams that are there and were not read to their end since somebody asked for them anew."""
        open_ones = [name for name in streams if self._state.cursor(name) is None]
        there = self._whole() if open_ones else {}
        return [name for name in open_ones if name in there]

    def _waiting(self, stream: FileStream) -> Iterator[Row]:
        """What waits in quarantine, as it stands in what was read last: in older files it stood otherwise."""
        keys = {entry.key for entry in self._state.quarantined() if entry.stream == stream.name}
        entries = self._whole()[stream.name] if keys else ()
        hash_key = self._state.key_hash
        found = standing(self._open, stream, entries, hash_key, self._content) if entries else ()
        self._renumber(stream, entries)
        yield from (one for one in self._counted(stream.name, found) if hash_key(one.key) in keys)

    def _remembered(self, delivery: Delivery) -> Incident | None:
        """A refusal stands until the delivery is another one, or was accepted."""
        digest, incident = self._refused.get(delivery.name, ("", None))
        return incident if digest == delivery.digest and not self._shelf.accepted(delivery) else None

    def _examine(self, delivery: Delivery) -> Incident | None:
        """Read it to its end once; None when it may be taken up."""
        try:
            self._load(delivery)
        except DataError as error:
            incident = self._refuse(delivery, error.reason, error.place, error.remedy)
            self._shelf.refuse(delivery, incident)
            return incident
        if self._shelf.accepted(delivery):
            return None
        if (found := self._too_many_vanished(delivery)) is None:
            return None
        stream, share = found
        self._shelf.hold(delivery, stream, share)
        remedy = f"{share:.0%} of the keys vanished: hub connect accept, if that is true, or reject"
        return self._refuse(delivery, "snapshot_held", f"{delivery.name}/{stream}", remedy)

    def _too_many_vanished(self, delivery: Delivery) -> tuple[str, float] | None:
        """Where more keys vanished than the configuration lets pass, and their share."""
        whole = [name for name in delivery.files if not self._settings.streams[name].changes]
        counts = {
            name: self._doubtful.losses(name, self._diff.vanished(name), self._diff.known(name))
            for name in whole
        }
        counts["*"] = sum(gone for gone, _ in counts.values()), sum(before for _, before in counts.values())
        limits = self._settings.vanish_limit, self._settings.vanish_rows
        found = (name for name, (gone, before) in counts.items() if beyond(gone, before, *limits))
        return next(((name, counts[name][0] / counts[name][1]) for name in found), None)

    def _refuse(self, delivery: Delivery, reason: str, place: str, remedy: str) -> Incident:
        incident = Incident(STREAM, reason, place, remedy)
        self._refused[delivery.name] = delivery.digest, incident
        self._doubtful.begin()
        return incident

    def _load(self, delivery: Delivery) -> None:
        self._diff.clear()
        self._doubtful.begin(delivery.files)
        streams = [self._settings.streams[name] for name in delivery.files]
        with self._state.transaction():
            for stream in streams:
                self._renumber(stream, self._with_kept(stream, delivery))
                for part, entry in enumerate(delivery.files[stream.name]):
                    reader = self._open(stream, entry)
                    self._diff.load(self._incoming(reader, stream, entry, part * PART))
                    reader.verify()
            self._diff.index()
            for stream in streams:
                self._tell_apart(stream, delivery.files[stream.name])

    def _tell_apart(self, stream: FileStream, entries: Sequence[Entry]) -> None:
        """Rows that say the same count once; rows that claim one key and say different things wait, each alone."""
        name, column = stream.name, stream.stream.key[0]
        count, first = self._diff.contradicting(name)
        if too_many(count, self._diff.rows(name)):
            place = self._positioned(entries, stream, [first])[first].place
            raise DataError("key came before", reason=TWICE, place=place, remedy="export it again")
        lines = self._diff.contradictions(name)
        found = self._positioned(entries, stream, lines) if lines else {}
        for line, one in found.items():
            self._diff.rename(name, line, self._state.key_hash(self._doubtful.apart(one)))
        for key in set(lines.values()):
            places = [one.place for line, one in found.items() if lines[line] == key]
            self._doubtful.twice(name, column, key, places)
        self._doubtful.repeated(name, self._diff.leave_out_repeated(name))
        if stream.changes:
            before = set(self._doubtful.before(name))
            self._doubtful.still(name, before - self._diff.there(name, before) - set(lines.values()))

    def _positioned(
        self, entries: Sequence[Entry], stream: FileStream, positions: Collection[int]
    ) -> dict[int, Row]:
        """The rows that stand at these positions."""
        return {
            part * PART + position: one
            for part, entry in enumerate(entries)
            for position, cells in self._open(stream, entry).cells()
            if part * PART + position in positions
            for one in self._keys.rows(stream.name, [row(stream, entry, position, cells)])
        }

    def _incoming(self, reader: Reader, stream: FileStream, entry: Entry, start: int) -> Iterator[Incoming]:
        """Raises DataError for a file of which many rows do not fit: then it is written otherwise than agreed."""
        bad, first = 0, ""
        for position, cells in reader.cells():
            found = identify(stream, cells)
            counted = self._keys.counted(stream.name, found.key, found.before)
            if counted is None:
                continue
            key = self._state.key_hash(counted)
            if not found.named:
                self._doubtful.unnamed(stream.name, key)
            if isinstance(cells, BadRow):
                bad, first = bad + 1, first or f"{entry.place}:{position}"
            yield Incoming(stream.name, start + position, key, self._content(cells))
        if too_many(bad, reader.rows):
            problem = f"{bad} of {reader.rows} rows have other columns than the header"
            raise DataError(
                problem, reason="wrong_columns", place=first, remedy=f"{problem}; export it again"
            )

    def _rows(self, streams: Collection[str]) -> Iterator[Row]:
        """Every row as it stands now."""
        for name, entries in self._whole().items():
            if name in streams:
                stream = self._settings.streams[name]
                self._renumber(stream, entries)
                yield from self._counted(name, standing(self._open, stream, entries, self._state.key_hash))

    def _counted(self, name: str, found: Iterable[Row]) -> Iterator[Row]:
        """Rows under the keys under which they count; those of which nobody can tell which they are wait."""
        yield from self._doubtful.told_apart(name, self._keys.rows(name, found))

    def _renumber(self, stream: FileStream, entries: tuple[Entry, ...]) -> None:
        """Settle under which keys rows count whose person has a newer number, of all that these files hold."""
        if not stream.stream.renumbered or self._settled.get(stream.name) == entries:
            return
        self._keys.forget(stream.name)
        there = standing(self._open, stream, entries, self._state.key_hash)
        rows = [numbered(one, at) for at, one in enumerate(there) if one.before]
        self._keys.settle(stream.name, rows, ends_told=not stream.changes or stream.stream.gone is not None)
        self._settled[stream.name] = entries

    def _content(self, cells: Sequence[str]) -> bytes:
        return self._key.row_hash(SEPARATOR.join(cells).encode())

    def _changed(self, delivery: Delivery, stream: FileStream) -> Iterator[Row]:
        changes = self._diff.changes(stream.name)
        wanted, place = next(changes, None), ""
        for part, entry in enumerate(delivery.files[stream.name]):
            if wanted is None or wanted[0] >= (part + 1) * PART:
                continue
            for position, cells in self._open(stream, entry).cells():
                place = f"{entry.place}:{position}"
                if part * PART + position != wanted[0]:
                    continue
                if self._content(cells) != wanted[1]:
                    raise _changed_meanwhile(place)
                yield row(stream, entry, position, cells, wanted[1])
                wanted = next(changes, None)
                if wanted is None:
                    return
        if wanted is not None:
            raise _changed_meanwhile(place or delivery.files[stream.name][-1].place)

    def _vanished(self, delivery: Delivery, stream: FileStream) -> Iterator[Row]:
        """Rows that are no longer there, with what they said where the mapping asks for it."""
        known = [] if stream.changes else self._diff.vanished(stream.name)
        gone = self._doubtful.vanished(stream.name, known)
        kept = self._shelf.kept() if gone and stream.stream.on_vanish else None
        former = kept.files.get(stream.name, ()) if kept else ()
        entry = delivery.files[stream.name][-1]
        if former:
            yield from self._former(stream, former, entry, frozenset(gone))
        else:
            yield from self._nameless(stream, entry, gone)

    def _former(
        self, stream: FileStream, kept: Sequence[Entry], now: Entry, gone: frozenset[bytes]
    ) -> Iterator[Row]:
        """Rows as they were; one that a flag had called gone has had its event, and is only forgotten."""
        told: list[Row] = []
        left = set(gone)
        for one in (each for entry in kept for each in rows(self._open, stream, entry)):
            keys = {self._state.key_hash(each): each for each in (one.before, one.key) if each}
            key = next((each for each in keys if each in left), None)
            if key is None or is_unnamed(one):
                continue
            left.discard(key)
            former = one._replace(key=keys[key], before="")
            if one.gone:
                told.append(former)
            else:
                yield former._replace(
                    gone=True, version=now.as_of, fault=None, changed=None, timeless=False, hour=""
                )
        with self._state.transaction():
            self._state.advance(stream.name, told, None, set())
        yield from self._nameless(stream, now, sorted(left))

    def _nameless(self, stream: FileStream, entry: Entry, gone: Sequence[bytes]) -> Iterator[Row]:
        unsaid = self._doubtful.unsaid(stream.name) if gone else ()
        for key in gone:
            yield Row(stream.name, hidden(key), entry.place, {}, entry.as_of, gone=True, unsaid=key in unsaid)

    def _since(self, stream: FileStream, found: Sequence[Row]) -> Iterator[Row]:
        """The rows under the version in which their content first appeared; those that wait in quarantine stay out."""
        for start in range(0, len(found), SEEN_AT_ONCE):
            page = found[start : start + SEEN_AT_ONCE]
            seen = self._state.seen(stream.name, [one.key for one in page])
            for one in page:
                if before := seen.get(self._state.key_hash(one.key)):
                    yield one._replace(version=before[1], content=before[0])


def _changed_meanwhile(place: str) -> DataError:
    return DataError(
        "changed while it was read",
        reason="changed_while_reading",
        place=place,
        remedy="do not write into a finished file",
    )
