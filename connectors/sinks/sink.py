"""Hands joint views over and tells the hub what became of them (protocol rule 19).

Target and book change in one transaction; then the receipts go out; then the position moves. After a crash the same
views come again: the target must bear that (it is told the same version again), and they are confirmed again.

Of a view in several records those that came wait in the book, sealed, until all are there. A view that the target
cannot take stands alone in the end (rule 14a): it waits, is tried again, and is named; what it would have replaced is
taken away, and all others go on.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, and_, delete, event, insert, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from connectors.contract import SinkReport
from connectors.pipeline.publish.pseudonyms import Local, Pseudonyms
from connectors.sinks import book
from connectors.sinks.book import fassung, metadata, stand, uebernommen, unlesbar
from connectors.sinks.rows import Answers, ReceivedRecord, View, opened, received, refs, wanted_keys
from hub.domain.clock import micros
from hub.errors import DataError, LogIsOlder, OffsetGap, ServiceUnavailable, TopicRecreated
from hub.failpoints import fail_point
from hub.ports import EventLog, KeyStore, Outgoing, Record, TopicState
from schemas import encode_single, record_schema, topics

KEPT = "kept"
SHOWN, DELETED, SUPERSEDED, LATE, UNREADABLE = "shown", "deleted", "superseded", "late", "unreadable"
WAITING = "waiting"
PART_UNREADABLE = "part_unreadable"
"""A view whose box of one person and sender does not open: the others are shown, and a row says so."""
AGAIN_AFTER = 300_000_000  # microseconds until a view that could not be applied is tried again
_REFUSED = (DataError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError)
Receipt = tuple[View, str, str | None]


@dataclass(frozen=True, slots=True)
class ReceiverAnswer:
    """What the receiver says of a view: a receipt's `answer`, and the norm where it keeps something in its own file."""

    answer: str
    norm: str | None = None


class Target(Protocol):
    """Where views go."""

    def create(self, connection: Connection) -> None:
        """Make what is missing; raises ConfigurationError."""
        ...

    def replace(
        self, connection: Connection, view: View, new: Sequence[Mapping[str, Any]]
    ) -> ReceiverAnswer | None:
        """Put the view's rows in place of the last ones (none: take it away), inside the book's transaction.

        Returns what the receiver answered, if it answers by itself. Raises ServiceUnavailable, and all is tried again;
        DataError when it cannot take this view, and the others go on.
        """
        ...

    def expire(self, connection: Connection, now: datetime) -> None:
        """Take away what may be shown no longer, where nothing else does so."""
        ...


class ViewSink:
    """One agency's sink."""

    def __init__(
        self,
        agency: str,
        book: Engine,
        target: Target,
        keys: KeyStore,
        log: EventLog,
        pseudonyms: Pseudonyms,
        batch: int,
    ) -> None:
        self._agency, self._engine, self._target, self._keys, self._log = agency, book, target, keys, log
        self._pseudonyms, self._batch = pseudonyms, batch
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _overwrite_what_is_deleted)
        self._views, self._receipts = (topics()[name].of(agency) for name in ("views", "receipts"))
        self._ready = False

    def check(self) -> None:
        with self._transaction() as connection:
            metadata.create_all(connection)
            self._target.create(connection)
        self._ready = True

    def step(self, now: datetime) -> SinkReport:
        """Apply and confirm all that the topic holds now. Raises StoppedToBeSafe when topic and table disagree."""
        if not self._ready:
            self.check()
        answers: Counter[str] = Counter()
        state = self._log.state([self._views]).get(self._views)
        if state is None:
            return SinkReport()
        positions = self._positions(state)
        while any(positions[p] < end for p, end in state.end.items()):
            records = self._log.read(self._views, positions, self._batch)
            if not records:
                break
            answers += self._apply(records, now)
            for record in records:
                positions[record.partition] = record.offset + 1
            self._save(state, positions)
        answers += self._again(now)
        with self._transaction() as connection:
            self._target.expire(connection, now)
            book.expire_waiting(connection, micros(now))
            waiting = book.waiting(connection)
        return SinkReport(dict(answers), waiting)

    def close(self) -> None:
        self._engine.dispose()
        self._pseudonyms.close()

    def _apply(self, records: Sequence[Record], now: datetime) -> Counter[str]:
        """Apply a batch and confirm it; one that the target cannot take stands alone in the end."""
        views = [
            one
            for record in records
            if (one := received(str(record.place), record.value, record.timestamp, self._agency))
        ]
        if unreadable := {str(record.place) for record in records} - {one.place for one in views}:
            with self._transaction() as connection:
                _keep_unreadable(connection, sorted(unreadable), UNREADABLE, now)
        receipts = self._taken(views, now)
        fail_point("sink.after_apply")
        self._confirm(receipts, now)
        fail_point("sink.after_receipt")
        answers = Counter(answer for _, answer, _ in receipts)
        answers.update({UNREADABLE: len(records) - len(views)} if len(views) < len(records) else {})
        return answers

    def _again(self, now: datetime) -> Counter[str]:
        """Try what could not be applied once more, where its time has come."""
        with self._transaction() as connection:
            due = book.due(connection, micros(now), self._batch)
        receipts: list[Receipt] = []
        for records in due:
            views = [one for record in records if (one := received(*record, self._agency))]
            if views:
                receipts += self._taken(views[-1:], now)
        self._confirm([one for one in receipts if one[1] != WAITING], now)
        return Counter(answer for _, answer, _ in receipts if answer != WAITING)

    def _confirm(self, receipts: Sequence[Receipt], now: datetime) -> None:
        if receipts:
            self._log.append(self._receipts, [_receipt(*receipt, now) for receipt in receipts])

    def _taken(self, views: Sequence[ReceivedRecord], now: datetime) -> list[Receipt]:
        """Together, or by halves where that fails."""
        if not views:
            return []
        try:
            return self._together(views, now)
        except _REFUSED as error:
            if len(views) == 1:
                return [self._set_aside(views[0], _reason(error), now)]
        middle = len(views) // 2
        return [*self._taken(views[:middle], now), *self._taken(views[middle:], now)]

    def _together(self, views: Sequence[ReceivedRecord], now: datetime) -> list[Receipt]:
        keys = self._keys.opening({key for one in views for key in wanted_keys(one.view)})
        local = self._pseudonyms.local({ref for one in views for ref in refs(one.view)})
        with self._transaction() as connection:
            return [
                receipt
                for one in views
                if (receipt := self._take(connection, one, keys, local, now)) is not None
            ]

    def _take(
        self,
        connection: Connection,
        one: ReceivedRecord,
        keys: Answers,
        local: Mapping[str, Local],
        now: datetime,
    ) -> Receipt | None:
        """What this record becomes: deletions always count, what came too late never does, the highest version wins.
        None while other parts are missing, and for the removal that goes before the parts of its own version."""
        view = one.view
        version, held, shown = (view["generation"], view["version"]), *self._held(connection, view)
        if held > version:
            return view, SUPERSEDED, None
        if one.removed:
            parts_are_there = held == version and shown
            return None if parts_are_there else self._replaced(connection, view, (), DELETED)
        if book.newer_waits(connection, view):
            return view, SUPERSEDED, None
        if one.timestamp > view["not_after"]:
            return view, LATE, None
        whole = self._whole(connection, one, now)
        if whole is None:
            return None
        if len(whole) > 1:
            keys = self._keys.opening({key for part in whole for key in wanted_keys(part.view)})
            local = self._pseudonyms.local({ref for part in whole for ref in refs(part.view)})
        content = opened(whole, keys)
        if content.append_by is not None and max(part.timestamp for part in whole) > content.append_by:
            book.forget_waiting(connection, view)
            return view, LATE, None
        if content.unreadable:
            _keep_unreadable(connection, [one.place], PART_UNREADABLE, now)
        return self._replaced(connection, view, list(content.rows(local)), SHOWN)

    def _whole(
        self, connection: Connection, one: ReceivedRecord, now: datetime
    ) -> list[ReceivedRecord] | None:
        """All records of this version, once the last of them has come."""
        if one.part_count == 1:
            return [one]
        book.forget_waiting(connection, one.view, older_only=True)
        book.keep(connection, [one], None, micros(now))
        there = [
            found for record in book.kept(connection, one.view) if (found := received(*record, self._agency))
        ]
        return there if [part.part for part in there] == list(range(1, one.part_count + 1)) else None

    def _held(self, connection: Connection, view: View) -> tuple[tuple[int, int], bool]:
        """The version that was handed over last, and whether it shows anything."""
        query = select(fassung.c.generation, fassung.c.version, fassung.c.entfernt).where(slot(fassung, view))
        held = connection.execute(query).first()
        return ((held.generation, held.version), not held.entfernt) if held else ((-1, -1), False)

    def _set_aside(self, one: ReceivedRecord, reason: str, now: datetime) -> Receipt:
        """Let a view wait that cannot be applied; what it would have replaced may be shown no longer."""
        gone = any(self._taken_away(one.view, noted=noted) for noted in (True, False))
        if one.removed and gone:
            return one.view, DELETED, None
        with self._transaction() as connection:
            book.keep(connection, [one], reason, micros(now) + AGAIN_AFTER)
            book.postpone(connection, one.view, reason, micros(now) + AGAIN_AFTER)
        return one.view, WAITING, None

    def _taken_away(self, view: View, *, noted: bool) -> bool:
        """Whether the view's place shows nothing now; a place that the book cannot name is emptied all the same."""
        with suppress(*_REFUSED), self._transaction() as connection:
            if noted:
                self._note(connection, view, removed=True)
            self._target.replace(connection, view, ())
            book.forget_waiting(connection, view, older_only=not view.get("removed"))
            return True
        return False

    def _replaced(
        self, connection: Connection, view: View, new: Sequence[Mapping[str, Any]], answer: str
    ) -> Receipt:
        norm = self._kept(connection, view, new)
        self._note(connection, view, removed=answer == DELETED)
        said = self._target.replace(connection, view, new)
        book.forget_waiting(connection, view, older_only=answer == DELETED)
        answer, norm = (said.answer, said.norm or norm) if said else (answer, norm)
        return view, KEPT if norm else answer, norm

    def _kept(self, connection: Connection, view: View, new: Sequence[Mapping[str, Any]]) -> str | None:
        """The norm under which the agency keeps in its own file what this view takes away, if it said so."""
        shown = sorted({part["subject_ref"] for part in view["parts"]} | {row["person_ref"] for row in new})
        u = uebernommen.c
        mine = select(u.norm).where(u.fall_ref == view["case_ref"], u.person_ref.not_in(shown))
        return min(connection.execute(mine).scalars(), default=None)

    def _note(self, connection: Connection, view: View, *, removed: bool) -> None:
        connection.execute(delete(fassung).where(slot(fassung, view)))
        entry = {name: view[name] for name in ("generation", "version")}
        place = {"fall_ref": view["case_ref"], "rolle": view["role"], "fachkraft": view["worker"] or ""}
        connection.execute(insert(fassung).values(**place, **entry, entfernt=removed))

    def _positions(self, state: TopicState) -> dict[int, int]:
        """Where reading goes on; raises StoppedToBeSafe where guessing would lose or resurrect."""
        with self._transaction() as connection:
            saved = {
                row.partition: row
                for row in connection.execute(select(stand).where(stand.c.thema == state.name))
            }
        positions: dict[int, int] = {}
        for partition, first in state.first.items():
            row = saved.get(partition)
            positions[partition] = row.position if row else first
            if row:
                _compare(state, partition, row.position, row.thema_id)
        return positions

    def _save(self, state: TopicState, positions: Mapping[int, int]) -> None:
        entries = [
            {"thema": state.name, "partition": partition, "position": position, "thema_id": state.topic_id}
            for partition, position in positions.items()
        ]
        with self._transaction() as connection:
            connection.execute(delete(stand).where(stand.c.thema == state.name))
            connection.execute(insert(stand), entries)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Raises ServiceUnavailable when the database does not answer, DataError when it refuses what it was given."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            if _is_outage(error):
                raise ServiceUnavailable(
                    f"the agency's database does not answer ({type(error).__name__})",
                    place="sink's book",
                    remedy="check database, address and password; it is tried again",
                ) from None
            raise DataError(
                f"the agency's database refuses a value ({type(error).__name__})",
                reason="not_writable",
                place="sink's book",
                remedy="see the view's sender, or the tables of the sink",
            ) from None


def _is_outage(error: SQLAlchemyError) -> bool:
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or isinstance(error, OperationalError | InterfaceError)


def _reason(error: Exception) -> str:
    """A code, never text of the error."""
    return error.reason if isinstance(error, DataError) else f"failed_{type(error).__name__}"


def _overwrite_what_is_deleted(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA secure_delete = ON")


def slot(table: Any, view: View) -> Any:
    """The condition under which a row belongs to the view's place: case, role and named worker."""
    mine = table.c.fall_ref == view["case_ref"], table.c.rolle == view["role"]
    return and_(*mine, table.c.fachkraft == (view["worker"] or ""))


def _compare(state: TopicState, partition: int, position: int, topic_id: str) -> None:
    place = f"{state.name}/{partition}"
    if topic_id != state.topic_id:
        raise TopicRecreated(
            "another topic of this name",
            place=place,
            remedy="see the runbook, then remove its row in fallbruecke_stand",
        )
    if position < state.first[partition]:
        raise OffsetGap(
            "views expired before they were read", place=place, remedy="ask the hub to disclose again"
        )
    if position > state.end[partition]:
        raise LogIsOlder("an older log was restored", place=place, remedy="see the runbook")


def _keep_unreadable(connection: Connection, places: Iterable[str], reason: str, now: datetime) -> None:
    """Keep where something stands that cannot be read, and why; never what stands there."""
    for place in places:
        connection.execute(delete(unlesbar).where(unlesbar.c.ort == place))
        connection.execute(insert(unlesbar).values(ort=place, grund=reason, am=micros(now)))


def _receipt(view: View, answer: str, norm: str | None, now: datetime) -> Outgoing:
    receipt = {
        name: view[name] for name in ("view_id", "recipient", "role", "case_ref", "generation", "version")
    }
    value = encode_single(
        record_schema("receipt"), receipt | {"answer": answer, "norm": norm, "at": micros(now)}
    )
    return Outgoing(view["case_ref"].encode(), value)
