"""What people declared, read anew from the consents topics of the log.

Grants and endings are spooled into a temporary file as they came, sealed, so that memory does not grow with the number
of consents; what a page of releases names is opened for that page alone.
"""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection

from hub.adapters.store.evidence import Applied
from hub.domain.clock import micros
from hub.domain.consent import consent_name
from hub.domain.envelope import Envelope
from hub.policy.facts import CATEGORIES, CONSENT_PURPOSES
from hub.ports import Record
from hub.stages.boxes import content, keys_for
from hub.stages.consents import received_at
from hub.stages.narrowing import ENDING, broken_event
from hub.stages.parts import Parts
from schemas import InvalidPayload, UnknownSchema, decode_single, record_schema

_BATCH = 1000
_NOTICES = frozenset({"purpose", "refusal", "withdrawal"})
Scope = Mapping[str, frozenset[str]]
Named = tuple[str, str]
"""The sender of a release, and an id under which it names a consent."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One release of one category: from whom to whom for what, at a moment in microseconds since 1970 UTC."""

    sender: str
    recipient: str
    purpose: str
    category: str
    at: int


@dataclass(frozen=True, slots=True)
class Ending:
    """What takes a consent back; `scope` of nothing means all of it. `received`: when the log had it; `committed`: when
    the hub had applied it, None where that was not noted."""

    received: int
    committed: int | None
    scope: Scope

    def reaches(self, asked: Asked) -> bool:
        values = {"purposes": asked.purpose, "categories": asked.category, "recipients": asked.recipient}
        return all(not self.scope[name] or value in self.scope[name] for name, value in values.items())

    def before(self, at: int, patience: int) -> bool:
        """Whether the hub had applied it, or had it for longer than `patience` (microseconds). Which of
        view and ending came first, the broker's clock tells; `committed` is by the hub's."""
        applied = self.committed is not None and self.committed < at
        return self.received < at and (applied or self.received + patience < at)


@dataclass(slots=True)
class Declared:
    """One consent: what was granted under its id, as far as its proof can be opened, and what ended it."""

    order: tuple[int, bytes] = (0, b"")
    granted: Mapping[str, Any] | None = field(default=None, repr=False)
    sealed: bool = False  # there is a grant, and its proof cannot be opened any more
    endings: list[Ending] = field(default_factory=list)

    def covers(self, asked: Asked) -> bool:
        """Whether it was granted for this, endings aside."""
        g = self.granted
        if g is None or not (set(g.get("notices", ())) >= _NOTICES and g.get("proof_hash")):
            return False
        until = g.get("valid_until")
        in_time = micros(g["granted_at"]) <= asked.at and (until is None or asked.at < micros(until))
        named = (asked.recipient in g.get("recipients", ())) and asked.purpose in g.get("purposes", ())
        special = asked.category != "G9" or g.get("explicit_special") is True
        written = g.get("form") in ("written", "electronic")
        right = g["sender"] == asked.sender and asked.category in g.get("categories", ())
        return in_time and named and special and written and right

    def ended(self, asked: Asked, patience: int) -> bool:
        """Whether what took it back had taken effect before, or should have: see `Ending.before`."""
        return any(one.reaches(asked) and one.before(asked.at, patience) for one in self.endings)

    def ending(self, asked: Asked) -> bool:
        """Whether what took it back had reached the log before."""
        return any(one.reaches(asked) and one.received < asked.at for one in self.endings)


class Declarations:
    """Every consent of every agency's consents topic, as the log has it now. Close it: the file goes with it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._spool = sqlite3.connect("")  # a file without a name, which SQLite removes when it is closed
        self._spool.executescript(
            "CREATE TABLE grant_ (consent BLOB, value BLOB); CREATE INDEX by_grant ON grant_ (consent);"
            "CREATE TABLE ending (consent BLOB, received INTEGER, committed INTEGER, scope TEXT);"
            "CREATE INDEX by_ending ON ending (consent);"
        )
        for agency in sorted(parts.agencies):
            for batch in batches(parts, f"agency.{agency}.consents"):
                self._take(agency, batch)

    def close(self) -> None:
        self._spool.close()

    def of(self, consents: Iterable[Named]) -> Mapping[Named, Declared]:
        """What was declared under these ids, as the sender of a release names them; an id that no agency ever used is
        absent."""
        found: defaultdict[Named, Declared] = defaultdict(Declared)
        grants = []
        for asked in sorted(set(consents)):
            for name in self._meant(*asked):
                if endings := self._all_endings(name):
                    found[asked].endings += endings
                grants += [(asked, value) for (value,) in self._rows("value FROM grant_", name)]
        self._open(found, grants)
        return dict(found)

    def _meant(self, sender: str, name: str) -> list[str]:
        """A sender's own consent of that number, else any agency's that was told to it."""
        own = consent_name(sender, name)
        if self._granted(own):
            return [own]
        return sorted({own, name, *(consent_name(agency, name) for agency in self._parts.agencies)})

    def _granted(self, name: str) -> bool:
        return any(self._rows("1 FROM grant_", name))

    def _all_endings(self, name: str) -> list[Ending]:
        """By the agency's own number, and by that number said at an office that has no consent of that number."""
        agency, _, number = name.rpartition(":")
        others = [f"{one}:{number}" for one in self._parts.agencies if agency and one != agency]
        told = [ending for other in others if not self._granted(other) for ending in self._endings(other)]
        return self._endings(name) + told

    def _open(self, found: Mapping[Named, Declared], grants: Sequence[tuple[Named, bytes]]) -> None:
        envelopes = [(name, Envelope(**decode_single(value)[1])) for name, value in grants]
        keys = keys_for(self._parts.keys, "proof", [one for _, one in envelopes])
        for name, one in envelopes:
            mine, order = found[name], (one.recorded_at, one.event_id)
            fields, state = content(one, "proof", keys)
            mine.sealed |= state in ("erased", "fenced")
            mine.endings += self._endings(_subject(one))
            if fields.get("id"):  # by office and number, said at another office
                mine.endings += self._endings(f"{one.controller_id}:{fields['id']}")
            if {"sender", "granted_at"} <= fields.keys() and (mine.granted is None or order < mine.order):
                mine.granted, mine.order = fields, order

    def _endings(self, of: str) -> list[Ending]:
        """What takes back this consent, or all of this person."""
        rows = self._rows("received, committed, scope FROM ending", of)
        return [Ending(received, committed, self._scope(scope)) for received, committed, scope in rows]

    def _take(self, agency: str, batch: Sequence[Record]) -> None:
        events = [(record, one) for record in batch if (one := _envelope(record, agency))]
        endings = [(record, one) for record, one in events if one.event_type in ENDING]
        grants = [
            (_digest(consent_name(agency, one.consent_id)), record.value)
            for record, one in events
            if one.event_type == "ConsentGranted" and one.consent_id
        ]
        self._spool.executemany("INSERT INTO grant_ VALUES (?, ?)", grants)
        with self._parts.store.transaction() as connection:
            applied = _applied(connection, [record for record, _ in endings])
        keys = keys_for(self._parts.keys, "proof", [one for _, one in endings])
        rows = [
            (
                _digest(name),
                received_at(record),
                applied[record.partition].at(record.offset),
                one.scope,
            )
            for record, one in endings
            for name in self._named(one, content(one, "proof", keys).fields.get("consent_id"))
        ]
        self._spool.executemany("INSERT INTO ending VALUES (?, ?, ?, ?)", rows)

    def _named(self, one: Envelope, number: str | None) -> set[str]:
        """The names of what an ending takes back: by the id in clear, and by the sealed number on the paper."""
        if not one.consent_id:
            return {_subject(one)}
        ids = {one.consent_id, number or one.consent_id}
        return {
            name if name.split(":", 1)[0] in self._parts.agencies else consent_name(one.controller_id, name)
            for name in ids
        }

    def _rows(self, columns: str, consent: str) -> Iterator[Any]:
        return self._spool.execute(f"SELECT {columns} WHERE consent = ?", (_digest(consent),))

    def _scope(self, text: str | None) -> Scope:
        """The part that is taken back. What cannot be read, or names anything unknown, takes that whole dimension
        back."""
        known = {
            "purposes": CONSENT_PURPOSES,
            "categories": CATEGORIES,
            "recipients": self._parts.agencies.keys(),
        }
        try:
            raw = orjson.loads(text) if text else {}
        except orjson.JSONDecodeError:
            raw = None
        return {name: _codes(raw, name, names) for name, names in known.items()}


def batches(parts: Parts, topic: str, limit: int = _BATCH) -> Iterator[list[Record]]:
    """A topic from its first record that is still held to its end as it is now, `limit` records at a time."""
    state = parts.log.state([topic]).get(topic)
    if state is None:
        return
    following = dict(state.first)
    while any(following[partition] < end for partition, end in state.end.items()):
        batch = list(parts.log.read(topic, following, limit))
        if not batch:
            return
        following |= {record.partition: record.offset + 1 for record in batch}
        yield batch


def _applied(connection: Connection, records: Sequence[Record]) -> Mapping[int, Applied]:
    """partition → when the hub applied these records, which come in order."""
    ends: dict[int, tuple[str, int, int]] = {}
    for record in records:
        _, first, _ = ends.get(record.partition, ("", record.offset, 0))
        ends[record.partition] = record.topic, first, record.offset
    return {
        partition: Applied(connection, topic, partition, first, last)
        for partition, (topic, first, last) in ends.items()
    }


def _codes(raw: object, name: str, known: Iterable[str]) -> frozenset[str]:
    codes = raw.get(name) if isinstance(raw, dict) else None
    if not isinstance(codes, list) or not all(isinstance(one, str) for one in codes):
        return frozenset()
    return frozenset(codes) if set(codes) <= set(known) else frozenset()


def _envelope(record: Record, agency: str) -> Envelope | None:
    """An agency's own event; of one that cannot be taken, the withdrawal that it comes to all the same. Whatever else
    stands there is the stages' to quarantine."""
    with suppress(UnknownSchema, InvalidPayload):
        schema, raw = decode_single(record.value)
        if schema is record_schema("envelope") and raw["controller_id"] == agency:
            return Envelope(**raw)
    broken = broken_event(record, agency)
    return broken.envelope if broken else None


def _subject(one: Envelope) -> str:
    return f"{one.controller_id}:{one.subject_ref}"


def _digest(name: str) -> bytes:
    """Fits any text that an agency may have put there, a lone surrogate too."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).digest()
