"""A verb and its values → one entry of the work book, by the rules of who may say what. Pure; raises WorkError."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.desk.work.grid import grid_version
from hub.desk.work.objects import Values, WorkError
from hub.desk.work.steps import Thread, WorkStep
from hub.desk.work.verbs import ANSWERS, ASSESSORS
from hub.domain.clock import berlin_day

BENEFITS = "jc_benefits"
"""The addressee that is a unit of the agency itself: nothing of it is transmitted."""


class WorkOffice(Protocol):
    """What an agency knows when it enters something."""

    @property
    def agency(self) -> str: ...

    @property
    def kind(self) -> str: ...

    def case_id(self, case: str) -> str:
        """The agency's own number of this case; raises WorkError `unknown_case`."""
        ...

    def person_id(self, case_id: str, person: str) -> str:
        """The agency's own number of a person of this case; raises WorkError `unknown_person`."""
        ...

    def thread(self, ref: str) -> Thread | None:
        """What this agency recorded under the reference, or is shown of it; None for everything else."""
        ...

    def new_ref(self) -> str:
        """A random reference that says nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkEntry:
    """One entry. `addressee`: the controller to whom a matter's step goes; None: to nobody, or it is no matter's."""

    ref: str
    step: WorkStep
    addressee: str | None = None


@dataclass(frozen=True, slots=True)
class _About:
    """Case and person by the agency's own numbers."""

    case_id: str = field(repr=False)
    person_id: str = field(default="", repr=False)


def entry(verb: str, said: Values, office: WorkOffice) -> WorkEntry:
    """The entry that this object makes; raises WorkError, and then nothing is to be written."""
    for name, kind in (("talk_ref", "talk"), ("agreement_ref", "agreement")):
        if name in said:
            _known(said[name], (kind,), office, name)
    return _MAKERS[verb](said, office)


def _known(ref: str, kinds: tuple[str, ...], office: WorkOffice, place: str = "ref") -> Thread:
    found = office.thread(ref)
    if found is None or found.kind not in kinds:
        raise WorkError("unknown_ref", place, "is not known here", "see the verb list")
    return found


def _open(said: Values, office: WorkOffice, *kinds: str) -> Thread:
    """What `ref` names, which must not have ended."""
    found = _known(said["ref"], kinds, office)
    if found.ended:
        raise WorkError("ended", "ref", "has ended", "begin a new one, or send it again")
    return found


def _about(said: Values, office: WorkOffice) -> _About:
    case_id = office.case_id(said["case"])
    return _About(case_id, office.person_id(case_id, said["person"]) if "person" in said else "")


def _of(start: WorkStep) -> _About:
    return _About(start.case_id, start.person_id)


def _made(
    event_type: str,
    ref: str,
    about: _About,
    said: Values,
    office: WorkOffice,
    fields: Mapping[str, Any],
    addressee: str | None = None,
) -> WorkEntry:
    step = WorkStep(
        event_type=event_type,
        sender=office.agency,
        case_id=about.case_id,
        person_id=about.person_id,
        occurred_at=said["at"],
        fields={name: value for name, value in fields.items() if value not in (None, [])},
    )
    return WorkEntry(ref=ref, step=step, addressee=addressee)


def _taken(said: Mapping[str, Any], names: str) -> dict[str, Any]:
    return {name: said[name] for name in names.split() if name in said}


def _day(said: Values) -> Any:
    return said.get("date", berlin_day(said["at"]))


_TALK = "kind date time place participants"


def _talk(said: Values, office: WorkOffice) -> WorkEntry:
    if "ref" in said:
        before = _open(said, office, "talk")
        ref, about, first = said["ref"], _of(before.start), before.latest
        _check_same(said, about, office)
    else:
        ref, about, first = office.new_ref(), _about(said, office), {}
    fields = {"talk_ref": ref, **_taken(first, _TALK), **_taken(said, _TALK)}
    state = said.get("state", "planned")
    held = "FamilyConferenceHeld" if fields.get("kind") == "familienkonferenz" else "ThreeWayTalkHeld"
    event_type = {"planned": "ThreeWayTalkScheduled", "held": held, "cancelled": "TalkCancelled"}[state]
    return _made(event_type, ref, about, said, office, fields)


def _check_same(said: Values, about: _About, office: WorkOffice) -> None:
    """A second step that names case or person names those of the first."""
    if "case" in said and office.case_id(said["case"]) != about.case_id:
        raise WorkError("unknown_case", "case", "is another one than that of ref", "leave it out")
    if "person" in said and office.person_id(about.case_id, said["person"]) != about.person_id:
        raise WorkError("unknown_person", "person", "is another one than that of ref", "leave it out")


_PROMISE = "owner code text due awaits read_back released_by"


def _agree(said: Values, office: WorkOffice) -> WorkEntry:
    ref = office.new_ref()
    fields = {"agreement_ref": ref, **_taken(said, f"{_PROMISE} talk_ref")}
    return _made("AgreementMade", ref, _about(said, office), said, office, fields)


def _task(said: Values, office: WorkOffice) -> WorkEntry:
    ref = office.new_ref()
    fields = {"task_ref": ref, **_taken(said, f"{_PROMISE} agreement_ref")}
    return _made("TaskAssigned", ref, _about(said, office), said, office, fields)


def _ack(said: Values, office: WorkOffice) -> WorkEntry:
    start = _open(said, office, "agreement").start
    fields = {
        "agreement_ref": said["ref"],
        **_taken(said, "by how"),
        "date": _day(said),
        **_taken(start.fields, "owner awaits"),
    }
    return _made("AgreementAcknowledged", said["ref"], _of(start), said, office, fields)


def _close(said: Values, office: WorkOffice) -> WorkEntry:
    """`moved` names the new date, which has not passed."""
    start = _open(said, office, "agreement").start
    moved = said["outcome"] == "moved"
    if moved and "date" in said and said["date"] < berlin_day(said["at"]):
        raise WorkError("due_past", "date", "lies before the day of the entry", "name today or a later day")
    day = said.get("date") if moved else _day(said)
    fields = {
        "agreement_ref": said["ref"],
        "outcome": said["outcome"],
        "date": day,
        **_taken(start.fields, "owner awaits"),
    }
    return _made("AgreementClosed", said["ref"], _of(start), said, office, fields)


def _done(said: Values, office: WorkOffice) -> WorkEntry:
    start = _open(said, office, "task").start
    fields = {"task_ref": said["ref"], "date": _day(said), **_taken(start.fields, "owner awaits")}
    return _made("TaskDone", said["ref"], _of(start), said, office, fields)


def _refer(said: Values, office: WorkOffice) -> WorkEntry:
    return _sent("referral", "ReferralSent", "offer_id reason_code answer_due", said, office)


def _apply(said: Values, office: WorkOffice) -> WorkEntry:
    return _sent("application", "ApplicationSubmitted", "benefit stamp", said, office)


def _sent(kind: str, event_type: str, names: str, said: Values, office: WorkOffice) -> WorkEntry:
    """A matter, or one that is sent again by its sender: a referral after it ended, an application at any time."""
    if "ref" in said:
        before = _known(said["ref"], (kind,), office)
        _must("the sender alone may send it again", allowed=before.start.sender == office.agency)
        if kind == "referral" and not before.ended:
            raise WorkError("unknown_ref", "ref", "has not ended", "take it back first")
        ref, about, first = said["ref"], _of(before.start), dict(before.latest)
        first.pop("answer_due", None)
        _check_same(said, about, office)
    else:
        ref, about, first = office.new_ref(), _about(said, office), {}
    names = f"addressee {names}"
    fields = {"matter_ref": ref, **_taken(first, names), **_taken(said, names)}
    return _made(event_type, ref, about, said, office, fields, _controller(fields["addressee"]))


def _controller(addressee: str) -> str | None:
    return None if addressee == BENEFITS else addressee


def _must(why: str, *, allowed: bool) -> None:
    if not allowed:
        raise WorkError("not_yours", "ref", why, "let the other office say it")


_WHOSE = {
    "addressee": "it is for the addressee to say",
    "sender": "it is for the sender to say",
    "both": "it is for sender and addressee to say",
}


def _answered(
    event_type: str, matter: Thread, said: Values, office: WorkOffice, fields: Mapping[str, Any], who: str
) -> WorkEntry:
    """A step of a matter, addressed to the other office; `who` may say it: addressee, sender or both."""
    start, addressee = matter.start, str(matter.latest.get("addressee", ""))
    sent, received = start.sender == office.agency, _receives(addressee, start, office)
    allowed = {"addressee": received, "sender": sent, "both": sent or received}[who]
    _must(_WHOSE[who], allowed=allowed)
    other = addressee if sent or addressee == BENEFITS else start.sender
    told = {"matter_ref": said["ref"], "addressee": other, **fields}
    return _made(event_type, said["ref"], _of(start), said, office, told, _controller(other))


def _receives(addressee: str, start: WorkStep, office: WorkOffice) -> bool:
    return addressee == office.agency or (addressee == BENEFITS and start.sender == office.agency)


def _answer(said: Values, office: WorkOffice) -> WorkEntry:
    step = said["step"]
    who = "sender" if step == "taken_back" else "addressee"
    matter = _known(said["ref"], ("referral",), office)
    return _answer_open(ANSWERS[step], matter, said, office, _taken(said, "missing"), who)


def _query(said: Values, office: WorkOffice) -> WorkEntry:
    matter = _known(said["ref"], ("application",), office)
    return _answer_open("ApplicationQueried", matter, said, office, _taken(said, "missing"), "addressee")


def _document(said: Values, office: WorkOffice) -> WorkEntry:
    matter = _known(said["ref"], ("application", "referral"), office)
    return _answer_open("DocumentReceived", matter, said, office, _taken(said, "document"), "both")


def _decide(said: Values, office: WorkOffice) -> WorkEntry:
    who = "both" if said["result"] == "withdrawn" else "addressee"
    matter = _known(said["ref"], ("application",), office)
    return _answer_open("ApplicationDecided", matter, said, office, _taken(said, "result"), who)


def _answer_open(
    event_type: str, matter: Thread, said: Values, office: WorkOffice, fields: Mapping[str, Any], who: str
) -> WorkEntry:
    """Whose it is comes before whether it has ended."""
    made = _answered(event_type, matter, said, office, fields, who)
    _open(said, office, matter.kind)
    return made


def _assess(said: Values, office: WorkOffice) -> WorkEntry:
    kind = ASSESSORS[said["assessed_by"]]
    if kind and kind != office.kind:
        raise WorkError(
            "not_yours", "assessed_by", "this agency cannot assess for it", "record its own, or the family's"
        )
    ref = office.new_ref()
    fields = {
        "grid_version": grid_version(berlin_day(said["at"])),
        **_taken(said, "dimension step assessed_by talk_ref"),
    }
    return _made("RasterAssessed", ref, _about(said, office), said, office, fields)


def _ending(event_type: str) -> Callable[[Values, WorkOffice], WorkEntry]:
    def made(said: Values, office: WorkOffice) -> WorkEntry:
        fields = _taken(said, "next_step date look_again reason_code")
        return _made(event_type, office.new_ref(), _about(said, office), said, office, fields)

    return made


_MAKERS: Mapping[str, Callable[[Values, WorkOffice], WorkEntry]] = {
    "talk": _talk,
    "agree": _agree,
    "ack": _ack,
    "close": _close,
    "task": _task,
    "done": _done,
    "refer": _refer,
    "apply": _apply,
    "answer": _answer,
    "query": _query,
    "document": _document,
    "decide": _decide,
    "assess": _assess,
    "stepdown": _ending("StepDownAgreed"),
    "end": _ending("JointCaseEnded"),
}
