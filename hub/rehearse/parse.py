"""From a rehearsal file to a story. An impossible story is refused as a whole, naming the step and never a value."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hub.errors import DataError
from hub.policy import reading as read
from hub.policy.facts import Incomplete
from hub.policy.request import parse_consent
from hub.rehearse import told
from hub.rehearse.story import (
    Act,
    AgencyRef,
    Correction,
    Custody,
    Erasure,
    Grant,
    Linking,
    Objection,
    Rebuild,
    Record,
    Redelivery,
    Restart,
    Step,
    Story,
    Tick,
    View,
    Withdrawal,
)
from schemas import event_schema

REASON = "impossible_story"
_EXPECTED = frozenset({"persons", "marks", "withheld"})


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
        found = read.record(raw, "", frozenset({"agencies", "persons", "families", "steps"}), frozenset(raw))
        reader = _Reader(found)
        for number, item in enumerate(read.items(found["steps"], "steps")):
            place = _place(number, item)
            reader.step(number, item)
    except read.UnreadablePolicy as gap:
        raise _impossible(place, f"{gap.key}: is missing, unknown, or cannot be read") from None
    except told.Impossible as why:
        raise _impossible(place, str(why)) from None
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
    named = f", {do}" if isinstance(do, str) and do in _KEYS else ""
    return f"steps[{number}] (step {number + 1}{named})"


class _Reader:
    """Reads step after step, with what the story has said so far."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        agencies = dict(told.agency(item, f"agencies[{n}]") for n, item in _listed(raw, "agencies"))
        persons = [told.person(item, f"persons[{n}]") for n, item in _listed(raw, "persons")]
        families = [told.family(item, f"families[{n}]") for n, item in _listed(raw, "families")]
        self._records: dict[str, Record] = {}
        self._consents: set[str] = set()
        self._steps: list[Step] = []
        self.story = Story(
            agencies=agencies, persons={one.ref: one for one in persons},
            families={one.ref: one for one in families}, steps=self._steps,
        )  # fmt: skip
        self._check(len(persons), len(families))
        self._granted = {
            item["consent"].get("id") for _, item in _listed(raw, "steps")
            if isinstance(item, dict) and item.get("do") == "consent" and isinstance(item.get("consent"), dict)
        }  # fmt: skip

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
        do = read.choice(item.get("do"), "do", _KEYS)
        required, optional = _KEYS[do]
        raw = read.record(item, "", required | {"do", "at"}, optional)
        at = read.time(raw["at"], "at")
        if self._steps and at < self._steps[-1].at:
            raise told.Impossible("at: time runs back")
        act: Act = getattr(self, f"_{do}")(raw, at)
        self._steps.append(Step(number=number, at=at, act=act))

    def _consent(self, raw: dict[str, Any], _: datetime) -> Grant:
        found = parse_consent(raw["consent"])
        if isinstance(found, Incomplete):
            raise read.UnreadablePolicy(found.key)
        self._subject(found.subject, "consent.subject")
        self._consents.add(found.id)
        return Grant(by=self._agency(raw), consent=found)

    def _withdraw(self, raw: dict[str, Any], _: datetime) -> Withdrawal:
        name = read.text(raw["consent_id"], "consent_id")
        if name not in self._granted:
            raise told.Impossible("consent_id: nobody grants this consent")
        scope = raw.get("scope")
        return Withdrawal(
            by=self._agency(raw), consent_id=name, scope=None if scope is None else told.scope(scope)
        )

    def _object(self, raw: dict[str, Any], _: datetime) -> Objection:
        subject, norm = self._subject(raw["subject"], "subject"), read.text(raw["norm"], "norm")
        return Objection(by=self._agency(raw), subject=subject, norm=norm)

    def _custody(self, raw: dict[str, Any], at: datetime) -> Custody:
        child = self._person(raw["child"], "child")
        since = read.time(raw["from"], "from") if "from" in raw else at
        custodians = read.texts(raw["custodians"], "custodians")
        return Custody(by=self._agency(raw), child=child, custodians=custodians, since=since)

    def _record(self, raw: dict[str, Any], at: datetime) -> Record:
        name, schema = read.text(raw["id"], "id"), told.schema(raw["type"])
        if name in self._records or name in self._granted:
            raise told.Impossible("id: is taken")
        family, subject = read.text(raw["family"], "family"), self._subject(raw["subject"], "subject")
        if family not in self.story.families or (subject in self.story.families and subject != family):
            raise told.Impossible("family: is unknown, or another one than the subject")
        occurred = read.time(raw["occurred_at"], "occurred_at") if "occurred_at" in raw else at
        record = Record(
            by=self._agency(raw), id=name, family=family, subject=subject, type=schema.event_type, told=raw["payload"],
            payload=told.payload(schema, raw["payload"]), circumstances=told.circumstances(raw), occurred_at=occurred,
        )  # fmt: skip
        self._records[name] = record
        return record

    def _correct(self, raw: dict[str, Any], _: datetime) -> Correction:
        record = self._records.get(read.text(raw["id"], "id"))
        if record is None or record.by != self._agency(raw):
            raise told.Impossible("id: the agency has no such record")
        payload = told.payload(event_schema(record.type), raw["payload"])
        return Correction(by=record.by, id=record.id, told=raw["payload"], payload=payload)

    def _link(self, raw: dict[str, Any], _: datetime) -> Linking:
        return self._linking(raw, apart=False)

    def _split(self, raw: dict[str, Any], _: datetime) -> Linking:
        return self._linking(raw, apart=True)

    def _linking(self, raw: dict[str, Any], *, apart: bool) -> Linking:
        if ("persons" in raw) == ("family" in raw):
            raise told.Impossible("names either persons or family")
        if "family" in raw:
            family = read.choice(raw["family"], "family", self.story.families)
            return Linking(apart=apart, persons=(), family=family)
        pairs = (told.pair(text) for text in read.texts(raw["persons"], "persons"))
        persons = tuple(dict.fromkeys(self._known(pair) for pair in pairs))
        if len(persons) < (1 if apart else 2):
            raise told.Impossible("persons: names too few")
        return Linking(apart=apart, persons=persons, family=None)

    def _view(self, raw: dict[str, Any], _: datetime) -> View:
        recipient = told.recipient(raw["recipient"])
        if recipient.role != "subject" and recipient.controller not in self.story.agencies:
            raise told.Impossible("recipient.controller: unknown agency")
        expect = raw.get("expect")
        if expect is not None:
            read.record(expect, "expect", frozenset(), _EXPECTED)
        return View(
            recipient=recipient, purpose=read.text(raw["purpose"], "purpose"),
            family=read.text(raw["family"], "family"), expect=expect,
        )  # fmt: skip

    def _erase(self, raw: dict[str, Any], _: datetime) -> Erasure:
        return Erasure(by=self._agency(raw), subject=self._subject(raw["subject"], "subject"))

    def _redeliver(self, raw: dict[str, Any], _: datetime) -> Redelivery:
        ids = read.texts(raw["ids"], "ids")
        if not self._records.keys() | self._consents >= set(ids):
            raise told.Impossible("ids: an event that has not happened")
        return Redelivery(ids=ids)

    def _rebuild(self, _: dict[str, Any], __: datetime) -> Rebuild:
        return Rebuild()

    def _restart(self, _: dict[str, Any], __: datetime) -> Restart:
        return Restart()

    def _tick(self, _: dict[str, Any], __: datetime) -> Tick:
        return Tick()

    def _agency(self, raw: dict[str, Any]) -> str:
        name = read.text(raw["by"], "by")
        if name not in self.story.agencies:
            raise told.Impossible("by: unknown agency")
        return name

    def _person(self, value: Any, key: str) -> str:
        if read.text(value, key) not in self.story.persons:
            raise told.Impossible(f"{key}: unknown person")
        return str(value)

    def _subject(self, value: Any, key: str) -> str:
        if read.text(value, key) not in self.story.families:
            return self._person(value, key)
        return str(value)

    def _known(self, pair: AgencyRef) -> AgencyRef:
        if pair.agency not in self.story.agencies:
            raise told.Impossible("persons: unknown agency")
        self._subject(pair.ref, "persons")
        return pair


_KEYS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    name: (frozenset(required.split()), frozenset(optional))
    for name, required, optional in (
        ("consent", "by consent", ()),
        ("withdraw", "by consent_id", {"scope"}),
        ("object", "by subject norm", ()),
        ("custody", "by child custodians", {"from"}),
        ("record", "by id family subject type payload", told.CIRCUMSTANCES | {"occurred_at"}),
        ("correct", "by id payload", ()),
        ("link", "", {"persons", "family"}),
        ("split", "", {"persons", "family"}),
        ("view", "recipient purpose family", {"expect"}),
        ("erase", "by subject", ()),
        ("rebuild", "", ()),
        ("restart", "", ()),
        ("redeliver", "ids", ()),
        ("tick", "", ()),
    )
}
"""`do` → the keys that a step must have, and those that it may have."""


def _listed(raw: Mapping[str, Any], key: str) -> list[tuple[int, Any]]:
    return list(enumerate(read.items(raw[key], key)))
