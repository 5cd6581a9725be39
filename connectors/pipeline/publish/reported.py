"""Records that rows have reported to the hub, and what becomes of them when their row says them no longer.

The hub would show or count them for ever. A birth date, a capacity or a custody is taken back: its record says nothing
any more. A consent is withdrawn: nobody can show the paper. A withdrawal and an objection stay in effect, whatever
becomes of their row: only what widens is taken back. Any other record is taken back when its row is there and says
otherwise: its conditions (`when`) hold no longer, or it names somebody else. What became of it (`HelpEnded` after
`HelpStarted`) takes nothing back, and a row that vanished says what `on_vanish` says. Kept by pseudonyms and keyed
hashes.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from sqlite3 import Connection
from typing import NamedTuple

from connectors.contract import Row
from connectors.pipeline.config.streams import EventMapping, Stream
from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.gate.knowledge import GateKnowledge
from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.mapping.row_rules import SEPARATOR, applies, record_name
from connectors.pipeline.publish.pseudonyms import Local, Pseudonyms
from connectors.pipeline.state.state import KeyHash, Published, State, hidden
from hub.domain.clock import micros
from hub.domain.consent import objects_76, recorded_id
from hub.domain.identifiers import AgencyKey, Naming
from schemas import event_schema

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS reported (
        stream TEXT, key BLOB, record_ref BLOB, event_type TEXT NOT NULL, subject_ref TEXT NOT NULL,
        case_ref TEXT NOT NULL, consent TEXT NOT NULL, objects INTEGER NOT NULL,
        PRIMARY KEY (stream, key, record_ref)
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS reported_records ON reported (record_ref)",
    "CREATE INDEX IF NOT EXISTS reported_objections ON reported (subject_ref) WHERE objects",
)
EMPTIED = frozenset({"SubjectRecorded", "SubjectChanged", "CustodyChanged"})
"""A version of these without fields takes the record back."""
GRANTED, WITHDRAWN, OBJECTED = "ConsentGranted", "ConsentWithdrawn", "ObjectionRaised"
REASON = "row_vanished"
_LAST_WORD = re.compile("[A-Z][a-z]+$")


class Entry(NamedTuple):
    """One record that a row reported. `consent`: the pseudonym of the consent that it grants."""

    stream: str
    key: bytes
    record_ref: bytes
    event_type: str
    subject_ref: str
    case_ref: str
    consent: str
    objects: bool

    @property
    def control(self) -> bool:
        return event_schema(self.event_type).topic == "consents"


class Reported:
    """In the connector's state; writes belong in a transaction of it."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        for statement in SCHEMA:
            db.execute(statement)

    def note(self, events: Iterable[MappedEvent], agency: str, key_hash: KeyHash) -> None:
        """These leave, each of the row that says it now; one without content leaves nothing to take back."""
        kept = [_entry(event, agency, key_hash) for event in events if event.payload]
        query = "DELETE FROM reported WHERE record_ref = ? AND (key <> ? OR stream <> ?)"
        self._db.executemany(query, [(entry.record_ref, entry.key, entry.stream) for entry in kept])
        self._db.executemany("INSERT OR REPLACE INTO reported VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept)

    def forget(self, entries: Iterable[Entry]) -> None:
        """These were taken back."""
        query = "DELETE FROM reported WHERE stream = ? AND key = ? AND record_ref = ?"
        self._db.executemany(query, [entry[:3] for entry in entries])

    def by(self, stream: str, key: bytes) -> list[Entry]:
        """What a row reported."""
        query = "SELECT * FROM reported WHERE stream = ? AND key = ? ORDER BY record_ref"
        return [Entry._make((*row[:-1], bool(row[-1]))) for row in self._db.execute(query, (stream, key))]

    def objectors(self) -> frozenset[str]:
        """Whoever objected (§ 76 SGB X), also where the row is there no longer."""
        return frozenset(row[0] for row in self._db.execute("SELECT subject_ref FROM reported WHERE objects"))


def _entry(event: MappedEvent, agency: str, key_hash: KeyHash) -> Entry:
    kind, payload = event.schema.event_type, event.payload
    consent = event.key.consent(recorded_id(agency, payload["id"])) if kind == GRANTED else ""
    objects = kind == OBJECTED and objects_76(str(payload.get("norm") or "76"))
    return Entry(
        event.stream,
        key_hash(event.row_key),
        event.record_ref,
        kind,
        event.subject_ref,
        event.case_ref,
        consent,
        objects,
    )


class TakingBack:
    """What rows say no longer, as events."""

    def __init__(
        self,
        reported: Reported,
        pseudonyms: Pseudonyms,
        knowledge: GateKnowledge,
        naming: Naming,
        streams: Mapping[str, Stream],
        state: State,
    ) -> None:
        self._reported, self._pseudonyms, self._naming = reported, pseudonyms, naming
        self._knowledge, self._streams, self._state = knowledge, streams, state

    def missing(
        self, rows: Iterable[Row], events: Sequence[MappedEvent], *, control_only: bool
    ) -> list[Entry]:
        """Entries that these rows reported before, that their events say no longer, and that can be taken back;
        `control_only`: the events are the control records alone."""
        said: dict[str, list[MappedEvent]] = {}
        for event in events:
            said.setdefault(event.place, []).append(event)
        return [
            entry
            for row in rows
            for entry in self._reported.by(row.stream, self._state.key_hash(row.key))
            if (entry.control or not control_only) and self._is_missing(entry, row, said.get(row.place, []))
        ]

    def _is_missing(self, entry: Entry, row: Row, said: Sequence[MappedEvent]) -> bool:
        """Whether a row says a record no longer: it is gone, says the same of somebody else, or its conditions hold no
        longer. A consent of the same person is the same paper, in whatever case it stands."""
        if entry.control and entry.event_type not in EMPTIED | {GRANTED}:
            return False
        alike = [event for event in said if event.schema.event_type == entry.event_type]
        if any(event.record_ref == entry.record_ref for event in alike):
            return False
        if entry.event_type == GRANTED and any(event.subject_ref == entry.subject_ref for event in alike):
            return False
        if row.gone:
            return entry.control
        mappings = [
            one for one in self._streams[row.stream].events if one.schema.event_type == entry.event_type
        ]
        meant = [one for one in mappings if _applies(one, row)]
        if mappings and not meant:
            return not self._became(entry, said)
        if entry.control:
            return bool(alike)
        stays = any(event.subject_ref == entry.subject_ref for event in alike)
        return bool(alike) and not (stays and self._is_said_elsewhere(entry, row, meant))

    def _is_said_elsewhere(self, entry: Entry, row: Row, meant: Sequence[EventMapping]) -> bool:
        """Whether a mapping whose conditions hold says this record, in a case that another stream names and that the
        row is not found in now."""
        looked_up = [one for one in meant if _is_looked_up(one)]
        known = self._pseudonyms.local([entry.subject_ref, entry.case_ref]) if looked_up else {}
        stream = self._streams[entry.stream]
        if stream.named_elsewhere or not known.keys() >= {entry.subject_ref, entry.case_ref}:
            return bool(looked_up)
        key, name = self._key_of(known[entry.subject_ref]), record_name(stream, row)
        case = f"{name}{SEPARATOR}{known[entry.case_ref].local_id}"
        return entry.record_ref in {
            key.record_ref(
                entry.stream,
                case if one.case.lookup else name,
                entry.event_type,
                entry.subject_ref,
                one.ordinal,
            )
            for one in looked_up
        }

    def _key_of(self, local: Local) -> AgencyKey:
        named = self._naming.person_key if local.kind == "person" else self._naming.case_key
        return named(local.local_id)

    def _became(self, entry: Entry, said: Sequence[MappedEvent]) -> bool:
        """Whether the row says what became of the record: of two conditions on one column the later one holds, such as
        a talk that was planned and has been held."""
        if entry.event_type == GRANTED:
            ended = (event for event in said if event.schema.event_type == WITHDRAWN)
            return any(
                event.subject_ref == entry.subject_ref and "scope" not in event.payload for event in ended
            )
        stream, thing = self._streams[entry.stream], _thing(entry.event_type)
        later = [
            event
            for event in said
            if event.subject_ref == entry.subject_ref
            and _thing(event.schema.event_type) == thing
            and not _conditions(stream, entry.event_type).isdisjoint(
                _conditions(stream, event.schema.event_type)
            )
        ]
        if not later:
            return False
        published = self._state.published([entry.record_ref, *(event.record_ref for event in later)])
        last = published.get(entry.record_ref)
        return any(_is_later(published.get(event.record_ref), last) for event in later)

    def events(
        self,
        entries: Iterable[Entry],
        gone: Collection[tuple[str, bytes]],
        published: Mapping[bytes, Published],
        now: datetime,
    ) -> Iterator[Judged]:
        """What takes them back; `gone`: stream and key of rows that are there no longer. Of whom the agency knows
        nobody any more, nothing is left to say."""
        for entry in entries:
            known = self._pseudonyms.local([entry.subject_ref, entry.case_ref])
            last = published.get(entry.record_ref)
            if last is None or not known.keys() >= {entry.subject_ref, entry.case_ref}:
                continue
            if entry.event_type != GRANTED:
                yield Judged(self._emptied(entry, known, last), frozenset(), taken_back=True)
            elif not (
                self._is_told(entry, gone)
                or self._knowledge.granted_by_another(entry.consent, entry.record_ref)
            ):
                yield self._withdrawal(entry, known, now)

    def _is_told(self, entry: Entry, gone: Collection[tuple[str, bytes]]) -> bool:
        """Whether the configuration says itself what it means that the consent's row has vanished."""
        return self._streams[entry.stream].on_vanish is not None and (entry.stream, entry.key) in gone

    def _emptied(self, entry: Entry, known: Mapping[str, Local], last: Published) -> MappedEvent:
        """A version of the record without fields; a record of the policy's own says since when it holds."""
        made = self._made(entry, known, last.source_version)
        return made if entry.control else replace(made, occurred_at=last.recorded_at)

    def _withdrawal(self, entry: Entry, known: Mapping[str, Local], now: datetime) -> Judged:
        made = self._made(
            entry, known, micros(now), WITHDRAWN, {"consent_id": entry.consent, "reason": REASON}
        )
        return Judged(made, frozenset(made.payload))

    def _made(
        self,
        entry: Entry,
        known: Mapping[str, Local],
        version: int,
        event_type: str = "",
        payload: Mapping[str, str] | None = None,
    ) -> MappedEvent:
        """An event about the subject of an entry; of its own record where it is of another type."""
        local = known[entry.subject_ref]
        key = self._key_of(local)
        schema, said = event_schema(event_type or entry.event_type), payload or {}
        own = key.record_ref(entry.stream, entry.record_ref.hex(), schema.event_type, entry.subject_ref)
        return MappedEvent(
            schema=schema,
            stream=entry.stream,
            place=f"{entry.stream}/{entry.key.hex()[:12]}",
            source_key="",
            subject_id=local.local_id,
            case_id=known[entry.case_ref].local_id,
            subject_ref=entry.subject_ref,
            case_ref=entry.case_ref,
            record_ref=own if event_type else entry.record_ref,
            source_version=version,
            occurred_at=version,
            valid_from=None,
            valid_to=None,
            payload=said,
            purposes=("joint_case_management",),
            categories=dict.fromkeys(said, "CT"),
            norm=None,
            task_norm=None,
            attested_by=None,
            named=None,
            entrusted_by=None,
            source_203=False,
            objected_76=False,
            task_class=None,
            connection=None,
            merges_with=None,
            endangers_help=False,
            disputed=(),
            addressee=None,
            key=key,
            row_key=hidden(entry.key),
        )


def _applies(mapping: EventMapping, row: Row) -> bool:
    return all(applies(condition, row.values) for condition in mapping.when)


def _is_looked_up(mapping: EventMapping) -> bool:
    """Whether another stream says its person or case, so that it may say nothing for now."""
    return bool(mapping.case.lookup or (mapping.subject and mapping.subject.lookup))


def _conditions(stream: Stream, event_type: str) -> frozenset[str]:
    """The columns on which it depends whether a row says an event of this type."""
    mappings = (one for one in stream.events if one.schema.event_type == event_type)
    return frozenset(condition.column for one in mappings for condition in one.when)


def _thing(event_type: str) -> str:
    """The subject of an event type: its name without the verb."""
    return _LAST_WORD.sub("", event_type)


def _is_later(record: Published | None, before: Published | None) -> bool:
    """Whether a record that is said now was first said after another one."""
    if record is None or before is None or not (record.sent and record.kept):
        return True
    return record.recorded_at >= before.recorded_at
