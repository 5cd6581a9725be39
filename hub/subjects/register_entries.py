"""Entries of an agency's register topic: what its gate must know of consents, keys and erasures (protocol rule 9).

An agency gets the consents whose sender it is, in its own pseudonyms, with the hub's verdict instead of the signers."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from hub.domain.clock import micros
from hub.domain.consent import Consent, ScopedWithdrawal, recorded_id
from hub.domain.seal import place, seal
from hub.parts import Parts
from hub.policy.grounds import signed
from hub.ports import Key, KeyRef, Outgoing
from hub.subjects.knowledge import Knowledge
from schemas import encode_single, record_schema, topics

ENTRY = record_schema("register")


JOINT, ENTRUSTED = "joint", "A65"


class RegisterEntry(NamedTuple):
    """An entry for the agency named first; `said` is the same as long as it says the same, whenever it is written."""

    record: tuple[str, Outgoing]
    said: str


def joint_entry(case: str, now: int) -> RegisterEntry:
    agency, ref = case.split(":", 1)
    entry = _entry(JOINT, agency, now) | {"subject_ref": ref}
    return RegisterEntry((agency, Outgoing(f"{JOINT} {ref}".encode(), encode_single(ENTRY, entry))), JOINT)


def tombstone(key: str, consent_id: str) -> tuple[str, Outgoing]:
    """A consent that is not this person's any more, as after a split: the gate forgets it."""
    return key.split(":", 1)[0], Outgoing(consent_id.encode(), b"")


def of_sender(key: str, knowledge: Knowledge, at: datetime) -> list[Consent]:
    """The consents of the subject whose sender is its agency. After a split those alone that were taken back: the gate
    knows its own consents, and not what was said at another office against them."""
    agency = key.split(":", 1)[0]
    mine = [one for one in knowledge.consents_at(at) if one.sender == agency]
    return [one for one in mine if one.withdrawn_at or one.scoped_withdrawals or not knowledge.split]


def consent_entry(
    parts: Parts,
    key: Key,
    consent: Consent,
    knowledge: Knowledge,
    signers: Mapping[str, Sequence[str]],
    now: datetime,
) -> RegisterEntry:
    verdict = signed(consent, knowledge.subject(now), now)
    confider = _confider(consent, key.ref.controller, signers)
    content = orjson.dumps(_content(consent, verdict=verdict) | ({"confider": confider} if confider else {}))
    name = recorded_id(key.ref.controller, consent.id)
    where = place("register", ENTRY.fingerprint, name.encode(), key.ref.subject, "CT", key.version)
    entry = _entry("consent", key.ref.controller, micros(now)) | {
        "consent_id": name,
        "subject_ref": key.ref.subject,
        "box": seal(key.cipher, key.version, content, where),
    }
    said = hmac.new(parts.secret, where + content, hashlib.sha256).hexdigest()[:32]
    return RegisterEntry((key.ref.controller, Outgoing(name.encode(), encode_single(ENTRY, entry))), said)


def _confider(consent: Consent, agency: str, signers: Mapping[str, Sequence[str]]) -> str | None:
    """The agency's own name of who alone signed for entrusted data."""
    if ENTRUSTED not in consent.categories or len(set(consent.granted_by)) != 1:
        return None
    own = (
        key for key in signers.get(consent.granted_by[0], consent.granted_by) if key.startswith(f"{agency}:")
    )
    found = next(own, None)
    return found.split(":", 1)[1] if found else None


def _content(consent: Consent, *, verdict: bool) -> dict[str, Any]:
    """A consent without its signers."""
    return {
        "id": consent.number,
        "recorded_by": consent.recorded_by,
        "sender": consent.sender,
        "signed": verdict,
        "form": consent.form,
        "recipients": sorted(consent.recipients),
        "recipient_workers": sorted(consent.recipient_workers),
        "purposes": sorted(consent.purposes),
        "categories": sorted(consent.categories),
        "explicit_special": consent.explicit_special,
        "notices": sorted(consent.notices),
        "text_version": consent.text_version,
        "proof_hash": consent.proof_hash,
        "granted_at": consent.granted_at.isoformat(),
        "valid_until": _iso(consent.valid_until),
        "withdrawn_at": _iso(consent.withdrawn_at),
        "scoped_withdrawals": [_scope(s) for s in consent.scoped_withdrawals],
    }


def _scope(part: ScopedWithdrawal) -> dict[str, Any]:
    return {
        "at": part.at.isoformat(),
        "purposes": sorted(part.purposes),
        "categories": sorted(part.categories),
        "recipients": sorted(part.recipients),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _entry(kind: str, agency: str, at: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "agency": agency,
        "at": at,
        "consent_id": None,
        "subject_ref": None,
        "key_version": None,
        "box": None,
    }


def erased_entry(subject: str, at: int) -> tuple[str, Outgoing]:
    """(agency, entry): what its gate must not publish again, of what there was until `at`, before a later consent."""
    agency, ref = subject.split(":", 1)
    entry = _entry("erased", agency, at) | {"subject_ref": ref}
    return agency, Outgoing(f"erased {ref}".encode(), encode_single(ENTRY, entry))


def key_entries(parts: Parts, refs: Iterable[KeyRef]) -> None:
    """Name the new key version of persons whose box key was fenced, so that the connector publishes again (rule 4)."""
    now = micros(parts.clock.now())
    for ref, key in parts.keys.sealing(refs).items():
        entry = _entry("key", ref.controller, now) | {"subject_ref": ref.subject, "key_version": key.version}
        record = Outgoing(f"key {ref.subject}".encode(), encode_single(ENTRY, entry))
        parts.log.append(topics()["register"].of(ref.controller), [record])
