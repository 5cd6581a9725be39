"""Joint work in a story: the verbs of the work book, at the offices of the story, with what each answered.

The references of the story are its own ids: `a1` starts, `a1#2`, `a1#3` … follow. All else is the work book's: the same
rules, the same gate and record rules.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.pipeline.mapping.mapped import MappedEvent
from hub.desk.work.entries import WorkEntry, entry
from hub.desk.work.objects import WorkError, values
from hub.desk.work.sight import Sight
from hub.desk.work.steps import FOLLOWING, REF_OF, Thread, WorkStep, thread
from hub.domain.agencies import ROLES_BY_KIND
from hub.policy.facts import Recipient, Sender
from hub.rehearse.answer import opened_entries
from hub.rehearse.office import Entry, Office
from hub.rehearse.scene import Scene
from hub.rehearse.story import Step, Story, View, WorkAct

PURPOSE = "joint_case_management"


@dataclass(frozen=True, slots=True)
class WorkAnswer:
    """What the work book answered at one step."""

    step: int
    told: Mapping[str, Any]


def work(story: Story, scene: Scene, step: Step, act: WorkAct, place: str) -> WorkAnswer:
    """Enter the step, or (`dry_run`) say what would come of it. Raises WorkError naming the step."""
    here = _Here(story, scene, act, step.at)
    try:
        agencies = tuple(story.agencies)
        said = {**act.said, "at": act.occurred_at.isoformat()}
        made = entry(act.verb, values(act.verb, said, step.at, act.by, here.kind, agencies), here)
    except WorkError as error:
        raise error.at(place) from None
    office, row = scene.offices[act.by], here.row(made)
    event, *_ = office.mapped(row, step.at, place)
    decisions = here.sight().of(event, here.start_of(made), step.at)
    if not act.dry_run:
        scene.enter(act.by, row, step.at, place)
        scene.work.setdefault(act.by, []).append(made.step)
        scene.settle()
    told = {
        "ref": made.ref,
        "event_id": event.event_id.hex(),
        "written": not act.dry_run,
        "decisions": decisions,
    }
    return WorkAnswer(step.number, told)


@dataclass(frozen=True, slots=True)
class _Here:
    """A `WorkOffice` of the story, at one step."""

    story: Story
    scene: Scene
    act: WorkAct
    at: datetime

    @property
    def agency(self) -> str:
        return self.act.by

    @property
    def kind(self) -> str:
        return self.story.agencies[self.act.by]

    def case_id(self, case: str) -> str:
        family = self.story.families.get(case)
        if family is None or self.agency not in family.known_to:
            raise WorkError("unknown_case", "family", "is no family of this agency", "name another one")
        return case

    def person_id(self, case_id: str, person: str) -> str:
        if person not in self.story.families[case_id].members:
            raise WorkError("unknown_person", "subject", "is not of this family", "name a member")
        return person

    def thread(self, ref: str) -> Thread | None:
        own = self.scene.work.get(self.agency, ())
        return thread(ref, [*own, *self._shown()])

    def new_ref(self) -> str:
        return self.act.id

    def row(self, made: WorkEntry) -> Entry:
        """The row that the agency's connector reads."""
        step = made.step
        return Entry(
            event_type=step.event_type,
            key=self.act.name,
            name=self.act.name,
            case=step.case_id,
            subject=step.person_id or step.case_id,
            about="person" if step.person_id else "family",
            occurred_at=step.occurred_at,
            payload=step.fields,
            more={"addressee": made.addressee},
        )

    def start_of(self, made: WorkEntry) -> MappedEvent | WorkStep | None:
        """The start that the entry follows; one of its own as the connector maps it."""
        found = self.thread(made.ref) if made.step.event_type in FOLLOWING else None
        if found is None or found.start.sender != self.agency:
            return found.start if found else None
        return next(iter(self._office.known(found.start.event_type, made.ref)), None)

    def sight(self) -> Sight:
        known = next(f.known_to for f in self.story.families.values() if f.ref == self._family)
        sender = Sender(controller=self.agency, kind=self.kind)
        return Sight(
            sender, self.scene.judge, self.scene.knowledge(self.agency), frozenset(known), self._sees
        )

    def _sees(self, recipient: Recipient, start: WorkStep) -> bool:
        """Whether the recipient's own view shows the start now."""
        view = View(recipient=recipient, purpose=PURPOSE, family=self._family, expect=None)
        return any(
            shown.sender == start.sender and shown.name == start.ref
            for shown in opened_entries(self.story, self.scene, view)
        )

    @property
    def _family(self) -> str:
        return self.act.family

    @property
    def _office(self) -> Office:
        return self.scene.offices[self.agency]

    def _shown(self) -> Iterator[WorkStep]:
        """What any role of this agency is shown now by others."""
        told: dict[str, WorkStep] = {}
        for family in self.story.families.values():
            if self.agency not in family.known_to:
                continue
            for role in ROLES_BY_KIND[self.kind]:
                asking = Recipient(
                    controller=self.agency,
                    kind=self.kind,
                    role=role,
                    worker=None,
                    assigned=True,
                    undertaking=True,
                )
                view = View(recipient=asking, purpose=PURPOSE, family=family.ref, expect=None)
                for shown in opened_entries(self.story, self.scene, view):
                    one, before = shown.entry, told.get(shown.name)
                    if shown.sender != self.agency and one.event_type in REF_OF:
                        told[shown.name] = WorkStep(
                            event_type=one.event_type,
                            sender=shown.sender,
                            case_id=family.ref,
                            person_id="" if shown.ref == family.ref else shown.ref,
                            occurred_at=one.occurred_at,
                            fields={**(before.fields if before else {}), **one.fields},
                        )
        yield from told.values()
