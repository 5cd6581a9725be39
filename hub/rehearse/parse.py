"""From a rehearsal file to a story. An impossible story is refused as a whole, naming the step and never a value."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from hub.errors import DataError
from hub.policy import reading as read
from hub.policy.facts import AGENCY_KINDS, CATEGORIES, CONSENT_PURPOSES, TASK_CLASSES, Incomplete, Recipient
from hub.policy.request import RECIPIENT_KEYS, parse_consent, parse_ground
from hub.rehearse.story import (
    Act,
    AgencyRef,
    Circumstances,
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
)
from schemas import EventSchema, InvalidPayload, UnknownSchema, event_schema, from_json

REASON = "impossible_story"
_CIRCUMSTANCES = frozenset(one.name for one in fields(Circumstances))
_SCOPES: Mapping[str, Callable[[Any, str], Any]] = {
    "purposes": lambda value, key: read.choices(value, key, CONSENT_PURPOSES),
    "categories": lambda value, key: read.choices(value, key, CATEGORIES),
    "recipients": read.texts,
}
_TOLD_ELSEWHERE = frozenset(
    {
        "ConsentGranted", "ConsentWithdrawn", "ConsentExpired", "ObjectionRaised", "CustodyChanged",
        "IdentityLinkProposed", "IdentityLinked", "IdentitySplit", "ErasureRequested", "ErasureExecuted",
    }
)  # fmt: skip
_EXPECTED = frozenset({"persons", "marks", "withheld"})


def parse_story(data: bytes) -> Story:
    """The story of a file's bytes; raises DataError naming the step, or the part, that is impossible."""
    try:
        raw = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise _impossible("file", "is no JSON in UTF-8") from None
    place = "file"
    try:
        found = read.record(raw, "", frozenset({"agencies", "persons", "families", "steps"}), frozenset(raw))
        reader = _Reader(found)
        for number, item in enumerate(read.items(found["steps"], "steps")):
            place = _place(number, item)
            reader.step(number, item)
    except read.Unreadable as gap:
        raise _impossible(place, f"{gap.key}: is missing, unknown, or cannot be read") from None
    except Impossible as why:
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


class Impossible(Exception):
    """Why a step cannot happen; becomes the DataError that names the step."""


def _impossible(place: str, message: str) -> DataError:
    return DataError(message, reason=REASON, place=place, remedy="correct the story; nothing was played")


def _place(number: int, item: Any) -> str:
    do = item.get("do") if isinstance(item, dict) else None
    named = f", {do}" if isinstance(do, str) and do in _KEYS else ""
    return f"steps[{number}] (step {number + 1}{named})"


class _Reader:
    """Reads step after step, with what the story has said so far."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        agencies = dict(_agency(item, f"agencies[{n}]") for n, item in _listed(raw, "agencies"))
        persons = [_person(item, f"persons[{n}]") for n, item in _listed(raw, "persons")]
        families = [_family(item, f"families[{n}]") for n, item in _listed(raw, "families")]
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
            raise Impossible("two persons or two families have one ref")
        if story.persons.keys() & story.families.keys():
            raise Impossible("a person and a family have one ref")
        for family in story.families.values():
            if not story.persons.keys() >= set(family.members):
                raise Impossible("families: a member is no person of the story")
            if not story.agencies.keys() >= set(family.known_to):
                raise Impossible("families: known_to names an unknown agency")

    def step(self, number: int, item: Any) -> None:
        if not isinstance(item, dict):
            raise Impossible("is no object")
        do = read.choice(item.get("do"), "do", _KEYS)
        required, optional = _KEYS[do]
        raw = read.record(item, "", required | {"do", "at"}, optional)
        at = read.time(raw["at"], "at")
        if self._steps and at < self._steps[-1].at:
            raise Impossible("at: time runs back")
        act: Act = getattr(self, f"_{do}")(raw, at)
        self._steps.append(Step(number=number, at=at, act=act))

    def _consent(self, raw: dict[str, Any], _: datetime) -> Grant:
        found = parse_consent(raw["consent"])
        if isinstance(found, Incomplete):
            raise read.Unreadable(found.key)
        self._subject(found.subject, "consent.subject")
        self._consents.add(found.id)
        return Grant(by=self._agency(raw), consent=found)

    def _withdraw(self, raw: dict[str, Any], _: datetime) -> Withdrawal:
        name = read.text(raw["consent_id"], "consent_id")
        if name not in self._granted:
            raise Impossible("consent_id: nobody grants this consent")
        scope = raw.get("scope")
        return Withdrawal(
            by=self._agency(raw), consent_id=name, scope=None if scope is None else _scope(scope)
        )

    def _object(self, raw: dict[str, Any], _: datetime) -> Objection:
        subject, norm = self._subject(raw["subject"], "subject"), read.text(raw["norm"], "norm")
        return Objection(by=self._agency(raw), subject=subject, norm=norm)

    def _custody(self, raw: dict[str, Any], _: datetime) -> Custody:
        child = self._person(raw["child"], "child")
        return Custody(
            by=self._agency(raw), child=child, custodians=read.texts(raw["custodians"], "custodians")
        )

    def _record(self, raw: dict[str, Any], at: datetime) -> Record:
        name, schema = read.text(raw["id"], "id"), _schema(raw["type"])
        if name in self._records or name in self._granted:
            raise Impossible("id: is taken")
        family, subject = read.text(raw["family"], "family"), self._subject(raw["subject"], "subject")
        if family not in self.story.families or (subject in self.story.families and subject != family):
            raise Impossible("family: is unknown, or another one than the subject")
        occurred = read.time(raw["occurred_at"], "occurred_at") if "occurred_at" in raw else at
        record = Record(
            by=self._agency(raw), id=name, family=family, subject=subject, type=schema.event_type, told=raw["payload"],
            payload=_payload(schema, raw["payload"]), circumstances=_circumstances(raw), occurred_at=occurred,
        )  # fmt: skip
        self._records[name] = record
        return record

    def _correct(self, raw: dict[str, Any], _: datetime) -> Correction:
        record = self._records.get(read.text(raw["id"], "id"))
        if record is None or record.by != self._agency(raw):
            raise Impossible("id: the agency has no such record")
        payload = _payload(event_schema(record.type), raw["payload"])
        return Correction(by=record.by, id=record.id, told=raw["payload"], payload=payload)

    def _link(self, raw: dict[str, Any], _: datetime) -> Linking:
        return self._linking(raw, apart=False)

    def _split(self, raw: dict[str, Any], _: datetime) -> Linking:
        return self._linking(raw, apart=True)

    def _linking(self, raw: dict[str, Any], *, apart: bool) -> Linking:
        if ("persons" in raw) == ("family" in raw):
            raise Impossible("names either persons or family")
        if "family" in raw:
            family = read.choice(raw["family"], "family", self.story.families)
            return Linking(apart=apart, persons=(), family=family)
        pairs = (_pair(text) for text in read.texts(raw["persons"], "persons"))
        persons = tuple(dict.fromkeys(self._known(pair) for pair in pairs))
        if len(persons) < (1 if apart else 2):
            raise Impossible("persons: names too few")
        return Linking(apart=apart, persons=persons, family=None)

    def _view(self, raw: dict[str, Any], _: datetime) -> View:
        recipient = _recipient(raw["recipient"])
        if recipient.role != "subject" and recipient.controller not in self.story.agencies:
            raise Impossible("recipient.controller: unknown agency")
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
            raise Impossible("ids: an event that has not happened")
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
            raise Impossible("by: unknown agency")
        return name

    def _person(self, value: Any, key: str) -> str:
        if read.text(value, key) not in self.story.persons:
            raise Impossible(f"{key}: unknown person")
        return str(value)

    def _subject(self, value: Any, key: str) -> str:
        if read.text(value, key) not in self.story.families:
            return self._person(value, key)
        return str(value)

    def _known(self, pair: AgencyRef) -> AgencyRef:
        if pair.agency not in self.story.agencies:
            raise Impossible("persons: unknown agency")
        self._subject(pair.ref, "persons")
        return pair


_KEYS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    name: (frozenset(required.split()), frozenset(optional))
    for name, required, optional in (
        ("consent", "by consent", ()),
        ("withdraw", "by consent_id", {"scope"}),
        ("object", "by subject norm", ()),
        ("custody", "by child custodians", ()),
        ("record", "by id family subject type payload", _CIRCUMSTANCES | {"occurred_at"}),
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


def _agency(value: Any, key: str) -> tuple[str, str]:
    raw = read.record(value, key, frozenset({"id", "kind"}))
    name = read.text(raw["id"], f"{key}.id")
    if not name or not name.isprintable() or ":" in name:
        raise read.Unreadable(f"{key}.id")
    return name, read.choice(raw["kind"], f"{key}.kind", AGENCY_KINDS)


def _person(value: Any, key: str) -> Person:
    raw = read.record(value, key, frozenset({"ref", "birth_date", "capable", "custodians"}))
    return Person(
        ref=read.text(raw["ref"], f"{key}.ref"),
        birth_date=read.optional(read.day, raw["birth_date"], f"{key}.birth_date"),
        capable=read.optional(read.flag, raw["capable"], f"{key}.capable"),
        custodians=read.texts(raw["custodians"], f"{key}.custodians"),
    )


def _family(value: Any, key: str) -> Family:
    raw = read.record(value, key, frozenset({"ref", "members", "known_to"}))
    return Family(
        ref=read.text(raw["ref"], f"{key}.ref"), members=read.texts(raw["members"], f"{key}.members"),
        known_to=read.texts(raw["known_to"], f"{key}.known_to"),
    )  # fmt: skip


def _pair(text: str) -> AgencyRef:
    agency, colon, ref = text.partition(":")
    if not colon:
        raise read.Unreadable("persons")
    return AgencyRef(agency, ref)


def _scope(value: Any) -> Mapping[str, tuple[str, ...]]:
    raw = read.record(value, "scope", frozenset(), frozenset(_SCOPES))
    return {name: tuple(sorted(_SCOPES[name](raw[name], f"scope.{name}"))) for name in sorted(raw)}


def _recipient(value: Any) -> Recipient:
    """Kinds, roles and their fit are the policy's to judge (R00), as in `hub decide`."""
    raw = read.record(value, "recipient", RECIPIENT_KEYS)
    return Recipient(
        controller=read.text(raw["controller"], "recipient.controller"), kind=read.text(raw["kind"], "recipient.kind"),
        role=read.text(raw["role"], "recipient.role"),
        worker=read.optional(read.text, raw["worker"], "recipient.worker"),
        assigned=read.flag(raw["assigned"], "recipient.assigned"),
        undertaking=read.flag(raw["undertaking"], "recipient.undertaking"),
    )  # fmt: skip


def _schema(value: Any) -> EventSchema:
    try:
        schema = event_schema(read.text(value, "type"))
    except UnknownSchema:
        raise Impossible("type: unknown event type") from None
    if schema.event_type in _TOLD_ELSEWHERE:
        raise Impossible("type: has a step of its own, or is the hub's to say")
    return schema


def _payload(schema: EventSchema, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise read.Unreadable("payload")
    try:
        payload = from_json(schema, _as_texts(schema, value))
        schema.encode(payload)
    except InvalidPayload as why:
        raise Impossible(f"payload: {schema.event_type}: {why.field or 'a field'}: {why.reason}") from None
    return payload


def _as_texts(schema: EventSchema, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """A story may write a number where the catalogue has text ("intensity": 5)."""
    numbers = {
        name: str(value) for name, value in payload.items()
        if name in schema.fields and schema.fields[name].kind == "string" and type(value) in (int, float)
    }  # fmt: skip
    return {**payload, **numbers}


_CIRCUMSTANCE: Mapping[str, Callable[[Any, str], Any]] = {
    "ground": parse_ground,
    "entrusted_by": read.text,
    "source_203": read.flag,
    "objected_76": read.flag,
    "task_class": lambda value, key: read.choice(value, key, TASK_CLASSES),
    "connection": read.day,
    "merges_with": lambda value, key: read.choice(value, key, TASK_CLASSES),
    "endangers_help": read.flag,
    "disputed": read.texts,
    "addressee": read.text,
}


def _circumstances(raw: Mapping[str, Any]) -> Circumstances:
    given = {
        name: reader(raw[name], name) for name, reader in _CIRCUMSTANCE.items() if raw.get(name) is not None
    }
    return replace(Circumstances(), **given)
