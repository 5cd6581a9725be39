"""A person opens the joint view: decided under transaction one's locks, logged there, answered after it (rule 20)."""

from dataclasses import dataclass

from hub.adapters.store import subjects, views
from hub.domain.clock import micros
from hub.policy.facts import Recipient
from hub.stages.case_file import CaseFile, read_cases
from hub.stages.cut import NOTHING, Cut, Question, cut
from hub.stages.parts import Parts
from hub.stages.view_record import in_own_order

NOBODYS = "(nobody's)"  # a case that is never there


@dataclass(frozen=True, slots=True)
class OpenedView:
    """The answer; an unknown family answers exactly like an empty one."""

    cut: Cut
    question: Question
    file: CaseFile | None


def may_read(recipient: Recipient) -> bool:
    """Whether anything at all is looked up: for who is assigned, and for the person concerned."""
    return recipient.assigned or recipient.role == "subject"


def open_view(parts: Parts, case_ref: str, recipient: Recipient, purpose: str) -> OpenedView:
    """What this recipient sees of its own case `case_ref` now.

    For somebody who is not assigned nothing is read at all, so that a denied family takes the work of an unknown one.
    """
    with parts.store.transaction() as connection:
        case_key = f"{recipient.controller}:{case_ref}"
        joint = subjects.joint_cases(connection, [case_key])[case_key]
        read = joint if may_read(recipient) else NOBODYS
        file = read_cases(connection, parts, [read])[read]
        question = Question(recipient, purpose, parts.clock.now())
        made = cut(parts.gate.policy, parts.agencies, question, file.evidence, file.known, file.names)
        made = in_own_order(parts.secret, recipient.controller, made, file)
        views.log_retrieval(
            connection,
            joint,
            recipient.controller,
            recipient.role,
            recipient.worker,
            purpose,
            parts.gate.policy.version,
            micros(question.at),
        )
    return OpenedView(made, question, file) if made.parts else OpenedView(NOTHING, question, None)
