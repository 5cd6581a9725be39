"""What only the ledger of destroyed keys still knows when store and log were both put back: that a ground had ended.

A person's box key goes with the last ground. A consent that counts although it was given before that is one whose
withdrawal was lost with the backup. It is ended again, at the time at which the key went: else the agency's next
publication would be sealed with a new key and shown. A key that went with an erasure ended no consent, as long as the
log tells of it; without that word it counts as lost too (fail closed).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection

from hub.domain.consent import Consent, recorded_id
from hub.erasure.erase import case_of, executed_versions
from hub.erasure.events import named, say
from hub.erasure.purge import purge
from hub.parts import Parts
from hub.ports import Certificate
from hub.store import erasures, subjects
from hub.subjects.learning import learn

_BATCH = 500


def end_lost_consents(parts: Parts, ledger: Iterable[Certificate]) -> int:
    """Publish the withdrawals that only the ledger still tells of; how many. Consents must have been read to the end
    of the log: a withdrawal that stands there is not lost."""
    went = {f"{one.ref.controller}:{one.ref.subject}": one for one in ledger if one.ref.kind == "box"}
    pending, count = iter(sorted(went.items())), 0
    while batch := dict(islice(pending, _BATCH)):
        count += _end(parts, batch)
    return count


def end_lost_rows(parts: Parts, ledger: Iterable[Certificate]) -> int:
    """Remove what a backup brought back under keys that the ledger knows to be destroyed; how many rows."""
    versions = {
        f"{one.ref.controller}:{one.ref.subject}": max(one.versions, default=0)
        for one in ledger
        if one.ref.kind == "box"
    }
    with parts.store.transaction() as connection:
        erasures.mark_gone(connection, "box", versions)
    return purge(parts, versions)


def _end(parts: Parts, went: Mapping[str, Certificate]) -> int:
    with parts.store.transaction() as connection:
        erased = executed_versions(connection, parts, sorted(went))
        went = {key: one for key, one in went.items() if max(one.versions, default=0) > erased.get(key, 0)}
        there = [key for key in subjects.states(connection, sorted(went)) if _agency(key) in parts.agencies]
        known = learn(connection, parts.keys, parts.knowledge, there)
        now = parts.clock.now()
        lost = [
            (key, consent)
            for key in there
            for consent in known[key].consents_at(now)
            if consent.sender == _agency(key) and consent.granted_at <= went[key].at and consent.in_force(now)
        ]
        for key, consent in lost:
            _withdraw(connection, parts, key, consent, went[key].at)
    return len(lost)


def _withdraw(connection: Connection, parts: Parts, key: str, consent: Consent, at: datetime) -> None:
    """Said twice it is the same event; by office and number, for another agency may have recorded the consent."""
    say(
        parts,
        "ConsentWithdrawn",
        key,
        case_of(connection, key),
        {"consent_id": f"{consent.recorded_by}:{consent.number}"},
        record_ref=named(parts.secret, "lost", key, consent.id),
        event_id=named(parts.secret, "lost", "event", key, consent.id),
        at=at,
        consent_id=recorded_id(_agency(key), consent.id),
    )


def _agency(key: str) -> str:
    return key.split(":", 1)[0]
