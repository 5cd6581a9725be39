"""Control records that rows have reported to the hub, and what becomes of them when their row says them no longer.

The hub would count them for ever. A birth date, a capacity or a custody is taken back: its record says nothing any
more. A consent is withdrawn: nobody can show the paper. A withdrawal and an objection stay in effect, whatever becomes
of their row: only what widens is taken back. Kept by pseudonyms and keyed hashes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from sqlite3 import Connection
from typing import NamedTuple

from connectors.contract import Row
from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.gate.knowledge import Knowledge
from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.publish.pseudonyms import Local, Pseudonyms
from connectors.pipeline.state.state import KeyHash, Published, hidden
from hub.domain.clock import micros
from hub.domain.consent import objects_76, recorded_id
from hub.domain.identifiers import Naming
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


class Entry(NamedTuple):
    """One control record that a row reported. `consent`: the pseudonym of the consent that it grants."""

    stream: str
    key: bytes
    record_ref: bytes
    event_type: str
    subject_ref: str
    case_ref: str
    consent: str
    objects: bool


class Reported:
    """In the connector's state; writes belong in a transaction of it."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        for statement in SCHEMA:
            db.execute(statement)

    def note(self, events: Iterable[MappedEvent], agency: str, key_hash: KeyHash) -> None:
        """These left; one without content leaves nothing to take back."""
        kept = [_entry(event, agency, key_hash) for event in events if event.control and event.payload]
        self._db.executemany("INSERT OR REPLACE INTO reported VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept)

    def forget(self, entries: Iterable[Entry]) -> None:
        """These were taken back."""
        query = "DELETE FROM reported WHERE stream = ? AND key = ? AND record_ref = ?"
        self._db.executemany(query, [entry[:3] for entry in entries])

    def by(self, stream: str, key: bytes) -> list[Entry]:
        """What a row reported."""
        query = "SELECT * FROM reported WHERE stream = ? AND key = ? ORDER BY record_ref"
        return [Entry._make((*row[:-1], bool(row[-1]))) for row in self._db.execute(query, (stream, key))]

    def elsewhere(self, entries: Sequence[Entry]) -> frozenset[bytes]:
        """Those of these records that another row reported, too."""
        taken = {entry[:3] for entry in entries}
        query = "SELECT stream, key, record_ref FROM reported WHERE record_ref = ?"
        refs = {entry.record_ref for entry in entries}
        found = (row for ref in refs for row in self._db.execute(query, (ref,)))
        return frozenset(row[2] for row in found if row not in taken)

    def objectors(self) -> frozenset[str]:
        """Whoever objected (§ 76 SGB X), also where the row is there no longer."""
        return frozenset(row[0] for row in self._db.execute("SELECT subject_ref FROM reported WHERE objects"))


def _entry(event: MappedEvent, agency: str, key_hash: KeyHash) -> Entry:
    kind, payload = event.schema.event_type, event.payload
    consent = event.key.consent(recorded_id(agency, payload["id"])) if kind == GRANTED else ""
    objects = kind == OBJECTED and objects_76(str(payload.get("norm") or "76"))
    return Entry(
        event.stream, key_hash(event.row_key), event.record_ref, kind, event.subject_ref, event.case_ref, consent,
        objects,
    )  # fmt: skip


class TakingBack:
    """What rows say no longer, as events."""

    def __init__(
        self, reported: Reported, pseudonyms: Pseudonyms, knowledge: Knowledge, naming: Naming,
        decided: Collection[str],
    ) -> None:  # fmt: skip
        """`decided`: streams whose configuration says what a vanished row means."""
        self._reported, self._pseudonyms, self._naming = reported, pseudonyms, naming
        self._knowledge, self._decided = knowledge, decided

    def missing(self, rows: Iterable[Row], events: Sequence[MappedEvent], key_hash: KeyHash) -> list[Entry]:
        """What these rows reported before and their events say no longer, as far as it is taken back at all."""
        said: dict[str, list[MappedEvent]] = {}
        for event in events:
            said.setdefault(event.place, []).append(event)
        return [
            entry
            for row in rows
            for entry in self._reported.by(row.stream, key_hash(row.key))
            if _is_missing(entry, row, said.get(row.place, []))
        ]

    def events(
        self, entries: Iterable[Entry], published: Mapping[bytes, Published], now: datetime
    ) -> Iterator[Judged]:
        """What takes them back. Of whom the agency knows nobody any more, nothing is left to say."""
        for entry in entries:
            known = self._pseudonyms.local([entry.subject_ref, entry.case_ref])
            last = published.get(entry.record_ref)
            if last is None or not known.keys() >= {entry.subject_ref, entry.case_ref}:
                continue
            if entry.event_type in EMPTIED:
                yield Judged(self._made(entry, known, last.source_version), frozenset())
            elif entry.stream not in self._decided and not self._knowledge.granted_by_another(
                entry.consent, entry.record_ref
            ):
                yield self._withdrawal(entry, known, now)

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
        person = local.kind == "person"
        key = self._naming.person_key(local.local_id) if person else self._naming.case_key(local.local_id)
        schema, said = event_schema(event_type or entry.event_type), payload or {}
        own = key.record_ref(entry.stream, entry.record_ref.hex(), schema.event_type, entry.subject_ref)
        return MappedEvent(
            schema=schema, stream=entry.stream, place=f"{entry.stream}/{entry.key.hex()[:12]}", source_key="",
            subject_id=local.local_id, case_id=known[entry.case_ref].local_id,
            subject_ref=entry.subject_ref, case_ref=entry.case_ref,
            record_ref=own if event_type else entry.record_ref, source_version=version, occurred_at=version,
            valid_from=None, valid_to=None, payload=said, purposes=("joint_case_management",),
            categories=dict.fromkeys(said, "CT"), norm=None, task_norm=None, attested_by=None, named=None,
            entrusted_by=None, source_203=False, objected_76=False, task_class=None, connection=None, merges_with=None,
            endangers_help=False, disputed=(), addressee=None, key=key, row_key=hidden(entry.key),
        )  # fmt: skip


def _is_missing(entry: Entry, row: Row, said: Sequence[MappedEvent]) -> bool:
    """Whether a row says a record no longer: it is gone, or says the same of somebody else. A consent of the same
    person is the same paper, in whatever case it stands."""
    if entry.event_type not in EMPTIED | {GRANTED}:
        return False
    alike = [event for event in said if event.schema.event_type == entry.event_type]
    if any(event.record_ref == entry.record_ref for event in alike):
        return False
    if entry.event_type == GRANTED and any(event.subject_ref == entry.subject_ref for event in alike):
        return False
    return row.gone or bool(alike)
