"""Playing a story: each step processed completely before the next; a redelivery is the same bytes again."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from hub.domain.clock import berlin_midnight
from hub.domain.envelope import Envelope
from hub.operations.rebuild import rebuild
from hub.policy.control import COMING_OF_AGE, coming_of_age
from hub.ports import EventLog, Outgoing, Record
from hub.rehearse.answer import Answer, answer
from hub.rehearse.entries import entered, founding
from hub.rehearse.scene import Scene
from hub.rehearse.story import Custody, Grant, Rebuild, Redelivery, Restart, Step, Story, View, WorkAct
from hub.rehearse.work import WorkAnswer, work
from schemas import decode_single, topics


def redeliver(scene: Scene, names: Sequence[str]) -> None:
    """Append every publication of the records (and consents) that the story calls so; what never left stays away."""
    for agency, office in scene.offices.items():
        wanted = {ref for name in names for ref in office.refs(name)}
        for kind in ("consents", "events") if wanted else ():
            topic = topics()[kind].of(agency)
            again = [
                Outgoing(record.key, record.value)
                for record in _records(scene.parts.log, topic)
                if _ref(record) in wanted
            ]
            scene.parts.log.append(topic, again)


def _records(log: EventLog, topic: str) -> Iterator[Record]:
    state = log.state([topic])[topic]
    following = dict(state.first)
    while batch := log.read(topic, following, 1000):
        yield from batch
        following.update({record.partition: record.offset + 1 for record in batch})


def _ref(record: Record) -> bytes:
    return Envelope(**decode_single(record.value)[1]).record_ref


BEFORE = timedelta(hours=1)
"""How long before the first step the offices know what they know, and who is linked is linked."""


def play(story: Story, scene: Scene) -> Iterator[Answer | WorkAnswer]:
    """What each view showed and each step of joint work answered, in order."""
    if not story.steps:
        return
    turning, last = turning_points(story), story.steps[0].at - BEFORE
    scene.clock.set(last)
    for agency, entry in founding(story, last):
        scene.enter(agency, entry, last, "before the story")
    scene.settle()
    for step in story.steps:
        for moment in (one for one in turning if last < one < step.at):
            scene.at(moment)
        if step.at > last:
            scene.at(last := step.at)
        shown = _take(story, scene, step)
        if shown is not None:
            yield shown


def _take(story: Story, scene: Scene, step: Step) -> Answer | WorkAnswer | None:
    match step.act:
        case WorkAct() as act:
            return work(story, scene, step, act, place_of(step))
        case View() as view:
            return answer(story, scene, step, view)
        case Restart():
            scene.restart()
        case Rebuild():
            for model in scene.parts.read_models:
                rebuild(scene.parts, model.name)
        case Redelivery() as act:
            redeliver(scene, act.ids)
    for agency, entry in entered(story, step):
        scene.enter(agency, entry, step.at, place_of(step))
    scene.settle()
    return None


def place_of(step: Step) -> str:
    return f"steps[{step.number}]"


def turning_points(story: Story) -> list[datetime]:
    """The moments between steps at which time alone changes something: they are lived through one by one."""
    moments: set[datetime] = set()
    for step in story.steps:
        if isinstance(step.act, Grant):
            consent = step.act.consent
            times = (consent.granted_at, consent.valid_until, consent.withdrawn_at)
            moments.update(time for time in times if time is not None)
        elif isinstance(step.act, Custody):
            moments.add(step.act.since)
    for person in story.persons.values():
        if person.birth_date is not None:
            days = (coming_of_age(person.birth_date, age) for age in COMING_OF_AGE)
            moments.update(berlin_midnight(day) for day in days if day)
    return sorted(moments)
