"""What an agency's connector would publish, made from a few words: real envelopes, really sealed, for invented persons.

Ids depend only on the agency key and on what is said, so the same story gives the same events. Everything waits until
`flush`, which seals with as few questions to the key service as a connector would ask.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from hub.domain.agencies import Agency
from hub.domain.clock import berlin_day, micros
from hub.domain.consent import ALL_NOTICES
from hub.domain.envelope import LEGAL_DOMAINS, Envelope
from hub.domain.identifiers import AgencyKey, proof_hash
from hub.domain.seal import place, seal
from hub.ports import EventLog, Key, KeyRef, KeyStore, Outgoing
from schemas import EventSchema, encode_single, event_schema, record_schema

START = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
BORN = date(1990, 5, 1)
CATEGORIES = ("ID", "EG", "LS", "LB", "TM", "FK", "HS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One event before it is sealed; `facts` are envelope fields other than the usual ones."""

    schema: EventSchema
    person: str | None
    case: str
    payload: Mapping[str, Any] = field(repr=False)
    source_key: str
    version: int
    publication: int
    at: datetime
    facts: Mapping[str, Any]


class Publisher:
    """One agency's side. Persons and cases are named by local ids of any kind; a `person` of None is the family."""

    def __init__(self, log: EventLog, keys: KeyStore, agency_key: AgencyKey, agency: Agency) -> None:
        self._log, self._keys, self._agency_key, self._agency = log, keys, agency_key, agency
        self.schemas: Mapping[str, int] = {}
        """Event type → version of its schema, where it is not the latest."""
        self._drafts: list[Draft] = []
        self._raw: defaultdict[str, list[Outgoing]] = defaultdict(list)

    @property
    def agency(self) -> str:
        """The agency's id."""
        return self._agency.id

    def subject(self, person: str) -> str:
        """The person's subject key: `controller:subject_ref`."""
        return f"{self._agency.id}:{self._agency_key.person(person)}"

    def case(self, case: str) -> str:
        """The case's key: `controller:case_ref`."""
        return f"{self._agency.id}:{self._agency_key.case(case)}"

    def grant(
        self,
        person: str,
        case: str,
        recipients: Sequence[str],
        *,
        consent: str = "",
        categories: Sequence[str] = CATEGORIES,
        purposes: Sequence[str] = ("joint_case_management",),
        signed_by: Sequence[str] = (),
        valid_until: datetime | None = None,
        at: datetime = START,
    ) -> str:
        """A consent that counts, signed by the person unless others are named; returns its id."""
        consent = consent or f"c-{self._agency_key.person(f'{person} {case}')[2:14]}"
        payload = {
            "id": consent,
            "subject": self._agency_key.person(person),
            "granted_by": [self._agency_key.person(name) for name in signed_by or (person,)],
            "sender": self._agency.id,
            "recipients": list(recipients),
            "purposes": list(purposes),
            "categories": list(categories),
            "form": "written",
            "explicit_special": False,
            "notices": sorted(ALL_NOTICES),
            "text_version": "2026-07",
            "proof_hash": proof_hash(consent.encode()),
            "granted_at": at,
            "valid_until": valid_until,
        }
        until = micros(valid_until) if valid_until else None
        facts = {"consent_id": consent, "valid_until": until}
        self._add("ConsentGranted", person, case, payload, source_key=consent, at=at, facts=facts)
        return consent

    def withdraw(
        self,
        person: str,
        case: str,
        consent: str,
        *,
        scope: Mapping[str, Sequence[str]] | None = None,
        at: datetime = START + timedelta(days=1),
        schema: bytes = b"",
    ) -> None:
        """The whole consent ends, or the part of it in which all named dimensions of `scope` meet. `schema`: another
        fingerprint than the event's own."""
        whole = {name: list((scope or {}).get(name, ())) for name in ("purposes", "categories", "recipients")}
        payload = {"consent_id": consent, "scope": whole if scope else None}
        facts: dict[str, Any] = {
            "consent_id": consent,
            "scope": orjson.dumps(whole).decode() if scope else None,
        }
        facts |= {"schema": schema} if schema else {}
        self._add("ConsentWithdrawn", person, case, payload, source_key=consent, at=at, facts=facts)

    def person(self, person: str, case: str, birth_date: date = BORN, *, at: datetime = START) -> None:
        """Birth date: without it nobody can tell who may sign."""
        self._add("SubjectRecorded", person, case, {"birth_date": birth_date}, source_key=person, at=at)

    def custody(self, child: str, case: str, custodians: Sequence[str], *, at: datetime = START) -> None:
        """Who holds custody of a child from now on."""
        payload = {
            "child": self._agency_key.person(child),
            "custodians": [self._agency_key.person(name) for name in custodians],
        }
        self._add("CustodyChanged", child, case, payload, source_key=child, at=at)

    def link(self, person: str, case: str, code: str, member: int = 0, *, at: datetime = START) -> None:
        """The person at one place of a pairing sheet: two agencies that name the same code are linked."""
        payload = {"method": "pairing_code", "code": code, "member": member}
        self._add("IdentityLinkProposed", person, case, payload, source_key=f"{code} {member}", at=at)

    def record(
        self,
        person: str | None,
        case: str,
        event_type: str,
        payload: Mapping[str, Any],
        *,
        source_key: str,
        consents: Sequence[str] = (),
        version: int = 0,
        publication: int = 1,
        at: datetime = START + timedelta(hours=1),
        **facts: Any,
    ) -> str:
        """Any event that rests on consents or on what `facts` say (`norm`, `task_norm` ...); returns its record ref."""
        facts["consents"] = list(consents)
        draft = self._add(
            event_type,
            person,
            case,
            payload,
            source_key=source_key,
            version=version,
            publication=publication,
            at=at,
            facts=facts,
        )
        return self._record_ref(draft).hex()

    def measure(
        self, person: str, case: str, number: int, consents: Sequence[str], *, version: int = 0
    ) -> str:
        """MeasureStarted number so-and-so of a person."""
        payload = {"norm": "16", "provider": f"Träger {number}", "status": f"Stand {version}"}
        return self.record(
            person,
            case,
            "MeasureStarted",
            payload,
            source_key=f"m{number}",
            consents=consents,
            version=version,
        )

    def benefit(self, person: str, case: str, month: str, amount: Decimal, consents: Sequence[str]) -> str:
        """BenefitGranted: one month's line."""
        payload = {"kind": "buergergeld", "amount": amount, "month": month, "provisional": False}
        return self.record(person, case, "BenefitGranted", payload, source_key=f"b{month}", consents=consents)

    def raw(self, kind: str, key: str, value: bytes) -> None:
        """Bytes of any kind on the topic `consents`, `events` or `receipts`."""
        self._raw[kind].append(Outgoing(key.encode(), value))

    def case_key(self, case: str) -> str:
        """The record key of a case's events."""
        return self._agency_key.case(case)

    def person_key(self, person: str) -> str:
        """The record key of a person's consents."""
        return self._agency_key.person(person)

    def flush(self, *, raw_first: bool = False) -> int:
        """Seal and append all that waits, consents first; returns how many records there were."""
        drafts, self._drafts = self._drafts, []
        raw, self._raw = self._raw, defaultdict(list)
        keys = self._keys.sealing({self._key_ref(draft) for draft in drafts})
        sealed: defaultdict[str, list[Outgoing]] = defaultdict(list)
        for draft in drafts:
            sealed[draft.schema.topic].append(self._outgoing(draft, keys[self._key_ref(draft)]))
        for kind in ("consents", "events", "receipts"):
            records = [*raw[kind], *sealed[kind]] if raw_first else [*sealed[kind], *raw[kind]]
            if records:
                self._log.append(f"agency.{self._agency.id}.{kind}", records)
        return len(drafts) + sum(map(len, raw.values()))

    def _add(
        self,
        event_type: str,
        person: str | None,
        case: str,
        payload: Mapping[str, Any],
        *,
        source_key: str,
        at: datetime,
        version: int = 0,
        publication: int = 1,
        facts: Mapping[str, Any] | None = None,
    ) -> Draft:
        draft = Draft(
            schema=event_schema(event_type, self.schemas.get(event_type)),
            person=person,
            case=case,
            source_key=source_key,
            version=version,
            payload={name: value for name, value in payload.items() if value is not None},
            publication=publication,
            at=at,
            facts=facts or {},
        )
        self._drafts.append(draft)
        return draft

    def _subject_ref(self, draft: Draft) -> str:
        return (
            self._agency_key.case(draft.case)
            if draft.person is None
            else self._agency_key.person(draft.person)
        )

    def _record_ref(self, draft: Draft) -> bytes:
        subject = self._subject_ref(draft)
        return self._agency_key.record_ref(draft.case, draft.source_key, draft.schema.event_type, subject)

    def _key_ref(self, draft: Draft) -> KeyRef:
        subject = self._subject_ref(draft)
        return KeyRef("proof" if draft.schema.topic == "consents" else "box", self._agency.id, subject)

    def _outgoing(self, draft: Draft, key: Key) -> Outgoing:
        envelope = self._envelope(draft, key)
        name = envelope.subject_ref if draft.schema.topic == "consents" else envelope.case_ref
        return Outgoing(name.encode(), encode_single(record_schema("envelope"), envelope._asdict()))

    def _envelope(self, draft: Draft, key: Key) -> Envelope:
        fields = draft.schema.categories(
            draft.payload,
            on=berlin_day(draft.at),
            entrusted="entrusted_by" in draft.facts,
            controller_kind=self._agency.kind,
        )
        record_ref, version = self._record_ref(draft), micros(draft.at) + draft.version
        event_id = self._agency_key.event_id(record_ref, version)
        usual: dict[str, Any] = dict.fromkeys(Envelope._fields) | {
            "held": [],
            "record_ref": record_ref,
            "event_id": event_id,
            "publication": draft.publication,
            "event_type": draft.schema.event_type,
            "schema": draft.schema.fingerprint,
            "controller_id": self._agency.id,
            "legal_domain": LEGAL_DOMAINS[self._agency.kind],
            "subject_ref": self._subject_ref(draft),
            "case_ref": self._agency_key.case(draft.case),
            "source_version": version,
            "occurred_at": micros(draft.at),
            "recorded_at": micros(draft.at),
            "fields": fields,
            "purposes": [],
            "consents": [],
            "disputed": [],
            "source_203": False,
            "objected_76": False,
            "endangers_help": False,
            "boxes": _boxes(draft, fields, event_id, self._subject_ref(draft), key),
        }
        return Envelope(**usual | dict(draft.facts))


def _boxes(
    draft: Draft, fields: Mapping[str, str], event_id: bytes, subject_ref: str, key: Key
) -> dict[str, bytes]:
    parts: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for name, category in fields.items():
        parts[category][name] = draft.payload[name]
    schema = draft.schema
    return {
        category: seal(
            key.cipher,
            key.version,
            schema.encode_part(part),
            place("event", schema.fingerprint, event_id, subject_ref, category, key.version),
        )
        for category, part in parts.items()
    }
