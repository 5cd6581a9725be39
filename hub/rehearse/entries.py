"""What the offices enter in their own systems: before the story begins, and step by step. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hub.policy.facts import ConsentGround
from hub.rehearse.mapping import NOBODY, SPLIT
from hub.rehearse.office import Entry
from hub.rehearse.story import (
    AgencyRef,
    Circumstances,
    Correction,
    Custody,
    Erasure,
    Grant,
    Linking,
    Objection,
    Record,
    Step,
    Story,
    Withdrawal,
    WorkAct,
)
from schemas import event_schema

ERASURE_NORM = "Art. 17 DSGVO"


class Entered(NamedTuple):
    """An entry in one agency's system."""

    agency: str
    entry: Entry


def founding(story: Story, at: datetime) -> Iterator[Entered]:
    """What the offices know when the story begins: whom, their custodians, and who is the same person."""
    for family in story.families.values():
        for agency in family.known_to:
            for ref in family.members:
                yield from _known(story, agency, ref, family.ref, at)
    late = first_linked(story)
    for ref, agencies in _naming(story).items():
        named = [AgencyRef(agency, ref) for agency in sorted(agencies)]
        yield from _sheet(story, [one for one in named if one not in late], f"start {ref}", at)


def _known(story: Story, agency: str, ref: str, family: str, at: datetime) -> Iterator[Entered]:
    person, key = story.persons[ref], f"{ref} in {family}"
    born = {"birth_date": person.birth_date, "capable": person.capable}
    yield Entered(
        agency,
        Entry(event_type="SubjectRecorded", key=key, subject=ref, case=family, occurred_at=at, payload=born),
    )
    if person.custodians:
        yield Entered(agency, _custody(f"start {key}", ref, family, person.custodians, at))


def _custody(key: str, child: str, case: str, custodians: Sequence[str], at: datetime) -> Entry:
    held = {"custodians": list(custodians)}
    return Entry(event_type="CustodyChanged", key=key, subject=child, case=case, occurred_at=at, payload=held)


def first_linked(story: Story) -> set[AgencyRef]:
    """Who is named by a link before any split of theirs: they are strangers to each other until then."""
    late: set[AgencyRef] = set()
    parted: set[str] = set()
    for act in (step.act for step in story.steps if isinstance(step.act, Linking)):
        meant = _meant(story, act)
        if act.apart:
            parted |= {one.ref for one in meant if one not in late}
        else:
            late |= {one for one in meant if one.ref not in parted}
    return late


def _meant(story: Story, act: Linking) -> Sequence[AgencyRef]:
    """Everybody whom a link or split names; a family stands for its members and itself."""
    if act.family is None:
        return act.persons
    family = story.families[act.family]
    return [AgencyRef(agency, ref) for ref in (*family.members, family.ref) for agency in family.known_to]


def _naming(story: Story) -> Mapping[str, set[str]]:
    """ref → the agencies that have a name for this person or family."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for family in story.families.values():
        for agency in family.known_to:
            for ref in (
                family.ref,
                *family.members,
                *(c for m in family.members for c in story.persons[m].custodians),
            ):
                found[ref].add(agency)
    for step in story.steps:
        for one in _named(story, step):
            found[one.ref].add(one.agency)
    return found


def _named(story: Story, step: Step) -> Iterable[AgencyRef]:
    """Whom an agency names in a step."""
    match act := step.act:
        case Grant():
            refs: Sequence[str | None] = (act.consent.subject, *act.consent.granted_by)
        case Withdrawal():
            refs = (story.grants()[act.consent_id].consent.subject,)
        case Custody():
            refs = (act.child, *act.custodians)
        case Record():
            refs = (act.subject, act.circumstances.entrusted_by)
        case Objection() | Erasure() | WorkAct():
            refs = (act.subject,)
        case Linking():
            return _meant(story, act)
        case _:
            return ()
    return [AgencyRef(act.by, ref) for ref in refs if ref is not None]


def _sheet(story: Story, same: Sequence[AgencyRef], label: str, at: datetime) -> Iterator[Entered]:
    """A pairing sheet: agencies that enter its code mean the same person, or the same family.

    A person's sheet joins nothing but the person: each family is linked by a sheet of its own (protocol rule 3).
    """
    if len({one.agency for one in same}) < 2:
        return
    for agency, ref in same:
        family = ref in story.families
        sheet = {"method": "pairing_code", "code": label, "member": 0 if family else 1}
        yield Entered(
            agency,
            Entry(
                event_type="IdentityLinkProposed",
                key=f"{label} {ref}",
                about="family" if family else "person",
                subject=ref,
                case=ref if family else f"sheet {label}",
                occurred_at=at,
                payload=sheet,
            ),
        )


def entered(story: Story, step: Step) -> Iterator[Entered]:
    """What this step enters, and where; steps that concern the hub alone enter nothing."""
    match act := step.act:
        case Grant() if story.takes(act):
            yield Entered(act.by, _grant(story, step, act))
        case Withdrawal():
            yield Entered(act.by, _withdrawal(story, step, act))
        case Objection():
            more = {"norm": act.norm}
            yield Entered(act.by, _about(story, step, act.by, act.subject, "ObjectionRaised", more))
        case Erasure():
            more = {"norm": ERASURE_NORM}
            yield Entered(act.by, _about(story, step, act.by, act.subject, "ErasureRequested", more))
        case Custody():
            for case in story.families_of(act.child, act.by) or [_outside(act.child)]:
                key = f"custody of {act.child} in {case} from {act.since.astimezone(UTC)}"
                yield Entered(act.by, _custody(key, act.child, case, act.custodians, act.since))
        case Record():
            yield from _record(story, act, act.payload)
        case Correction():
            yield from _record(story, story.record(act.id), act.payload)
        case Linking():
            yield from _linking(story, step, act)


def _home(story: Story, agency: str, ref: str) -> str:
    """The case in which an agency speaks of somebody; of whom it has no family, a case of their own."""
    return ref if ref in story.families else next(iter(story.families_of(ref, agency)), _outside(ref))


def _outside(ref: str) -> str:
    return f"outside {ref}"


def _about(
    story: Story,
    step: Step,
    agency: str,
    subject: str,
    event_type: str,
    payload: Mapping[str, Any],
    **how: Any,
) -> Entry:
    key = how.pop("key", f"step {step.number}")
    return Entry(
        event_type=event_type,
        key=key,
        about="family" if subject in story.families else "person",
        subject=subject,
        case=_home(story, agency, subject),
        occurred_at=step.at,
        payload=payload,
        **how,
    )


def _grant(story: Story, step: Step, act: Grant) -> Entry:
    consent = {name: value for name, value in asdict(act.consent).items() if name != "scoped_withdrawals"}
    del consent["subject"]
    first = story.grants()[act.consent.id] is act
    name = act.consent.id if first else ""
    key = f"step {step.number}"
    return _about(story, step, act.by, act.consent.subject, "ConsentGranted", consent, key=key, name=name)


def _withdrawal(story: Story, step: Step, act: Withdrawal) -> Entry:
    subject = story.grants()[act.consent_id].consent.subject
    scope = {f".scope.{name}": SPLIT.join(codes) or None for name, codes in (act.scope or {}).items()}
    named = {"consent_id": act.consent_id}
    return _about(story, step, act.by, subject, "ConsentWithdrawn", named, more=scope)


def _record(story: Story, record: Record, payload: Mapping[str, Any]) -> Iterator[Entered]:
    """A danger report has a path and topics of its own, and comes to no connector (§ 8a SGB VIII)."""
    if event_schema(record.type).topic == "danger":
        return
    entry = Entry(
        event_type=record.type,
        key=record.id,
        name=record.id,
        subject=record.subject,
        case=record.family,
        about="family" if record.subject in story.families else "person",
        occurred_at=record.occurred_at,
        payload=payload,
        more=_circumstances(record.circumstances),
    )
    yield Entered(record.by, entry)


def _circumstances(told: Circumstances) -> Mapping[str, object]:
    cells: dict[str, object] = {
        "entrusted_by": told.entrusted_by,
        "source_203": told.source_203,
        "objected_76": told.objected_76,
        "task_class": told.task_class,
        "connection": told.connection,
        "merges_with": told.merges_with,
        "endangers_help": told.endangers_help,
        "disputed": SPLIT.join(told.disputed) or None,
        "addressee": told.addressee,
    }
    if isinstance(told.ground, ConsentGround):
        cells["consents"] = SPLIT.join(sorted(told.ground.consents)) or NOBODY
    elif told.ground is not None:
        cells |= {
            "norm": told.ground.norm,
            "task_norm": told.ground.task_norm,
            "attested_by": told.ground.attested_by,
        }
    return cells


def _linking(story: Story, step: Step, act: Linking) -> Iterator[Entered]:
    meant = _meant(story, act)
    if act.apart:
        for agency, ref in meant:
            key = f"step {step.number} {ref}"
            yield Entered(
                agency, _about(story, step, agency, ref, "IdentitySplit", {"method": "exact"}, key=key)
            )
        return
    for number, same in enumerate(_groups(meant)):
        yield from _sheet(story, same, f"step {step.number}.{number}", step.at)


def _groups(meant: Sequence[AgencyRef]) -> list[list[AgencyRef]]:
    """Who is one person: all who are named, unless an agency is named twice; then those of one ref."""
    if len({one.agency for one in meant}) == len(meant):
        return [list(meant)]
    by_ref: defaultdict[str, list[AgencyRef]] = defaultdict(list)
    for one in meant:
        by_ref[one.ref].append(one)
    alone = [of[0] for of in by_ref.values() if len(of) == 1]
    return [of for of in by_ref.values() if len(of) > 1] + ([alone] if len(alone) > 1 else [])
