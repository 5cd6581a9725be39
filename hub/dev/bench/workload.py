"""What is measured: a month end of consenting families, sealed exactly as connectors seal.

Each family is known to both agencies and linked by pairing code; mother and child consented to benefits and measures
going from the jobcenter to the youth welfare office. Every event is admitted, projected and shown.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from hub.domain.agencies import Agency, default_agency
from hub.domain.clock import micros
from hub.domain.envelope import LEGAL_DOMAINS, Envelope
from hub.domain.identifiers import AgencyKey
from hub.domain.seal import place, seal
from hub.ports import EventLog, Key, KeyRef, KeyStore, Outgoing
from hub.sealed.decode import encode_envelope
from schemas import EventSchema, event_schema, topics

JC, JA = "jc-bench", "ja-bench"
SIGNED_AT = datetime(2026, 6, 1, 8, tzinfo=UTC)
BORN = {"mother": date(1990, 5, 1), "child": date(2017, 5, 1)}
PERSONS = 2  # of a family: mother and child
PER_PERSON = 3  # payment lines a month
_CHUNK = 2000


def agencies() -> tuple[Agency, ...]:
    return default_agency(JC, "jobcenter"), default_agency(JA, "youth_welfare")


@dataclass(frozen=True, slots=True)
class _Fact:
    """One event before it is sealed."""

    agency: str
    family: int
    person: str
    type: str
    payload: Mapping[str, Any]
    consents: tuple[str, ...] = ()
    consent_id: str | None = None
    ordinal: int = 0


class Workload:
    """`families` families; `events(count)` payment lines, spread evenly, family after family as a payment run does."""

    def __init__(self, keys: KeyStore, families: int) -> None:
        self._keys, self.families = keys, families
        self._of = {
            JC: AgencyKey(b"bench jobcenter".ljust(32)),
            JA: AgencyKey(b"bench youth office".ljust(32)),
        }
        self._kinds = {agency.id: agency.kind for agency in agencies()}

    def publish_control(self, log: EventLog) -> int:
        """Persons, custody, links and consents of every family. Returns how many events."""
        return self._publish(log, (fact for n in range(self.families) for fact in self._control(n)))

    def publish_events(self, log: EventLog, count: int, first: int = 0) -> int:
        """`count` payment lines, from the `first` on, each with a record of its own."""
        return self._publish(log, islice(self._lines(first), count))

    def publish_withdrawal(self, log: EventLog, family: int) -> None:
        """The mother of a family takes her consent back."""
        consent = _consent_id(family, "mother")
        fact = _Fact(JC, family, "mother", "ConsentWithdrawn", {"consent_id": consent}, consent_id=consent)
        self._publish(log, [fact])

    def subject_ref(self, agency: str, family: int, person: str) -> str:
        return self._of[agency].person(f"{family}.{person}")

    def case_ref(self, agency: str, family: int) -> str:
        return self._of[agency].case(str(family))

    def _lines(self, first: int) -> Iterator[_Fact]:
        number = first
        while True:
            line, rest = number % PER_PERSON, number // PER_PERSON
            person = ("mother", "child")[rest % 2]
            family, month = (rest // 2) % self.families, rest // 2 // self.families
            payload = {
                "kind": ("RB", "KDU", "HEIZ")[line],
                "amount": Decimal(56300 + number % 977).scaleb(-2),
                "month": f"{2026 + month // 12}-{month % 12 + 1:02}",
                "provisional": False,
            }
            yield _Fact(
                JC, family, person, "BenefitGranted", payload, (_consent_id(family, person),), ordinal=number
            )
            number += 1

    def _control(self, family: int) -> Iterator[_Fact]:
        for agency in (JC, JA):
            for member, (person, day) in enumerate(BORN.items()):
                yield _Fact(agency, family, person, "SubjectRecorded", {"birth_date": day})
                code = f"BENCH-{family:012}"
                pairing = {"method": "pairing_code", "code": code, "member": member}
                yield _Fact(agency, family, person, "IdentityLinkProposed", pairing)
        child, mother = (self.subject_ref(JA, family, person) for person in ("child", "mother"))
        yield _Fact(JA, family, "child", "CustodyChanged", {"child": child, "custodians": [mother]})
        for person in BORN:
            yield self._grant(family, person)

    def _grant(self, family: int, person: str) -> _Fact:
        consent = _consent_id(family, person)
        payload = {
            "id": consent,
            "subject": self.subject_ref(JC, family, person),
            "granted_by": [self.subject_ref(JC, family, "mother")],
            "sender": JC,
            "recipients": [JA],
            "recipient_workers": [],
            "purposes": ["joint_case_management"],
            "categories": ["EG", "ID", "LB", "LS"],
            "form": "written",
            "explicit_special": False,
            "notices": ["purpose", "refusal", "withdrawal"],
            "text_version": "bench",
            "proof_hash": "sha256:bench",
            "granted_at": SIGNED_AT,
        }
        return _Fact(JC, family, person, "ConsentGranted", payload, consent_id=consent)

    def _publish(self, log: EventLog, facts: Iterable[_Fact]) -> int:
        count, facts = 0, iter(facts)
        while chunk := list(islice(facts, _CHUNK)):
            for topic, records in self._records(chunk).items():
                log.append(topic, records)
            count += len(chunk)
        return count

    def _records(self, chunk: Sequence[_Fact]) -> dict[str, list[Outgoing]]:
        keys = self._keys.sealing({self._key_ref(fact) for fact in chunk})
        records: dict[str, list[Outgoing]] = {}
        for fact in chunk:
            envelope = self._envelope(fact, keys[self._key_ref(fact)])
            control = event_schema(fact.type).topic == "consents"
            key = envelope.subject_ref if control else envelope.case_ref
            topic = topics()["consents" if control else "events"].of(fact.agency)
            records.setdefault(topic, []).append(Outgoing(key.encode(), encode_envelope(envelope)))
        return records

    def _key_ref(self, fact: _Fact) -> KeyRef:
        kind = "proof" if event_schema(fact.type).topic == "consents" else "box"
        return KeyRef(kind, fact.agency, self.subject_ref(fact.agency, fact.family, fact.person))  # type: ignore[arg-type]

    def _envelope(self, fact: _Fact, key: Key) -> Envelope:
        schema, names, ref = event_schema(fact.type), self._of[fact.agency], key.ref.subject
        record = names.record_ref(
            fact.type, f"{fact.family}.{fact.consent_id}.{fact.ordinal}", fact.type, ref
        )
        event_id, now = names.event_id(record, 1), micros(SIGNED_AT + timedelta(seconds=fact.ordinal))
        kind = self._kinds[fact.agency]
        fields = schema.categories(fact.payload, on=SIGNED_AT.date(), entrusted=False, controller_kind=kind)
        return _blank(fact.type, schema.fingerprint, LEGAL_DOMAINS[kind])._replace(
            record_ref=record,
            event_id=event_id,
            controller_id=fact.agency,
            subject_ref=ref,
            case_ref=names.case(str(fact.family)),
            source_version=1,
            occurred_at=now,
            recorded_at=now,
            fields=fields,
            consents=list(fact.consents),
            consent_id=fact.consent_id,
            boxes=_boxes(schema, fact, fields, event_id, key),
        )


def _boxes(
    schema: EventSchema, fact: _Fact, fields: Mapping[str, str], event_id: bytes, key: Key
) -> dict[str, bytes]:
    boxes = {}
    for category in sorted(set(fields.values())):
        plain = schema.encode_part({name: fact.payload[name] for name in fields if fields[name] == category})
        where = place("event", schema.fingerprint, event_id, key.ref.subject, category, key.version)
        boxes[category] = seal(key.cipher, key.version, plain, where)
    return boxes


def _blank(event_type: str, schema: bytes, legal_domain: str) -> Envelope:
    """What all events of the workload have in common."""
    return Envelope(
        record_ref=b"",
        event_id=b"",
        publication=1,
        event_type=event_type,
        schema=schema,
        controller_id="",
        legal_domain=legal_domain,
        subject_ref="",
        case_ref="",
        source_version=1,
        occurred_at=0,
        recorded_at=0,
        valid_from=None,
        valid_to=None,
        fields={},
        purposes=["joint_case_management"],
        consents=[],
        norm=None,
        task_norm=None,
        attested_by=None,
        entrusted_by=None,
        source_203=False,
        objected_76=False,
        task_class=None,
        connection=None,
        merges_with=None,
        endangers_help=False,
        disputed=[],
        addressee=None,
        consent_id=None,
        valid_until=None,
        scope=None,
        boxes={},
    )


def _consent_id(family: int, person: str) -> str:
    return f"bench-{family}-{person}"
