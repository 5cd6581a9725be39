"""A person opens the joint view: decided on what is read under the locks, logged under them once more, and answered
after the commit (rule 20)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from hub.domain.clock import micros
from hub.errors import TryAgain
from hub.parts import Parts
from hub.policy.facts import Recipient
from hub.store import subjects, views
from hub.views.case_file import CaseFile, read_cases, unchanged
from hub.views.record import in_own_order
from hub.views.redaction import NOTHING, Question, RedactedView, redact

NOBODYS = "(nobody's)"  # a case that is never there
T = TypeVar("T")
_TRIES = 5


@dataclass(frozen=True, slots=True)
class OpenedView:
    """The answer; an unknown family answers exactly like an empty one."""

    redacted: RedactedView
    question: Question
    file: CaseFile | None


def may_read(recipient: Recipient) -> bool:
    """Whether anything at all is looked up: for who is assigned, and for the person concerned."""
    return recipient.assigned or recipient.role == "subject"


def open_view(parts: Parts, case_ref: str, recipient: Recipient, purpose: str) -> OpenedView:
    """What this recipient sees of its own case `case_ref` now.

    For somebody who is not assigned nothing is read at all, so that a denied family takes the work of an unknown one.
    Raises TryAgain when what is known of the family changes at every try.
    """
    case_key = f"{recipient.controller}:{case_ref}"

    def answer(file: CaseFile) -> OpenedView:
        question = Question(recipient, purpose, parts.clock.now())
        made = redact(parts.gate.policy, parts.agencies, question, file.evidence, file.known, file.names)
        return OpenedView(in_own_order(parts.secret, recipient.controller, made, file), question, file)

    def log(connection: Connection, joint: str, opened: OpenedView) -> None:
        views.log_retrieval(
            connection,
            joint,
            recipient.controller,
            recipient.role,
            recipient.worker,
            purpose,
            parts.gate.policy.version,
            micros(opened.question.at),
        )

    opened = look(parts, case_key, answer, log, read=may_read(recipient))
    return opened if opened.redacted.parts else OpenedView(NOTHING, opened.question, None)


def look(
    parts: Parts,
    case_key: str,
    answer: Callable[[CaseFile], T],
    log: Callable[[Connection, str, T], None],
    *,
    read: bool = True,
) -> T:
    """The answer to a question about the joint case of `case_key` as it is when the look is logged.

    Opening and redacting take long for a long case, so no lock is held meanwhile; where anything about its persons
    changed until then, or this process stood still after it, the answer is thrown away and made anew.
    """
    for _ in range(_TRIES):
        with parts.store.brief() as connection:
            joint = subjects.joint_cases(connection, [case_key])[case_key]
            name = joint if read else NOBODYS
            sealed = read_cases(connection, parts, [name])
        with parts.store.transaction() as connection:
            file = sealed.opened(parts, connection)[name]
        found = answer(file)
        with parts.store.brief() as connection:
            same = name in unchanged(connection, parts, [file])
            if same:
                log(connection, joint, found)
            still = time.monotonic() + parts.store.standstill
        if same and time.monotonic() < still:
            return found
    raise TryAgain("the case changes while it is read", place="view", remedy="ask again")
