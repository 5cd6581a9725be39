"""A whole hub in one process with two agencies, a clock that stands still until told, and everything to look into.

What is published passes through the real stages, driven by the embedded host; only time and agencies are made up.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import Connection, select, text

from hub.adapters.clocks import ManualClock
from hub.bootstrap import Given, build_parts
from hub.config import load_settings
from hub.domain.agencies import Agency, default_agency
from hub.domain.clock import micros
from hub.domain.envelope import Envelope
from hub.domain.identifiers import AgencyKey
from hub.domain.seal import key_version, open_box, place
from hub.failpoints import observed
from hub.hosts.embedded import Embedded
from hub.operations.rebuild import rebuild
from hub.parts import Parts
from hub.policy.facts import Recipient
from hub.ports import EventLog, Key, KeyRef, Outgoing, Record
from hub.sealed.decode import encode_envelope
from hub.store import tables
from hub.views.opening import OpenedView, open_view
from hub.views.record import VIEW
from schemas import decode_single
from tests.support.publisher import Draft, Publisher

JC, JA = "jc-a", "ja-a"
NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
FAMILY, MOTHER, CHILD = "fam", "mother", "child"
CODE = "ABCD-EFGH"
MASTER = base64.b64encode(bytes(range(32))).decode()


class CrashError(BaseException):
    """The process ended here."""


@dataclass(frozen=True, slots=True)
class ShownPart:
    """One part of a view, opened as the recipient's sink would."""

    subject: str
    sender: str
    content: Mapping[str, Any] | None
    size: int

    @property
    def types(self) -> list[str]:
        return [entry["type"] for entry in (self.content or {}).get("entries", ())]


@dataclass(frozen=True, slots=True)
class Shown:
    """One record of a views topic."""

    record: Record
    view: Mapping[str, Any]
    parts: tuple[ShownPart, ...]

    @property
    def types(self) -> list[str]:
        return sorted(kind for part in self.parts for kind in part.types)


class Office(Publisher):
    """One agency's connector at the world's time; what it says is sealed and published at once."""

    def __init__(self, parts: Parts, agency: str) -> None:
        self.key = AgencyKey(agency.encode().ljust(32, b"."))
        super().__init__(parts.log, parts.keys, self.key, parts.agencies[agency])
        self.parts, self.id = parts, agency
        self.sent: list[tuple[str, Outgoing]] = []

    def draft(
        self,
        event_type: str,
        person: str | None,
        payload: Mapping[str, Any],
        *,
        key: str = "",
        family: str = FAMILY,
        at: datetime | None = None,
        version: int = 0,
        publication: int = 1,
        **facts: Any,
    ) -> Envelope:
        """The sealed envelope, not sent yet."""
        self.record(
            person,
            family,
            event_type,
            payload,
            source_key=key or event_type,
            consents=facts.pop("consents", ()),
            version=version,
            publication=publication,
            at=at or self.parts.clock.now(),
            **facts,
        )
        draft: Draft = self._drafts.pop()
        ref = self._key_ref(draft)
        return self._envelope(draft, self._keys.sealing([ref])[ref])

    def say(self, event_type: str, person: str | None, payload: Mapping[str, Any], **how: Any) -> Envelope:
        """Publish an event about a person, or about the family."""
        envelope = self.draft(event_type, person, payload, **how)
        self.send(envelope)
        return envelope

    def send(self, envelope: Envelope, *, kind: str = "", key: str = "", value: bytes = b"") -> None:
        """Publish an envelope as it is, or other bytes under its record key."""
        control = (kind or _topic_of(envelope)) == "consents"
        name = key or (envelope.subject_ref if control else envelope.case_ref)
        self.put(kind or _topic_of(envelope), Outgoing(name.encode(), value or encode_envelope(envelope)))

    def put(self, kind: str, record: Outgoing) -> None:
        topic = f"agency.{self.id}.{kind}"
        self.sent.append((topic, record))
        self.parts.log.append(topic, [record])

    def repeat(self, number: int = -1) -> None:
        """Publish once more what was published, as a connector does that died before it saved its state."""
        topic, record = self.sent[number]
        self.parts.log.append(topic, [record])

    def born(self, person: str, day: date, **more: Any) -> Envelope:
        family = more.pop("family", FAMILY)
        return self.say(
            "SubjectRecorded", person, {"birth_date": day, **more}, key=f"born {person}", family=family
        )

    def held_by(self, child: str, custodians: Sequence[str], family: str = FAMILY) -> Envelope:
        payload = {"child": self.ref(child), "custodians": [self.ref(name) for name in custodians]}
        return self.say("CustodyChanged", child, payload, key=f"custody {child}", family=family)

    def pairs(self, person: str, member: int, *, code: str = CODE, family: str = FAMILY) -> Envelope:
        payload = {"method": "pairing_code", "code": code, "member": member}
        return self.say("IdentityLinkProposed", person, payload, key=f"pair {code} {member}", family=family)

    def grants(
        self,
        consent: str,
        person: str | None,
        categories: Sequence[str],
        *,
        to: Sequence[str] = (),
        by: Sequence[str] = (),
        sender: str = "",
        until: datetime | None = None,
        family: str = FAMILY,
        at: datetime | None = None,
        key: str = "",
        payload: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> Envelope:
        """A consent, signed by the person unless others are named, to the other agency unless others are named."""
        now = self.parts.clock.now()
        fields = {
            "id": consent,
            "subject": self.ref(person) if person else self.key.case(family),
            "granted_by": [self.ref(name) for name in by or (person or "",)],
            "sender": sender or self.id,
            "recipients": list(to or sorted({JC, JA} - {sender or self.id})),
            "purposes": ["joint_case_management"],
            "categories": list(categories),
            "form": "written",
            "explicit_special": False,
            "notices": ["purpose", "refusal", "withdrawal"],
            "text_version": "1",
            "proof_hash": "sha256:00",
            "granted_at": at or now,
            "valid_until": until,
            **(payload or {}),
        }
        end = micros(until) if until else None
        return self.say(
            "ConsentGranted",
            person,
            fields,
            key=key or f"grant {consent}",
            family=family,
            at=at,
            consent_id=consent,
            valid_until=end,
            **facts,
        )

    def withdraws(
        self, consent: str, person: str | None, *, scope: str | None = None, family: str = FAMILY, **how: Any
    ) -> Envelope:
        """A withdrawal; `scope` is the JSON text in the envelope."""
        key = how.pop("key", f"end {consent} {scope}")
        return self.say(
            "ConsentWithdrawn",
            person,
            {"consent_id": consent},
            key=key,
            family=family,
            consent_id=consent,
            scope=scope,
            **how,
        )

    def ref(self, person: str) -> str:
        return self.key.person(person)


def _topic_of(envelope: Envelope) -> str:
    from schemas import by_fingerprint

    return by_fingerprint(envelope.schema).topic


@dataclass
class World:
    """A hub, its two agencies, and what its stages answered."""

    parts: Parts
    clock: ManualClock
    data: Path
    outcomes: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jc, self.ja = Office(self.parts, JC), Office(self.parts, JA)
        self.host = Embedded(self.parts, lambda stage, outcome: self.outcomes.append((stage, outcome)))

    @classmethod
    def at(
        cls,
        data: Path,
        store_url: str = "",
        now: datetime = NOW,
        more: Sequence[Agency] = (),
        log: Callable[[ManualClock], EventLog] | None = None,
        **settings: Any,
    ) -> "World":
        clock = ManualClock(now)
        agencies = [default_agency(JC, "jobcenter"), default_agency(JA, "youth_welfare"), *more]
        given = {"ledger_file": data / "ledger", "database_url": store_url, "kek": MASTER, **settings}
        chosen = load_settings(data=data, **given)
        return cls(
            build_parts(chosen, Given(clock=clock, agencies=agencies, log=log(clock) if log else None)),
            clock,
            data,
        )

    def close(self) -> None:
        for part in (self.parts.log, self.parts.store, self.parts.keys):
            part.close()

    def run(self) -> None:
        self.host.run_until_quiet()

    def wait(self, **time: float) -> None:
        """Let time pass; nothing runs meanwhile."""
        self.clock.set(self.clock.now() + timedelta(**time))

    def know_family(self) -> None:
        """Both offices know mother and child and have said so with one pairing code."""
        for office in (self.jc, self.ja):
            office.born(MOTHER, date(1990, 1, 1))
            office.born(CHILD, date(2016, 1, 1))
            office.pairs(MOTHER, 1)
            office.pairs(CHILD, 2)
        self.ja.held_by(CHILD, [MOTHER])
        self.run()

    def measure(self, consents: Sequence[str] = ("c1",), **how: Any) -> Envelope:
        """The jobcenter tells of a measure for the mother."""
        payload = {"norm": "16d", "provider": how.pop("provider", "Träger"), "status": "running"}
        return self.jc.say(
            "MeasureStarted", how.pop("person", MOTHER), payload, consents=list(consents), **how
        )

    def help(self, consents: Sequence[str] = ("c2",), **how: Any) -> Envelope:
        """The youth office tells of a help for the child."""
        payload = {"paragraph": "31", "provider": how.pop("provider", "SPFH")}
        return self.ja.say("HelpStarted", how.pop("person", CHILD), payload, consents=list(consents), **how)

    def shared(self) -> None:
        """The joint case as most tests want it: one measure shown to the youth office, one help to the jobcenter."""
        self.know_family()
        self.jc.grants("c1", MOTHER, ["EG", "LS", "ID"])
        self.ja.grants("c2", CHILD, ["HS", "ID"], by=[MOTHER])
        self.measure()
        self.help()
        self.run()

    def records(self, topic: str) -> list[Record]:
        """All records of a topic, in order per partition; one read may bring fewer than there are."""
        following, found = dict(self.parts.log.state([topic])[topic].first), list[Record]()
        while batch := self.parts.log.read(topic, following, 10_000):
            found += batch
            following |= {record.partition: record.offset + 1 for record in batch}
        return found

    def views(self, agency: str, role: str = "") -> list[Shown]:
        """The views that an agency was sent, in the order of their versions."""
        shown = [self._shown(record) for record in self.records(f"agency.{agency}.views")]
        wanted = [one for one in shown if not role or one.view["role"] == role]
        return sorted(wanted, key=lambda one: (one.view["role"], one.view["generation"], one.view["version"]))

    def _shown(self, record: Record) -> Shown:
        view = decode_single(record.value)[1]
        return Shown(record, view, tuple(self._part(view, part) for part in view["parts"]))

    def _part(self, view: Mapping[str, Any], part: Mapping[str, Any]) -> ShownPart:
        ref = KeyRef("view", view["recipient"], part["subject_ref"], part["sender"])
        version = key_version(part["box"])
        key = self.parts.keys.opening([(ref, version)])[ref, version]
        content = None
        if isinstance(key, Key):
            where = place("view", VIEW.fingerprint, view["view_id"], ref.subject, ref.sender, version)
            with suppress(
                InvalidTag
            ):  # sealed with a key that a restored key database does not know any more
                content = orjson.loads(open_box(key.cipher, part["box"], where))
        return ShownPart(part["subject_ref"], part["sender"], content, len(part["box"]))

    def last(self, agency: str, role: str) -> Shown | None:
        """What a role has now, whether shown or removed."""
        return next(reversed(self.views(agency, role)), None)

    def seen(self, agency: str, role: str) -> list[str]:
        """The event types that a role is shown now."""
        last = self.last(agency, role)
        return last.types if last else []

    def open(self, agency: str, role: str, family: str = FAMILY, worker: str = "w1") -> OpenedView:
        """A worker opens the joint view."""
        office = {JC: self.jc, JA: self.ja}[agency]
        recipient = Recipient(
            controller=agency,
            kind=self.parts.agencies[agency].kind,
            role=role,
            worker=worker,
            assigned=True,
            undertaking=False,
        )
        return open_view(self.parts, office.key.case(family), recipient, "joint_case_management")

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        """All rows of a table of the store or of a read model."""
        with self.parts.store.transaction() as connection:
            return self.rows_in(connection, name)

    def rows_in(self, connection: Connection, name: str) -> list[Mapping[str, Any]]:
        """The same as an open transaction sees it."""
        known = tables.metadata.tables.get(name)
        found = connection.execute(text(f"SELECT * FROM {name}") if known is None else select(known))  # noqa: S608
        return [dict(row._mapping) for row in found]

    def decisions(self) -> list[tuple[str, str]]:
        """(outcome, rules) of every event that was decided at admission."""
        return sorted((row["outcome"], row["rules"]) for row in self.rows("decision"))

    def divergence(self) -> int:
        """How far rebuilt read models differ from the live ones."""
        return sum(rebuild(self.parts, model.name).divergence for model in self.parts.read_models)

    def total(self, stage: str, number: str) -> int:
        """The sum of one number over all outcomes of a stage."""
        return sum(getattr(outcome, number) for name, outcome in self.outcomes if name == stage)


@contextmanager
def crash_at(name: str, count: int = 1) -> Iterator[None]:
    """The process ends when this fail point is reached the count-th time; expects that it is."""
    left = count

    def reach(reached: str) -> None:
        nonlocal left
        left -= reached == name
        if reached == name and left == 0:
            raise CrashError

    with observed(reach), pytest.raises(CrashError):
        yield
