"""Access (Art. 15 GDPR, § 83 SGB X): all that is in the hub about one person, and everybody who had something of it.

The policy decides here as for every view: the role is the subject's own. What it says of others (who else signed, which
worker looked) is left out.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from hub.domain.clock import micros, moment
from hub.domain.consent import Consent
from hub.erasure.completion import Who, who_is
from hub.errors import NoInput
from hub.parts import Parts
from hub.policy.facts import Recipient
from hub.sealed.boxes import content, keys_for
from hub.sealed.decode import envelope_of
from hub.store import admissions, evidence, subjects, views
from hub.store.tables import disclosure, retrieval
from hub.store.views import DisclosureRow
from hub.views.case_file import CaseFile, read_cases
from hub.views.redaction import Question, ViewPart, redact
from projections.consent_register.queries import about
from schemas import decode_single

PURPOSE = "subject_access"


def access(parts: Parts, subject: str) -> dict[str, Any]:
    """The answer as JSON-like values; every look at a case is logged. Raises NoInput for somebody unknown."""
    with parts.store.transaction() as connection:
        who = who_is(connection, subject)
        cases = sorted({case for key in who.same for case in subjects.cases_of_subject(connection, key)})
        if not cases:
            raise NoInput("the hub knows nobody of this name", place="subject", remedy="name it AGENCY:REF")
        joint = sorted(set(subjects.joint_cases(connection, cases).values()))
        files = read_cases(connection, parts, joint).opened(parts, connection)
        now = parts.clock.now()
        shown = [part for file in files.values() for part in _shown(parts, file, who, now)]
        found = {
            "subject": subject,
            "at": now.isoformat(),
            "records": [record for part in shown for record in _records(part)],
            "unreadable": [*_unreadable(shown), *_unreadable_consents(parts, connection, who)],
            "waiting": [_held(row) for key in who.same for row in admissions.held_of(connection, key)],
            "consents": [_consent(one) for one in _consents(files.values(), subject, now)],
            "recipients": list(_recipients(connection, who)),
            "retrievals": list(_retrievals(connection, joint)),
        }
        for name in joint:
            _log(connection, parts, name, subject, now)
    return found


def _shown(parts: Parts, file: CaseFile, who: Who, now: datetime) -> Iterable[ViewPart]:
    """Asked sender by sender: whom the request names is the person, linked or not."""
    for sender in sorted({key.split(":", 1)[0] for key in who.same} & parts.agencies.keys()):
        mine = [
            one for one in file.evidence if one.subject in who.same and one.envelope.controller_id == sender
        ]
        me = Recipient(
            controller=sender,
            kind="subject",
            role="subject",
            worker=who.person,
            assigned=True,
            undertaking=False,
        )
        made = redact(
            parts.gate.policy, parts.agencies, Question(me, PURPOSE, now), mine, file.known, file.names
        )
        yield from made.parts


def _records(part: ViewPart) -> Iterable[dict[str, Any]]:
    for entry in part.entries:
        yield {"sender": part.sender, "grounds": list(part.grounds), **entry.as_json()}


def _unreadable(shown: Iterable[ViewPart]) -> Iterable[dict[str, Any]]:
    """Records of the answer that do not open although their key is there: named, never left out."""
    for part in shown:
        if part.unreadable:
            yield {"sender": part.sender, "what": "records", "number": part.unreadable}


def _unreadable_consents(parts: Parts, connection: Connection, who: Who) -> Iterable[dict[str, Any]]:
    """The same of what the register holds of this person: it opens nothing, and it is there."""
    live = subjects.live_generation(connection, "consent_register")
    envelopes = [envelope_of(decode_single(row.envelope)[1]) for row in about(connection, live, who.same)]
    found = keys_for(parts.keys, "proof", envelopes)
    closed = Counter(
        envelope.controller_id
        for envelope in envelopes
        if content(envelope, "proof", found).state == "unsealed"
    )
    for sender, number in sorted(closed.items()):
        yield {"sender": sender, "what": "consents_and_control_data", "number": number}


def _consents(files: Iterable[CaseFile], subject: str, now: datetime) -> Sequence[Consent]:
    known = next((file.known[subject] for file in files if subject in file.known), None)
    return known.consents_at(now) if known else ()


def _consent(one: Consent) -> dict[str, Any]:
    return {
        "id": one.number,
        "recorded_by": one.recorded_by,
        "sender": one.sender,
        "recipients": sorted(one.recipients),
        "purposes": sorted(one.purposes),
        "categories": sorted(one.categories),
        "granted_at": one.granted_at.isoformat(),
        "valid_until": one.valid_until.isoformat() if one.valid_until else None,
        "withdrawn_at": one.withdrawn_at.isoformat() if one.withdrawn_at else None,
        "text_version": one.text_version,
    }


def _held(row: admissions.HeldEvent) -> dict[str, Any]:
    return {"event_id": row.event_id, "since": moment(row.since).isoformat(), "reason": row.reason}


def _recipients(connection: Connection, who: Who) -> Iterable[dict[str, Any]]:
    d = disclosure.c
    names = sorted({who.person, *who.same})
    wanted = select(disclosure).where(d.person.in_(names)).order_by(d.at, d.recipient, d.role)
    rows = [DisclosureRow(*row) for row in connection.execute(wanted)]
    grounds = evidence.grounds_of(connection, [row.view_id for row in rows])
    for row in rows:
        yield {
            "at": moment(row.at).isoformat(),
            "sender": row.sender,
            "recipient": row.recipient,
            "role": row.role,
            "purpose": row.purpose,
            "fields": row.fields.split(","),
            "grounds": list(evidence.names_of(grounds.get(row.key, ()), row.grounds)),
            "answer": row.answer,
        }


def _retrievals(connection: Connection, joint: Sequence[str]) -> Iterable[dict[str, Any]]:
    r = retrieval.c
    wanted = select(r.at, r.recipient, r.role, r.purpose).where(r.joint_case.in_(joint)).order_by(r.at, r.id)
    for row in connection.execute(wanted):
        yield {
            "at": moment(row.at).isoformat(),
            "recipient": row.recipient,
            "role": row.role,
            "purpose": row.purpose,
        }


def _log(connection: Connection, parts: Parts, joint: str, subject: str, now: datetime) -> None:
    agency, version = subject.split(":", 1)[0], parts.gate.policy.version
    views.log_retrieval(connection, joint, agency, "subject", None, PURPOSE, version, micros(now))
