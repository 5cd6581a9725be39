"""What people declared, read anew from the log: from the consents topics and the hub's words.

Grants and endings are spooled into a temporary file as they came, sealed, so that memory does not grow with the number
of consents; what a page of releases names is opened for that page alone.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from hub.domain.clock import micros
from hub.domain.consent import ENDING, consent_name
from hub.domain.envelope import Envelope
from hub.errors import DataError
from hub.parts import Parts
from hub.policy.facts import CATEGORIES, CONSENT_PURPOSES
from hub.ports import Record
from hub.sealed.boxes import content, keys_for
from hub.sealed.decode import received_at
from hub.sealed.words import broken_control, decode_control
from hub.store import subjects
from hub.store.evidence import Applied
from hub.subjects.consent_barrier import consent_topics
from projections.consent_register.queries import known_since
from schemas import decode_single

_BATCH = 1000
_NOTICES = frozenset({"purpose", "refusal", "withdrawal"})
Scope = Mapping[str, frozenset[str]]
_ANY = "any of"
Named = tuple[str, str]
"""The sender of a release, and an id under which it names a consent."""


@dataclass(frozen=True, slots=True)
class AuditedRelease:
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

    def reaches(self, asked: AuditedRelease) -> bool:
        values = {"purposes": asked.purpose, "categories": asked.category, "recipients": asked.recipient}
        return all(not self.scope[name] or value in self.scope[name] for name, value in values.items())

    def before(self, at: int, tolerance: int) -> bool:
        """Whether the hub had applied it, or had it for longer than `tolerance` (microseconds). Which of
        view and ending came first, the broker's clock tells; `committed` is by the hub's."""
        applied = self.committed is not None and self.committed < at
        return self.received < at and (applied or self.received + tolerance < at)


@dataclass(frozen=True, slots=True)
class AuditedConsent:
    """One consent: what was granted, as far as its proof can be opened, and what ended it. `sealed`: there is a grant,
    and its proof cannot be opened any more."""

    granted: Mapping[str, Any] | None = field(default=None, repr=False)
    sealed: bool = False
    endings: tuple[Ending, ...] = ()

    def covers(self, asked: AuditedRelease) -> bool:
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

    def ended(self, asked: AuditedRelease, tolerance: int) -> bool:
        """Whether what took it back had taken effect before, or should have: see `Ending.before`."""
        return any(one.reaches(asked) and one.before(asked.at, tolerance) for one in self.endings)

    def ending(self, asked: AuditedRelease) -> bool:
        """Whether what took it back had reached the log before."""
        return any(one.reaches(asked) and one.received < asked.at for one in self.endings)


class _Grant(NamedTuple):
    """A grant under its agency's name of it; `fields` of nothing if its proof does not open."""

    controller: str
    recorded: str
    subject: str
    order: tuple[int, bytes]
    fields: Mapping[str, Any]
    sealed: bool

    @property
    def readable(self) -> bool:
        return self.fields.keys() >= {"sender", "granted_at"}

    @property
    def people(self) -> set[str]:
        """Whose it is to take back: its subject's, and theirs who signed it."""
        return {self.subject, *(f"{self.controller}:{ref}" for ref in self.fields.get("granted_by", ()))}

    @property
    def numbers(self) -> set[str]:
        return {self.recorded, str(self.fields.get("id") or self.recorded)}


class _Said(NamedTuple):
    """An ending as it was spooled: `author` says it, `meant` hashes the id in clear, `given_until` bounds what one that
    cannot be read takes back. `told`: it was found by a number said at another office; `wide`: by its author."""

    author: str
    received: int
    committed: int | None
    scope: str | None
    meant: bytes | None
    given_until: int
    told: bool
    wide: bool


class Declarations:
    """Every consent of every agency, as the log has it now. Close it: the file goes with it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._spool = sqlite3.connect("")  # a file without a name, which SQLite removes when it is closed
        self._spool.executescript(
            "CREATE TABLE grant_ (consent BLOB, value BLOB); CREATE INDEX by_grant ON grant_ (consent);"
            "CREATE TABLE ending (consent BLOB, author TEXT, received INTEGER, committed INTEGER, scope TEXT,"
            " meant BLOB, given_until INTEGER);"
            "CREATE INDEX by_ending ON ending (consent);"
        )
        for topic in consent_topics(parts):
            for batch in batches(parts, topic):
                self._take(batch)

    def close(self) -> None:
        self._spool.close()

    def of(self, consents: Iterable[Named]) -> Mapping[Named, Sequence[AuditedConsent]]:
        """What was declared under these ids, as the sender of a release names them: by each agency that the id may be
        of. An id that no agency ever used is absent."""
        meant = {asked: [_digest(name) for name in self._meant(*asked)] for asked in set(consents)}
        held = self._held({name for names in meant.values() for name in names})
        same = self._other_names(held.values())
        said = {name: self._said(grant, same) for name, grant in held.items()}
        others = (
            self._held({one.meant for of in said.values() for one in of if one.meant} - held.keys()) | held
        )
        authors = {one.author for of in said.values() for one in of}
        with self._parts.store.transaction() as connection:
            people = authors.union(*(grant.people for grant in others.values()))
            links = _Links(
                subjects.persons(connection, people),
                subjects.former(connection, people),
                known_since(connection, subjects.live_generation(connection, "consent_register"), authors),
            )
        endings = {
            name: tuple(
                Ending(one.received, one.committed, self._scope(one.scope))
                for one in said[name]
                if _takes_back(one, grant, others, links)
            )
            for name, grant in held.items()
        }
        return {
            asked: [
                AuditedConsent(held[name].fields or None, held[name].sealed, endings[name])
                for name in names
                if name in held
            ]
            for asked, names in meant.items()
            if any(name in held for name in names)
        }

    def _meant(self, sender: str, name: str) -> list[str]:
        """A sender's own consent of that number, else any agency's that was told to it."""
        own = consent_name(sender, name)
        if self._granted(_digest(own)):
            return [own]
        return sorted({own, name, *(consent_name(agency, name) for agency in self._parts.agencies)})

    def _granted(self, name: bytes) -> bool:
        return any(self._rows("1 FROM grant_", name))

    def _held(self, names: AbstractSet[bytes]) -> dict[bytes, _Grant]:
        """The grant that holds each of these names: of several the first that can be read."""
        sealed = [
            (name, Envelope(**decode_single(value)[1]))
            for name in sorted(names)
            for (value,) in self._rows("value FROM grant_", name)
        ]
        keys = keys_for(self._parts.keys, "proof", [one for _, one in sealed])
        held: dict[bytes, _Grant] = {}
        for name, one in sealed:
            fields, state = content(one, "proof", keys)
            grant = _Grant(
                one.controller_id,
                str(one.consent_id),
                _subject(one),
                (one.recorded_at, one.event_id),
                fields,
                state in ("erased", "fenced"),
            )
            first = held.get(name)
            if first is None or (not grant.readable, grant.order) < (not first.readable, first.order):
                held[name] = grant
        return held

    def _other_names(self, grants: Iterable[_Grant]) -> Mapping[str, set[str]]:
        """subject key → every key under which they may take these consents back: those of the same person, now or
        before a split."""
        people = set[str]().union(*(grant.people for grant in grants))
        with self._parts.store.transaction() as connection:
            persons = subjects.persons(connection, people)
            same = subjects.aliases(connection, set(persons.values()))
            former = subjects.former(connection, people)
        return {who: {who, *same.get(persons.get(who, who), ()), *former.get(who, ())} for who in people}

    def _said(self, grant: _Grant, same: Mapping[str, set[str]]) -> list[_Said]:
        """What may take this consent back: by its number at its own agency, by office and number at any, by the number
        alone at another office, and what names nothing that can be read and is said by one of its people."""
        own = {consent_name(grant.controller, number) for number in grant.numbers}
        own |= {f"{grant.controller}:{number}" for number in grant.numbers}
        others = self._parts.agencies.keys() - {grant.controller}
        told = {f"{agency}:{number}" for agency in others for number in grant.numbers} - own
        ways = [
            (own, False, False),
            (told, True, False),
            ({f"{_ANY} {name}" for who in grant.people for name in same[who]}, False, True),
        ]
        return [
            _Said._make((*row, by_number, by_author))
            for names, by_number, by_author in ways
            for name in sorted(names)
            for row in self._rows(
                "author, received, committed, scope, meant, given_until FROM ending", _digest(name)
            )
        ]

    def _rows(self, columns: str, consent: bytes) -> Iterator[Any]:
        return self._spool.execute(f"SELECT {columns} WHERE consent = ?", (consent,))

    def _take(self, batch: Sequence[Record]) -> None:
        secret = self._parts.secret
        events = [(record, one) for record in batch if (one := _envelope(secret, record))]
        endings = [(record, one) for record, one in events if one.event_type in ENDING]
        grants = [
            (_digest(_consent_name(one, one.consent_id)), record.value)
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
                _subject(one),
                received_at(secret, record),
                applied[record.partition].at(record.offset),
                one.scope,
                _digest(_consent_name(one, one.consent_id)) if one.consent_id else None,
                max(one.occurred_at, received_at(secret, record)),
            )
            for record, one in endings
            for name in self._named(one, content(one, "proof", keys).fields.get("consent_id"))
        ]
        self._spool.executemany("INSERT INTO ending VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _named(self, one: Envelope, number: str | None) -> set[str]:
        """The names of what an ending takes back: by the id in clear, and by the sealed number on the paper; without
        that it may mean whatever its author gave."""
        ids = {name for name in (one.consent_id, number) if name}
        names = {
            name if name.split(":", 1)[0] in self._parts.agencies else _consent_name(one, name)
            for name in ids
        }
        return names if number else {*names, f"{_ANY} {_subject(one)}"}

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


def _envelope(secret: bytes, record: Record) -> Envelope | None:
    """An agency's own event, or the hub's word; of one that cannot be taken, the withdrawal that it comes to all the
    same. Whatever else stands there is the stages' to quarantine."""
    try:
        return decode_control(secret, record).envelope
    except DataError:
        broken = broken_control(secret, record)
        return broken.envelope if broken else None


def _consent_name(one: Envelope, consent_id: str) -> str:
    return consent_name(one.controller_id, consent_id)


def _subject(one: Envelope) -> str:
    return f"{one.controller_id}:{one.subject_ref}"


class _Links(NamedTuple):
    """Who is who: subject key → person; → who was the same person once, until when; → since when it is known."""

    persons: Mapping[str, str]
    former: Mapping[str, Mapping[str, int]]
    since: Mapping[str, int]

    def concerns(self, said: _Said, one: _Grant) -> bool:
        """Whether a consent is its author's to take back."""
        return self._person(said.author) in map(self._person, one.people)

    def concerned(self, said: _Said, one: _Grant) -> bool:
        """Whether it was when it was said: a split takes nothing back that had been taken back before."""
        return any(said.received <= self.former.get(who, {}).get(said.author, -1) for who in one.people)

    def nobodys(self, said: _Said) -> bool:
        """Whether nobody can tell who says it: its agency ends its own consent all the same."""
        since = self.since.get(said.author)
        return said.author.endswith(":") or since is None or since > said.received

    def _person(self, key: str) -> str:
        return self.persons.get(key, key)


def _takes_back(said: _Said, grant: _Grant, others: Mapping[bytes, _Grant], links: _Links) -> bool:
    """Whether an ending is this consent's: its subject says it, or who signed it (protocol rule 7); of one that nobody
    says, its agency's number decides. A number alone, said at another office, means that office's consent of its author
    if there is one. What cannot be read means the consent that it names, and if there is none all that its author had
    given."""
    own = said.author.startswith(f"{grant.controller}:") and not (said.told or said.wide)
    if own and links.nobodys(said):
        return True
    if not (links.concerns(said, grant) or links.concerned(said, grant)):
        return False
    if said.wide and not _given_by(grant, said.given_until):
        return False
    named = others.get(said.meant) if said.meant else None
    return not (said.told or said.wide) or named is None or not links.concerns(said, named)


def _given_by(grant: _Grant, at: int) -> bool:
    return grant.readable and micros(grant.fields["granted_at"]) <= at


def _digest(name: str) -> bytes:
    """Fits any text that an agency may have put there, a lone surrogate too."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).digest()
