"""What is known of one agreement, task, talk or matter: its start, what followed, and whether it has ended. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from hub.desk.work.verbs import ANSWERS

REF_OF: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("AgreementMade", "AgreementAcknowledged", "AgreementClosed"), ("agreement", "agreement_ref")
        ),
        **dict.fromkeys(("TaskAssigned", "TaskDone"), ("task", "task_ref")),
        **dict.fromkeys(
            ("ThreeWayTalkScheduled", "ThreeWayTalkHeld", "FamilyConferenceHeld", "TalkCancelled"),
            ("talk", "talk_ref"),
        ),
        **dict.fromkeys(("ReferralSent", *ANSWERS.values()), ("referral", "matter_ref")),
        **dict.fromkeys(
            ("ApplicationSubmitted", "ApplicationQueried", "ApplicationDecided"),
            ("application", "matter_ref"),
        ),
        "DocumentReceived": ("", "matter_ref"),
    }
)
"""Event → what it is a step of (empty: of whatever its reference started), and the field with the reference."""

STARTS: Mapping[str, str] = MappingProxyType(
    {
        "agreement": "AgreementMade",
        "task": "TaskAssigned",
        "talk": "ThreeWayTalkScheduled",
        "referral": "ReferralSent",
        "application": "ApplicationSubmitted",
    }
)
ENDS = frozenset(
    {
        "AgreementClosed",
        "TaskDone",
        "ThreeWayTalkHeld",
        "FamilyConferenceHeld",
        "TalkCancelled",
        "ReferralDeclined",
        "ReferralCompleted",
        "ReferralTakenBack",
        "ApplicationDecided",
    }
)
FOLLOWING = frozenset({"AgreementAcknowledged", "AgreementClosed", "TaskDone"})
"""What is shown only beside its start (contract `reduce`)."""
WORK_EVENTS = (*REF_OF, "RasterAssessed", "StepDownAgreed", "JointCaseEnded")
"""Every event that the work book can say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkStep:
    """One step, recorded here or shown to this agency by another. Case and person by this agency's own numbers; no
    `person_id`: the family."""

    event_type: str
    sender: str
    case_id: str = field(repr=False)
    person_id: str = field(default="", repr=False)
    occurred_at: datetime
    fields: Mapping[str, Any] = field(repr=False)

    @property
    def ref(self) -> str:
        """The reference under which it stands; empty where it has none."""
        return str(self.fields.get(REF_OF[self.event_type][1]) or "") if self.event_type in REF_OF else ""


@dataclass(frozen=True, slots=True)
class Thread:
    """The steps of one reference in order of time; the first start is the oldest."""

    kind: str
    steps: Sequence[WorkStep] = field(repr=False)

    @property
    def start(self) -> WorkStep:
        return next((one for one in self.steps if one.event_type == STARTS[self.kind]), self.steps[0])

    @property
    def latest(self) -> Mapping[str, Any]:
        """What was said of it, each field as it was said last by a start (a talk may be moved, a matter sent again)."""
        said: dict[str, Any] = {}
        starts = (STARTS[self.kind], *(_TALKS if self.kind == "talk" else ()))
        for one in self.steps:
            if one.event_type in starts:
                said |= one.fields
        return said

    @property
    def ended(self) -> bool:
        """A start after the first opens a matter again."""
        ended = False
        for one in self.steps:
            if one.event_type in ENDS:
                ended = True
            elif one.event_type == STARTS[self.kind]:
                ended = False
        return ended


_TALKS = ("ThreeWayTalkHeld", "FamilyConferenceHeld", "TalkCancelled")


def thread(ref: str, steps: Iterable[WorkStep]) -> Thread | None:
    """What stands under this reference; None when no start does."""
    mine = sorted((one for one in steps if one.ref == ref), key=lambda one: one.occurred_at)
    kinds = [REF_OF[one.event_type][0] for one in mine]
    kind = next((kind for kind in kinds if kind), "")
    started = (STARTS.get(kind), *(_TALKS if kind == "talk" else ()))
    return Thread(kind, mine) if any(one.event_type in started for one in mine) else None
