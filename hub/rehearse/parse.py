"""From a rehearsal file to a story. An impossible story is refused as a whole, naming the step and never a value."""

import json
from collections import Counter
from typing import Any

from hub.desk.work.objects import WorkError
from hub.desk.work.verbs import STARTING
from hub.errors import DataError
from hub.policy import reading as read
from hub.policy.facts import Incomplete
from hub.policy.request import parse_consent
from hub.rehearse import told
from hub.rehearse.file import (
    STEPS,
    ConsentStep,
    CorrectStep,
    CustodyStep,
    EraseStep,
    LinkStep,
    ObjectStep,
    RecordStep,
    RedeliverStep,
    StepTable,
    StoryFile,
    ViewStep,
    WithdrawStep,
    WorkTable,
    given,
)
from hub.rehearse.models import unreadable_expectation
from hub.rehearse.story import (
    Act,
    AgencyRef,
    Correction,
    Custody,
    Erasure,
    Family,
    Grant,
    Linking,
    Objection,
    Person,
    Rebuild,
    Record,
    Redelivery,
    Restart,
    Step,
    Story,
    Tick,
    View,
    Withdrawal,
    WorkAct,
)
from schemas import event_schema

REASON = "impossible_story"
_EXPECTED = frozenset({"persons", "marks", "withheld", "models"})


def parse_story(data: bytes) -> Story:
    """The story of a file's bytes; raises DataError naming the step, or the part, that is impossible."""
    try:
        raw = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise _impossible("file", "is no JSON in UTF-8") from None
    if not isinstance(raw, dict):
        raise _impossible("file", "is no JSON object")
    place = "file"
    try:
        file = given(StoryFile, raw)
        reader = _Reader(file)
        for number, item in enumerate(file.steps):
            place = _place(number, item)
            reader.step(number, item)
    except read.UnreadablePolicy as gap:
        raise _impossible(place, f"{gap.key}: is missing, unknown, or cannot be read") from None
    except told.Impossible as why:
        raise _impossible(place, str(why)) from None
    except WorkError as error:
        raise error.at(place) from None
    return reader.story


def expects(data: bytes) -> bool:
    """Whether these bytes are JSON in which a view says what it should show; anything else expects nothing."""
    try:
        raw = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    steps = raw.get("steps") if isinstance(raw, dict) else None
    return isinstance(steps, list) and any(isinstance(one, dict) and "expect" in one for one in steps)


def _impossible(place: str, message: str) -> DataError:
    return DataError(message, reason=REASON, place=place, remedy="correct the story; nothing was played")


def _place(number: int, item: Any) -> str:
    do = item.get("do") if isinstance(item, dict) else None
    named = f", {do}" if isinstance(do, str) and do in STEPS else ""
    return f"steps[{number}] (step {number + 1}{named})"


class _Reader:
    """Reads step after step, with what the story has said so far."""

    def __init__(self, file: StoryFile) -> None:
        persons = [Person(**dict(one)) for one in file.persons]
        families = [Family(**dict(one)) for one in file.families]
        self._records: dict[str, Record] = {}
        self._consents: set[str] = set()
        self._work_of: dict[str, WorkAct] = {}  # reference → its start
        self._counts: Counter[str] = Counter()
        self._work_names: set[str] = set()
        self._steps: list[Step] = []
        self.story = Story(
            agencies=dict(told.agency(one, f"agencies[{n}]") for n, one in enumerate(file.agencies)),
            persons={one.ref: one for one in persons},
            families={one.ref: one for one in families},
            steps=self._steps,
        )
        self._check(len(persons), len(families))
        self._granted = {
            item["consent"].get("id")
            for item in file.steps
            if isinstance(item, dict)
            and item.get("do") == "consent"
            and isinstance(item.get("consent"), dict)
        }

    def _check(self, persons: int, families: int) -> None:
        story = self.story
        if len(story.persons) < persons or len(story.families) < families:
            raise told.Impossible("two persons or two families have one ref")
        if story.persons.keys() & story.families.keys():
            raise told.Impossible("a person and a family have one ref")
        for family in story.families.values():
            if not story.persons.keys() >= set(family.members):
                raise told.Impossible("families: a member is no person of the story")
            if not story.agencies.keys() >= set(family.known_to):
                raise told.Impossible("families: known_to names an unknown agency")

    def step(self, number: int, item: Any) -> None:
        if not isinstance(item, dict):
            raise told.Impossible("is no object")
        do = read.choice(item.get("do"), "do", STEPS)
        step = given(STEPS[do], item)
        if self._steps and step.at < self._steps[-1].at:
            raise told.Impossible("at: time runs back")
        act: Act = self._work(do, step) if isinstance(step, WorkTable) else getattr(self, f"_{do}")(step)
        self._steps.append(Step(number=number, at=step.at, act=act))

    def _consent(self, step: ConsentStep) -> Grant:
        found = parse_consent(step.consent)
        if isinstance(found, Incomplete):
            raise read.UnreadablePolicy(found.key)
        self._subject(found.subject, "consent.subject")
        self._consents.add(found.id)
        return Grant(by=self._agency(step.by), consent=found)

    def _withdraw(self, step: WithdrawStep) -> Withdrawal:
        if step.consent_id not in self._granted:
            raise told.Impossible("consent_id: nobody grants this consent")
        scope = None if step.scope is None else told.scope(step.scope)
        return Withdrawal(by=self._agency(step.by), consent_id=step.consent_id, scope=scope)

    def _object(self, step: ObjectStep) -> Objection:
        subject = self._subject(step.subject, "subject")
        return Objection(by=self._agency(step.by), subject=subject, norm=step.norm)

    def _custody(self, step: CustodyStep) -> Custody:
        return Custody(
            by=self._agency(step.by),
            child=self._person(step.child, "child"),
            custodians=step.custodians,
            since=step.from_ or step.at,
        )

    def _record(self, step: RecordStep) -> Record:
        schema = told.schema(step.type)
        if step.id in self._records or step.id in self._granted:
            raise told.Impossible("id: is taken")
        family, subject = step.family, self._subject(step.subject, "subject")
        if family not in self.story.families or (subject in self.story.families and subject != family):
            raise told.Impossible("family: is unknown, or another one than the subject")
        record = Record(
            by=self._agency(step.by),
            id=step.id,
            family=family,
            subject=subject,
            type=schema.event_type,
            told=step.payload,
            payload=told.payload(schema, step.payload),
            circumstances=told.circumstances(step),
            occurred_at=step.occurred_at or step.at,
        )
        self._records[step.id] = record
        return record

    def _correct(self, step: CorrectStep) -> Correction:
        record = self._records.get(step.id)
        if record is None or record.by != self._agency(step.by):
            raise told.Impossible("id: the agency has no such record")
        payload = told.payload(event_schema(record.type), step.payload)
        return Correction(by=record.by, id=record.id, told=step.payload, payload=payload)

    def _work(self, verb: str, step: WorkTable) -> WorkAct:
        """A step of joint work; what its object says the work book judges when the step is played."""
        ref, starts = step.ref or step.id, step.ref is None and verb in STARTING
        if not ref:
            raise told.Impossible("id: is missing")
        before = self._work_of.get(ref)
        if starts and (ref in self._records or ref in self._granted or before):
            raise told.Impossible("id: is taken")
        if not starts and before is None:
            raise WorkError(
                "unknown_ref", "ref" if step.ref else "id", "no step has begun this", "name the id of a start"
            )
        family, subject = self._whose(step, before)
        count = self._counts[ref] + 1
        said = dict(step.model_extra or {})
        if starts:
            said |= {"case": family} | ({"person": subject} if subject != family else {})
        else:
            said["ref"] = ref
        if verb == "ack" and "who" in said:
            said["by"] = said.pop("who")
        act = WorkAct(
            by=self._agency(step.by),
            verb=verb,
            id=ref,
            name=ref if count == 1 else f"{ref}#{count}",
            family=family,
            subject=subject,
            said=said,
            dry_run=step.dry_run,
            occurred_at=step.occurred_at or step.at,
        )
        if not step.dry_run:
            self._counts[ref] = count
            self._work_of[ref] = before or act
            self._work_names.add(act.name)
        return act

    def _whose(self, step: WorkTable, before: WorkAct | None) -> tuple[str, str]:
        """Family and subject; of a later step those of the first."""
        if before is not None:
            return before.family, before.subject
        family = step.family
        if family is None or family not in self.story.families:
            raise told.Impossible("family: is missing or unknown")
        subject = self._subject(step.subject, "subject") if step.subject is not None else family
        if subject in self.story.families and subject != family:
            raise told.Impossible("subject: is another family")
        return family, subject

    def _link(self, step: LinkStep) -> Linking:
        return self._linking(step, apart=False)

    def _split(self, step: LinkStep) -> Linking:
        return self._linking(step, apart=True)

    def _linking(self, step: LinkStep, *, apart: bool) -> Linking:
        if (step.persons is None) == (step.family is None):
            raise told.Impossible("names either persons or family")
        if step.family is not None:
            family = read.choice(step.family, "family", self.story.families)
            return Linking(apart=apart, persons=(), family=family)
        pairs = (told.pair(text) for text in step.persons or ())
        persons = tuple(dict.fromkeys(self._known(pair) for pair in pairs))
        if len(persons) < (1 if apart else 2):
            raise told.Impossible("persons: names too few")
        return Linking(apart=apart, persons=persons, family=None)

    def _view(self, step: ViewStep) -> View:
        recipient = told.recipient(step.recipient)
        if recipient.role != "subject" and recipient.controller not in self.story.agencies:
            raise told.Impossible("recipient.controller: unknown agency")
        if step.expect is not None:
            read.record(step.expect, "expect", frozenset(), _EXPECTED)
            if (unreadable := unreadable_expectation(step.expect.get("models", {}))) is not None:
                raise read.UnreadablePolicy(unreadable)
        return View(recipient=recipient, purpose=step.purpose, family=step.family, expect=step.expect)

    def _erase(self, step: EraseStep) -> Erasure:
        return Erasure(by=self._agency(step.by), subject=self._subject(step.subject, "subject"))

    def _redeliver(self, step: RedeliverStep) -> Redelivery:
        if not self._records.keys() | self._consents | self._work_names >= set(step.ids):
            raise told.Impossible("ids: an event that has not happened")
        return Redelivery(ids=step.ids)

    def _rebuild(self, _: StepTable) -> Rebuild:
        return Rebuild()

    def _restart(self, _: StepTable) -> Restart:
        return Restart()

    def _tick(self, _: StepTable) -> Tick:
        return Tick()

    def _agency(self, name: str) -> str:
        if name not in self.story.agencies:
            raise told.Impossible("by: unknown agency")
        return name

    def _person(self, ref: str, key: str) -> str:
        if ref not in self.story.persons:
            raise told.Impossible(f"{key}: unknown person")
        return ref

    def _subject(self, ref: str, key: str) -> str:
        return ref if ref in self.story.families else self._person(ref, key)

    def _known(self, pair: AgencyRef) -> AgencyRef:
        if pair.agency not in self.story.agencies:
            raise told.Impossible("persons: unknown agency")
        self._subject(pair.ref, "persons")
        return pair
