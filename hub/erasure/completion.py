"""What the recipients of erased data answered, and whether an erasure is complete.

Promise 1 ends at the recipient's own system: there the hub asks and keeps the answer. A recipient whose sink is away
or missing holds the erasure open; it fails nothing, and nobody forgets it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from hub.domain.clock import micros, moment
from hub.erasure import certificate as certificates
from hub.errors import UsageError
from hub.isolation import isolated
from hub.parts import Parts
from hub.store import erasures, subjects
from hub.store.erasures import ErasureRequest, RecipientAnswer

_NO_ANSWER = frozenset({"pending", "delivered"})


class Who(NamedTuple):
    """Whom a request means: all names of the person at the agency that asks (`mine`), and everywhere (`same`)."""

    person: str
    mine: tuple[str, ...]
    same: tuple[str, ...]


def who_is(connection: Connection, subject: str) -> Who:
    person = subjects.persons(connection, [subject]).get(subject, subject)
    same = {subject, *subjects.aliases(connection, [person]).get(person, ())}
    agency = subject.split(":", 1)[0]
    return Who(person, tuple(sorted(k for k in same if k.startswith(f"{agency}:"))), tuple(sorted(same)))


def complete(parts: Parts) -> None:
    """Close what every recipient has answered."""
    with parts.store.transaction() as connection:
        waiting = erasures.to_complete(connection)
    isolated(parts, "erase.complete", waiting, partial(_complete, parts), lambda one: one.id)


def _complete(parts: Parts, waiting: Sequence[ErasureRequest]) -> None:
    with parts.store.transaction() as connection:
        for one in waiting:
            answers = recipients(connection, one, who_is(connection, one.subject))
            if all(answer["answered"] for answer in answers):
                at = parts.clock.now()
                said = orjson.loads(one.certificate or "{}")
                said |= {"recipients": answers, "completed_at": at.isoformat()}
                erasures.executed(
                    connection, one.id, one.executed_at or 0, certificates.sealed(parts.secret, said)
                )
                erasures.completed(connection, one.id, micros(at))


def recipients(connection: Connection, one: ErasureRequest, who: Who) -> list[dict[str, Any]]:
    """What each recipient had, when it was told, and what it answered."""
    sender = one.subject.split(":", 1)[0]
    cases = [case for key in who.same for case in subjects.cases_of_subject(connection, key)]
    joint = sorted(set(subjects.joint_cases(connection, cases).values()))
    names = sorted({who.person, *who.same})
    told = erasures.recipients(connection, names, sender, joint, one.executed_at or 0)
    said = erasures.answers(connection, one.id)
    return [_answer(recipient, said) for recipient in told]


def _answer(told: RecipientAnswer, said: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
    by_hand = said.get(told.recipient)
    by_sink = not told.shows and told.state not in _NO_ANSWER
    return {
        "recipient": told.recipient,
        "role": told.role,
        "first_released_at": moment(told.first_at).isoformat(),
        "last_released_at": moment(told.last_at).isoformat(),
        "told_at": moment(told.told_at).isoformat() if told.told_at is not None else None,
        "answered": by_sink or by_hand is not None,
        "answer": by_hand[0] if by_hand else told.state if by_sink else None,
    }


def status(parts: Parts, ids: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Erasures as they stand now, the newest first: all of them, or those named."""
    with parts.store.transaction() as connection:
        found = [one for one in erasures.all_of(connection) if not ids or one.id in ids]
        return [_status(connection, one) for one in found]


def _status(connection: Connection, one: ErasureRequest) -> dict[str, Any]:
    who = who_is(connection, one.subject)
    state = "completed" if one.completed_at else "waiting_for_answers" if one.announced else "requested"
    return {
        "id": one.id,
        "subject": one.subject,
        "state": state,
        "requested_at": moment(one.requested_at).isoformat(),
        "executed_at": moment(one.executed_at).isoformat() if one.executed_at else None,
        "completed_at": moment(one.completed_at).isoformat() if one.completed_at else None,
        "recipients": recipients(connection, one, who) if one.executed_at else [],
    }


def answer(parts: Parts, erasure_id: str, recipient: str, text: str) -> None:
    """Note what a recipient answered by letter or telephone; raises UsageError when nobody asked it."""
    with parts.store.transaction() as connection:
        found = erasures.find(connection, erasure_id)
        asked = recipients(connection, found, who_is(connection, found.subject)) if found else []
        if recipient not in {one["recipient"] for one in asked}:
            raise UsageError(
                "this recipient was not asked", place=erasure_id, remedy="see `hub subject erasures`"
            )
        erasures.answer(connection, erasure_id, recipient, text, micros(parts.clock.now()))
    complete(parts)


def certificate_of(parts: Parts, erasure_id: str) -> dict[str, Any] | None:
    """The certificate as it stands; None when there is no such erasure, or it was not executed yet."""
    with parts.store.transaction() as connection:
        found = erasures.find(connection, erasure_id)
    return orjson.loads(found.certificate) if found and found.certificate else None
