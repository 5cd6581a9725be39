"""What a view shows, in the story's own names, beside what the story expected of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hub.policy.facts import Recipient
from hub.rehearse.models import Models, differing_models, story_models
from hub.rehearse.scene import Scene
from hub.rehearse.story import Correction, Record, Step, Story, View
from hub.store import subjects
from hub.views.case_file import CaseFile
from hub.views.opening import OpenedView, open_view
from hub.views.redaction import Entry
from projections.shown import ShownEntry as FoldedEntry
from schemas import InvalidPayload, event_schema, from_json, to_json
from schemas.fields import STAMP, stamp_parts

Persons = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One view: `differs` names what the story expected otherwise; `expected` whether it said anything."""

    step: int
    at: datetime
    view: View
    persons: Persons = field(repr=False)
    marks: Sequence[tuple[str, str]]
    withheld: Mapping[str, Sequence[str]]
    models: Models = field(repr=False)
    differs: tuple[str, ...] = ()

    @property
    def expected(self) -> bool:
        return self.view.expect is not None


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry with the person whom the viewer sees it of."""

    ref: str
    name: str
    sender: str
    entry: Entry


def answer(story: Story, scene: Scene, step: Step, view: View) -> Answer:
    """Open the joint view now, as this worker or this person, and tell it in the story's names."""
    opened = list(_opened(story, scene, view))
    shown = {
        (one.ref, one.name): one for agency, found in opened for one in _entries(story, scene, agency, found)
    }
    withheld = {ref: codes for agency, found in opened for ref, codes in _withheld(scene, agency, found)}
    given = Answer(
        step=step.number,
        at=step.at,
        view=view,
        persons=_persons(story, step, shown.values()),
        marks=sorted((one.name, name) for one in shown.values() for name in one.entry.marked),
        withheld=withheld,
        models=story_models(story, step, view, _renamed(scene, shown.values())),
    )
    return replace(given, differs=tuple(_differences(given)))


def _renamed(scene: Scene, shown: Iterable[ShownEntry]) -> Iterator[FoldedEntry]:
    """The entries as folds take them, every id as the story calls it."""
    names = {ref: name for office in scene.offices.values() for ref, name in office.told.items()}
    for one in shown:
        fields = to_json(one.entry.fields)
        if (ended := fields.get("of")) is not None:
            fields["of"] = names.get(ended, ended)
        yield FoldedEntry(one.entry.occurred_at, one.name, one.entry.event_type, one.ref, one.sender, fields)


def _opened(story: Story, scene: Scene, view: View) -> Iterator[tuple[str, OpenedView]]:
    """A worker opens the case of their own agency; a person asks every agency that knows the family (Art. 15 GDPR)."""
    if view.recipient.role != "subject":
        agency = view.recipient.controller
        yield agency, _open(scene, agency, view, view.recipient)
        return
    family = story.families.get(view.family)
    for agency in family.known_to if family else ():
        asking = _as_named_by(scene, agency, view.recipient)
        yield agency, _open(scene, agency, view, asking)


def _open(scene: Scene, agency: str, view: View, recipient: Recipient) -> OpenedView:
    return open_view(scene.parts, scene.offices[agency].key.case(view.family), recipient, view.purpose)


def _as_named_by(scene: Scene, agency: str, recipient: Recipient) -> Recipient:
    """The person as the hub names them in this agency's case."""
    if recipient.worker is None:
        return replace(recipient, controller=agency)
    key = f"{agency}:{scene.offices[agency].key.person(recipient.worker)}"
    with scene.parts.store.transaction() as connection:
        named = subjects.persons(connection, [key]).get(key, key)
    return replace(recipient, controller=agency, worker=named)


def _entries(story: Story, scene: Scene, agency: str, opened: OpenedView) -> Iterator[ShownEntry]:
    for part in opened.redacted.parts:
        for entry in part.entries:
            name = scene.offices[part.sender].told[entry.record_ref]
            ref = _ref_of(scene, agency, opened.file, part.person) or story.about(name)
            yield ShownEntry(ref, name, part.sender, entry)


def opened_entries(story: Story, scene: Scene, view: View) -> Iterator[ShownEntry]:
    """The entries of a view, as its recipient would open it now."""
    for agency, opened in _opened(story, scene, view):
        yield from _entries(story, scene, agency, opened)


def _ref_of(scene: Scene, agency: str, file: CaseFile | None, person: str) -> str | None:
    """What the viewer's own agency calls this person, if it has a name of its own."""
    keys = [key for key, one in file.known.items() if one.person == person] if file else []
    own = [key.partition(":")[2] for key in sorted(keys) if key.startswith(f"{agency}:")]
    return scene.names[agency].get(own[0]) if own else None


def _withheld(scene: Scene, agency: str, opened: OpenedView) -> Iterator[tuple[str, Sequence[str]]]:
    for person, codes in opened.redacted.withheld.items():
        ref = _ref_of(scene, agency, opened.file, person)
        if ref is None and opened.file:
            ref = next(
                (
                    _called(scene, key)
                    for key, one in sorted(opened.file.known.items())
                    if one.person == person
                ),
                None,
            )
        if ref is not None:
            yield ref, list(codes)


def _called(scene: Scene, key: str) -> str | None:
    agency, _, pseudonym = key.partition(":")
    return scene.names[agency].get(pseudonym)


def _persons(story: Story, step: Step, shown: Iterable[ShownEntry]) -> Persons:
    found: defaultdict[str, defaultdict[str, list[Mapping[str, Any]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for one in sorted(shown, key=lambda one: (one.entry.occurred_at, one.name)):
        found[one.ref][one.entry.event_type].append(_fields(story, step, one))
    return {ref: dict(sorted(types.items())) for ref, types in sorted(found.items())}


def _fields(story: Story, step: Step, one: ShownEntry) -> dict[str, Any]:
    """Each value as the story itself writes it, where it is that value; else (a reduced form) as JSON has it."""
    schema = event_schema(one.entry.event_type)
    told = _told(story, step, one.name) if schema.topic == "events" else {}
    plain = to_json(one.entry.fields)
    for name in plain:
        if name in told and _same(schema.fields[name].kind, one.entry.fields[name], schema, name, told[name]):
            plain[name] = told[name]
    return plain


def _same(kind: str, shown: Any, schema: Any, name: str, told: Any) -> bool:
    try:
        meant = from_json(schema, {name: told}).get(name)
    except InvalidPayload:
        return bool(str(told) == str(shown))
    if kind == STAMP and isinstance(meant, str):
        return bool(stamp_parts(meant) == shown)
    if kind in ("strings", "string|strings"):
        return [meant] == list(shown) if isinstance(meant, str) else list(meant or ()) == list(shown)
    return bool(meant == shown)


def _told(story: Story, until: Step, name: str) -> Mapping[str, Any]:
    """The payload of the record's latest version as the story has written it until now."""
    told: Mapping[str, Any] = {}
    for step in story.steps[: until.number]:
        if isinstance(step.act, Record | Correction) and step.act.id == name:
            told = step.act.told
    return told


def _differences(given: Answer) -> Iterator[str]:
    """Persons exactly, marks and withheld as sets, models in the keys that each entry names; what the story does not
    name is not compared."""
    expect = given.view.expect or {}
    if "persons" in expect and expect["persons"] != given.persons:
        yield "persons"
    if "marks" in expect and {tuple(one) for one in expect["marks"]} != set(given.marks):
        yield "marks"
    if "withheld" in expect and _sets(expect["withheld"]) != _sets(given.withheld):
        yield "withheld"
    yield from differing_models(expect.get("models", {}), given.models)


def _sets(withheld: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    return {ref: set(codes) for ref, codes in withheld.items() if codes}
