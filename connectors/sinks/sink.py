"""Hands joint views over and tells the hub what became of them (protocol rule 19).

Target and book change in one transaction; then the receipts go out; then the position moves. After a crash the same
views come again: the target must bear that (it is told the same version again), and they are confirmed again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, and_, delete, event, insert, select
from sqlalchemy.exc import SQLAlchemyError

from connectors.runtime.ports import SinkReport
from connectors.runtime.pseudonyms import Pseudonyms
from connectors.sinks.book import fassung, metadata, stand, uebernommen, unlesbar
from connectors.sinks.rows import View, refs, rows, wanted_keys
from hub.domain.clock import micros
from hub.errors import LogIsOlder, OffsetGap, ServiceUnavailable, TopicRecreated
from hub.failpoints import fail_point
from hub.ports import EventLog, KeyStore, Outgoing, Record, TopicState
from schemas import InvalidPayload, UnknownSchema, decode_single, encode_single, record_schema, topics

KEPT = "kept"
SHOWN, DELETED, SUPERSEDED, LATE, UNREADABLE = "shown", "deleted", "superseded", "late", "unreadable"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver says of a view: a receipt's `answer`, and the norm where it keeps something in its own file."""

    answer: str
    norm: str | None = None


class Target(Protocol):
    """Where views go."""

    def create(self, connection: Connection) -> None:
        """Make what is missing; raises ConfigurationError."""
        ...

    def replace(self, connection: Connection, view: View, new: Sequence[Mapping[str, Any]]) -> Answer | None:
        """Put the view's rows in place of the last ones (none: take it away), inside the book's transaction.

        Returns what the receiver answered, if it answers by itself. Raises ServiceUnavailable: then all is tried again.
        """
        ...

    def expire(self, connection: Connection, now: datetime) -> None:
        """Take away what may be shown no longer, where nothing else does so."""
        ...


class ViewSink:
    """One agency's sink."""

    def __init__(
        self, agency: str, book: Engine, target: Target, keys: KeyStore, log: EventLog, pseudonyms: Pseudonyms,
        batch: int,
    ) -> None:  # fmt: skip
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
        with self._transaction() as connection:
            self._target.expire(connection, now)
        return SinkReport(dict(answers))

    def close(self) -> None:
        self._engine.dispose()
        self._pseudonyms.close()

    def _apply(self, records: Sequence[Record], now: datetime) -> Counter[str]:
        views = [(record, view) for record in records if (view := self._decoded(record)) is not None]
        keys = self._keys.opening({key for _, view in views for key in wanted_keys(view)})
        local = self._pseudonyms.local({ref for _, view in views for ref in refs(view)})
        receipts: list[tuple[View, str, str | None]] = []
        with self._transaction() as connection:
            self._keep_unreadable(connection, records, views, now)
            for record, view in views:
                answer, norm = self._answer(connection, record, view), None
                if answer in (SHOWN, DELETED):
                    norm = self._kept(connection, view)
                    said = self._replace(connection, view, list(rows(view, keys, local)))
                    answer, norm = (said.answer, said.norm or norm) if said else (answer, norm)
                receipts.append((view, KEPT if norm else answer, norm))
        fail_point("sink.after_apply")
        self._log.append(self._receipts, [_receipt(*receipt, now) for receipt in receipts])
        fail_point("sink.after_receipt")
        answers = Counter(answer for _, answer, _ in receipts)
        answers.update({UNREADABLE: len(records) - len(views)} if len(views) < len(records) else {})
        return answers

    def _decoded(self, record: Record) -> View | None:
        try:
            schema, view = decode_single(record.value)
        except (UnknownSchema, InvalidPayload):
            return None
        known = schema.fingerprint == record_schema("view").fingerprint
        return view if known and view["recipient"] == self._agency else None

    def _answer(self, connection: Connection, record: Record, view: View) -> str:
        """What this view becomes: deletions always count, what came too late never does, the highest version wins."""
        query = select(fassung.c.generation, fassung.c.version).where(slot(fassung, view))
        held = connection.execute(query).first()
        if held is not None and (held.generation, held.version) > (view["generation"], view["version"]):
            return SUPERSEDED
        if view["removed"]:
            return DELETED
        return LATE if record.timestamp > view["not_after"] else SHOWN

    def _kept(self, connection: Connection, view: View) -> str | None:
        """The norm under which the agency keeps in its own file what this view takes away, if it said so."""
        shown = sorted({part["subject_ref"] for part in view["parts"]})
        u = uebernommen.c
        mine = select(u.norm).where(u.fall_ref == view["case_ref"], u.person_ref.not_in(shown))
        return min(connection.execute(mine).scalars(), default=None)

    def _replace(self, connection: Connection, view: View, new: Sequence[Mapping[str, Any]]) -> Answer | None:
        connection.execute(delete(fassung).where(slot(fassung, view)))
        entry = {name: view[name] for name in ("generation", "version")}
        place = {"fall_ref": view["case_ref"], "rolle": view["role"], "fachkraft": view["worker"] or ""}
        connection.execute(insert(fassung).values(**place, **entry, entfernt=view["removed"]))
        return self._target.replace(connection, view, () if view["removed"] else new)

    def _keep_unreadable(
        self,
        connection: Connection,
        records: Sequence[Record],
        views: Sequence[tuple[Record, View]],
        now: datetime,
    ) -> None:
        read = {record.place for record, _ in views}
        for record in records:
            if record.place not in read:
                place = str(record.place)
                connection.execute(delete(unlesbar).where(unlesbar.c.ort == place))
                connection.execute(insert(unlesbar).values(ort=place, grund=UNREADABLE, am=micros(now)))

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
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise ServiceUnavailable(
                f"the agency's database does not answer ({type(error).__name__})", place="sink's book",
                remedy="check database, address and password; it is tried again",
            ) from None  # fmt: skip


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


def _receipt(view: View, answer: str, norm: str | None, now: datetime) -> Outgoing:
    receipt = {
        name: view[name] for name in ("view_id", "recipient", "role", "case_ref", "generation", "version")
    }
    value = encode_single(
        record_schema("receipt"), receipt | {"answer": answer, "norm": norm, "at": micros(now)}
    )
    return Outgoing(view["case_ref"].encode(), value)
