"""Erasure by request (Art. 17 GDPR, § 84 SGB X): what one agency let into the hub about a person goes, everywhere.

The request is an event on the agency's consents topic, or on `hub.words` where it was made at the hub. The consents
worker executes it once all of both is read to the end, because only then it knows whether the request was executed
before (a restored store reads it again, and must not destroy what a later consent brought). Keys go first, then rows,
then the word of it: the agency's connector must not publish again what has ended, and every recipient gets its view
without it. An erasure stays open, and visible, until every recipient that had something has answered.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import orjson
from sqlalchemy import Connection

from hub.domain.clock import micros, moment
from hub.erasure import certificate as certificates
from hub.erasure.completion import Who, complete, recipients, who_is
from hub.erasure.events import EXECUTED, REQUESTED, executed_id, say
from hub.erasure.purge import destroy_keys, remove_held, remove_rows
from hub.isolation import isolated
from hub.parts import Parts
from hub.ports import Certificate
from hub.sealed.boxes import content, keys_for
from hub.sealed.decode import envelope_of
from hub.store import erasures, subjects
from hub.store.erasures import ErasureRequest
from hub.subjects.consent_barrier import is_open
from hub.subjects.register_entries import erased_entry
from projections.consent_register.queries import RegisterRow, about, present
from schemas import decode_single, topics

_RULE = "erased"


def erase(parts: Parts) -> tuple[int, ...]:
    """Execute, announce and complete what can be. Returns when each executed request was made (microseconds since 1970
    UTC). Raises KeyServiceUnavailable: then nothing of it happened and it is tried again."""
    with parts.store.transaction() as connection:
        if not erasures.any_open(connection):
            return ()
    executed = _execute_all(parts) if is_open(parts) else ()
    _announce_all(parts)
    complete(parts)
    return executed


def _execute_all(parts: Parts) -> tuple[int, ...]:
    with parts.store.transaction() as connection:
        asked = erasures.to_execute(connection)
    executed = isolated(parts, "erase", asked, partial(_execute_each, parts), _id)
    return tuple(chain.from_iterable(executed))


def _execute_each(parts: Parts, asked: Sequence[ErasureRequest]) -> tuple[int, ...]:
    with parts.store.transaction() as connection:
        erasures.lock_forgetting(connection)
        for one in asked:
            _execute(connection, parts, one)
    return tuple(one.requested_at for one in asked)


def _id(erasure: ErasureRequest) -> str:
    return erasure.id


def _execute(connection: Connection, parts: Parts, one: ErasureRequest) -> None:
    now = parts.clock.now()
    who = who_is(connection, one.subject)
    subjects.raise_epochs(connection, who.mine, micros(now))
    request, before = _said(connection, parts, one)
    keys = [] if before else certificates.destroyed(_destroy(parts, who))
    ids = before or certificates.key_ids(keys)
    versions = certificates.box_versions(ids)
    erasures.mark_gone(connection, "box", versions)
    removed = {
        **remove_rows(connection, parts, versions),
        "held": sum(remove_held(connection, parts, key, version, _RULE) for key, version in versions.items()),
    }
    parts.knowledge.forget(who.same)
    found = {
        "id": one.id,
        "agency": one.subject.split(":", 1)[0],
        "subjects": list(who.mine),
        "norm": request.get("norm"),
        "scope": request.get("scope"),
        "requested_at": moment(one.requested_at).isoformat(),
        "executed_at": now.isoformat(),
        "keys": keys,
        "key_ids": ids,
        "removed": removed,
        "recipients": recipients(connection, one._replace(executed_at=micros(now)), who),
        "kept": _KEPT,
    }
    erasures.executed(connection, one.id, micros(now), certificates.sealed(parts.secret, found))


_KEPT = [
    {"what": "consent_proof", "norm": "Art. 7(1), 17(3)(e) GDPR", "until": "retention.consent_proof"},
    {
        "what": "disclosure_register",
        "norm": "Art. 15(1)(c), 19 GDPR",
        "until": "retention.disclosure_register",
    },
    {"what": "retrieval_log", "norm": "§ 79 SGB X", "until": "retention.retrieval_log"},
]
"""What an erasure leaves: proofs and registers without content, each until its retention ends."""


def _said(connection: Connection, parts: Parts, one: ErasureRequest) -> tuple[Mapping[str, Any], list[str]]:
    """What the request says, and which keys its execution named if there was one."""
    live = subjects.live_generation(connection, "consent_register")
    done = executed_id(parts.secret, one.id).hex()
    envelopes = {
        row.event_type: envelope_of(decode_single(row.envelope)[1])
        for row in about(connection, live, [one.subject])
        if row.event_id == done or _is_request(row, one)
    }
    found = keys_for(parts.keys, "proof", envelopes.values())
    opened = {kind: content(envelope, "proof", found).fields for kind, envelope in envelopes.items()}
    return opened.get(REQUESTED, {}), list(opened.get(EXECUTED, {}).get("key_ids", ()))


def _is_request(row: RegisterRow, one: ErasureRequest) -> bool:
    return row.event_type == REQUESTED and min(row.occurred_at, row.received_at) == one.requested_at


def executed_versions(connection: Connection, parts: Parts, keys: Sequence[str]) -> dict[str, int]:
    """subject → the newest box key version that went with an erasure, as the hub's own words tell."""
    live = subjects.live_generation(connection, "consent_register")
    rows = [row for row in about(connection, live, keys) if row.event_type == EXECUTED]
    envelopes = [
        envelope_of(decode_single(row.envelope)[1])
        for row in rows
        if row.event_id == executed_id(parts.secret, row.record_ref).hex()
    ]
    found = keys_for(parts.keys, "proof", envelopes)
    ids = [key for one in envelopes for key in content(one, "proof", found).fields.get("key_ids", ())]
    return certificates.box_versions(ids)


def _destroy(parts: Parts, who: Who) -> list[Certificate]:
    names = (who.person, *who.mine)
    return [proof for key in who.mine for proof in destroy_keys(parts, key, names, who.same)]


def _announce_all(parts: Parts) -> None:
    """Tell the log, so that a restored hub knows, and the agency's gate, so that nothing of it is published again."""
    with parts.store.transaction() as connection:
        waiting = erasures.to_announce(connection)
    isolated(parts, "erase.announce", waiting, partial(_announce, parts), _id)


def _announce(parts: Parts, waiting: Sequence[ErasureRequest]) -> None:
    with parts.store.transaction() as connection:
        for one in waiting:
            said = orjson.loads(one.certificate or "{}")
            _say_executed(connection, parts, one, said)
            for subject in said["subjects"]:
                agency, entry = erased_entry(subject, one.requested_at)
                parts.log.append(topics()["register"].of(agency), [entry])
            erasures.announced(connection, [one.id])


def _say_executed(connection: Connection, parts: Parts, one: ErasureRequest, said: Mapping[str, Any]) -> None:
    """Unless the log tells it: a restored hub that executes a request again would seal the same event anew, and the log
    would hold it in different bytes."""
    event_id = executed_id(parts.secret, one.id)
    if present(connection, subjects.live_generation(connection, "consent_register"), [event_id.hex()]):
        return
    payload = {"norm": said["norm"], "scope": said["scope"], "key_ids": said["key_ids"]}
    say(
        parts,
        EXECUTED,
        one.subject,
        case_of(connection, one.subject),
        payload,
        record_ref=bytes.fromhex(one.id),
        event_id=event_id,
        at=moment(one.executed_at or one.requested_at),
    )


def case_of(connection: Connection, subject: str) -> str:
    """A case in which the agency knows this subject; "" for a stranger."""
    case = next(iter(subjects.cases_of_subject(connection, subject)), "")
    return case.split(":", 1)[1] if case else ""
