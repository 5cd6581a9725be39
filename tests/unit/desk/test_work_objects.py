"""Objects of the work book: what is refused, with code and place, and what each verb makes of what is right."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

import pytest

from hub.desk.work.entries import WorkEntry, entry
from hub.desk.work.objects import WorkError, values
from hub.desk.work.steps import Thread, WorkStep, thread
from hub.desk.work.verbs import VERBS

NOW = datetime(2026, 9, 1, 22, 30, tzinfo=UTC)  # in Berlin it is the second of September
AGENCIES = ("jc-a", "ja-a", "awo")


@dataclass
class Office:
    """An agency of two families, with a book in memory."""

    agency: str = "jc-a"
    kind: str = "jobcenter"
    steps: list[WorkStep] = field(default_factory=list)
    names: Iterator[int] = field(default_factory=lambda: count(1))

    def case_id(self, case: str) -> str:
        if case not in ("fam", "other"):
            raise WorkError("unknown_case", "case", "", "")
        return case

    def person_id(self, case_id: str, person: str) -> str:
        if person not in ("mother", "child") or case_id != "fam":
            raise WorkError("unknown_person", "person", "", "")
        return person

    def thread(self, ref: str) -> Thread | None:
        return thread(ref, self.steps)

    def new_ref(self) -> str:
        return f"r{next(self.names)}"

    def say(self, verb: str, **said: Any) -> WorkEntry:
        made = entry(verb, values(verb, said, NOW, self.agency, self.kind, AGENCIES), self)
        self.steps.append(made.step)
        return made


def other(office: Office) -> Office:
    """The youth office, to which all that the first one said is shown."""
    return Office("ja-a", "youth_welfare", office.steps, office.names)


AGREED = {"case": "fam", "owner": "person", "code": "antrag_stellen"}
REFERRED = {"case": "fam", "person": "mother", "addressee": "ja-a", "reason_code": "schulden"}
APPLIED = {"case": "fam", "person": "child", "addressee": "ja-a", "benefit": "but"}
SENTENCE = {
    "case": "fam",
    "owner": "family",
    "text": "Wir melden uns.",
    "read_back": True,
    "released_by": ["family"],
}


@pytest.mark.parametrize(
    ("verb", "said", "code", "place"),
    [
        ("agree", {**AGREED, "note": "x"}, "unknown_field", "note"),
        ("agree", {"case": "fam", "code": "antrag_stellen"}, "missing_field", "owner"),
        ("agree", {"case": "fam", "owner": "person"}, "missing_field", "code"),
        ("agree", {**AGREED, "owner": "Frau Kaya"}, "unknown_code", "owner"),
        ("agree", {**AGREED, "owner": "provider:"}, "unknown_code", "owner"),
        ("agree", {**AGREED, "awaits": "provider:a,b"}, "unknown_code", "awaits"),
        ("agree", {**AGREED, "code": "Antrag stellen"}, "unknown_code", "code"),
        ("agree", {**SENTENCE, "text": "x" * 161}, "too_long", "text"),
        ("agree", {**SENTENCE, "read_back": False}, "not_read_back", "text"),
        ("agree", {**SENTENCE, "released_by": []}, "not_read_back", "text"),
        ("agree", {**SENTENCE, "released_by": ["Frau Kaya"]}, "unknown_code", "released_by"),
        ("task", {**SENTENCE, "read_back": None}, "not_read_back", "text"),
        ("agree", {**AGREED, "due": "2026-09-01"}, "due_past", "due"),
        ("agree", {**AGREED, "due": "1.9.2026"}, "unknown_code", "due"),
        ("agree", {**AGREED, "due": "2026-13-01"}, "unknown_code", "due"),
        ("agree", {**AGREED, "talk_ref": "nowhere"}, "unknown_ref", "talk_ref"),
        ("agree", {**AGREED, "case": "nobody's"}, "unknown_case", "case"),
        ("agree", {**AGREED, "person": "stranger"}, "unknown_person", "person"),
        ("agree", {**AGREED, "case": "other", "person": "mother"}, "unknown_person", "person"),
        ("agree", {**AGREED, "at": "2026-09-01T22:30:01Z"}, "unknown_code", "at"),
        ("agree", {**AGREED, "at": "2026-09-01T08:00"}, "unknown_code", "at"),
        (
            "talk",
            {"case": "fam", "kind": "plausch", "date": "2026-10-01", "participants": []},
            "unknown_code",
            "kind",
        ),
        ("talk", {"case": "fam", "kind": "hilfeplan", "date": "2026-10-01"}, "missing_field", "participants"),
        ("talk", {"ref": "nowhere", "state": "held"}, "unknown_ref", "ref"),
        ("refer", {**REFERRED, "person": None}, "missing_field", "person"),
        ("refer", {**REFERRED, "addressee": "jc-a"}, "unknown_code", "addressee"),
        ("refer", {**REFERRED, "addressee": "nobody"}, "unknown_code", "addressee"),
        ("refer", {**REFERRED, "answer_due": "2026-08-31"}, "due_past", "answer_due"),
        ("refer", {**REFERRED, "reason_code": "but"}, "unknown_code", "reason_code"),
        ("apply", {**APPLIED, "benefit": "kita"}, "unknown_code", "benefit"),
        ("apply", {**APPLIED, "stamp": {"project": "x", "room": "1"}}, "unknown_field", "stamp.room"),
        ("apply", {**APPLIED, "stamp": {"project": "x" * 161}}, "too_long", "stamp.project"),
        ("answer", {"ref": "nowhere", "step": "accepted"}, "unknown_ref", "ref"),
        ("query", {"ref": "nowhere", "missing": []}, "unknown_code", "missing"),
        (
            "assess",
            {"case": "fam", "dimension": "arbeit", "step": 6, "assessed_by": "family"},
            "unknown_code",
            "step",
        ),
        (
            "assess",
            {"case": "fam", "dimension": "glück", "assessed_by": "family"},
            "unknown_code",
            "dimension",
        ),
        (
            "assess",
            {"case": "fam", "dimension": "arbeit", "assessed_by": "youth_office"},
            "not_yours",
            "assessed_by",
        ),
        ("end", {"case": "fam", "date": "2026-10-01", "reason_code": "but"}, "unknown_code", "reason_code"),
        ("dance", {}, "unknown_code", "verb"),
    ],
)
def test_a_wrong_object_is_refused_with_code_and_place(
    verb: str, said: dict[str, Any], code: str, place: str
) -> None:
    with pytest.raises(WorkError) as found:
        Office().say(verb, **said)
    assert (found.value.reason, found.value.place) == (code, place)
    assert found.value.exit_code == 65


@pytest.mark.parametrize("said", [[], "text", None, 1])
def test_what_is_no_object_is_refused(said: object) -> None:
    with pytest.raises(WorkError) as found:
        values("agree", said, NOW, "jc-a", "jobcenter", AGENCIES)
    assert found.value.reason == "unknown_field"


def test_due_is_compared_with_the_berlin_day_of_the_entry() -> None:
    assert Office().say("agree", **AGREED, due="2026-09-02").step.fields["due"] == date(2026, 9, 2)
    late = Office().say("agree", **AGREED, due="2026-09-01", at="2026-09-01T08:00:00Z")
    assert late.step.occurred_at == datetime(2026, 9, 1, 8, tzinfo=UTC)


def test_what_follows_an_agreement_carries_its_owner_and_ends_it_once() -> None:
    office = Office()
    ref = office.say("agree", **AGREED, awaits="jc_benefits").ref
    said = office.say("ack", ref=ref, by="ja_asd", how="phone").step.fields
    assert (said["owner"], said["awaits"], said["date"]) == ("person", "jc_benefits", date(2026, 9, 2))
    closed = other(office).say("close", ref=ref, outcome="moved", date="2026-10-01")
    assert closed.step.fields["owner"] == "person"
    with pytest.raises(WorkError) as found:
        office.say("close", ref=ref, outcome="kept")
    assert found.value.reason == "ended"
    with pytest.raises(WorkError) as found:
        office.say("done", ref=ref)
    assert found.value.reason == "unknown_ref", "a task is another thing"


def test_a_talk_keeps_what_is_not_said_anew() -> None:
    office = Office()
    ref = office.say(
        "talk", case="fam", kind="familienkonferenz", date="2026-10-01", time="10:00", participants=["family"]
    ).ref
    moved = office.say("talk", ref=ref, state="planned", date="2026-10-02").step
    assert (moved.event_type, moved.fields["date"], moved.fields["time"]) == (
        "ThreeWayTalkScheduled",
        date(2026, 10, 2),
        "10:00",
    )
    held = office.say("talk", ref=ref, state="held", place="Raum 2").step
    assert (held.event_type, held.fields["date"], held.fields["place"]) == (
        "FamilyConferenceHeld",
        date(2026, 10, 2),
        "Raum 2",
    )
    with pytest.raises(WorkError, match="has ended"):
        office.say("talk", ref=ref, state="cancelled")


def test_each_step_of_a_matter_is_for_its_own_office_and_goes_to_the_other() -> None:
    sender = Office()
    addressee = other(sender)
    sent = sender.say("refer", **REFERRED, answer_due="2026-09-10")
    assert (sent.addressee, sent.step.fields["addressee"]) == ("ja-a", "ja-a")
    for office, step in ((sender, "accepted"), (sender, "declined"), (addressee, "taken_back")):
        with pytest.raises(WorkError) as found:
            office.say("answer", ref=sent.ref, step=step)
        assert found.value.reason == "not_yours"
    accepted = addressee.say("answer", ref=sent.ref, step="accepted")
    assert (accepted.addressee, accepted.step.fields["addressee"]) == ("jc-a", "jc-a")
    paper = sender.say("document", ref=sent.ref, document="ausweis")
    assert paper.addressee == "ja-a"
    with pytest.raises(WorkError, match="has not ended"):
        sender.say("refer", ref=sent.ref)
    addressee.say("answer", ref=sent.ref, step="declined")
    with pytest.raises(WorkError) as found:
        sender.say("document", ref=sent.ref, document="ausweis")
    assert found.value.reason == "ended"
    again = sender.say("refer", ref=sent.ref, answer_due="2026-09-20")
    assert (again.ref, again.step.fields["reason_code"]) == (sent.ref, "schulden")
    addressee.say("answer", ref=sent.ref, step="completed")


def test_an_application_is_decided_by_its_addressee_and_withdrawn_by_both() -> None:
    sender = Office()
    ref = sender.say("apply", **APPLIED).ref
    with pytest.raises(WorkError) as found:
        sender.say("decide", ref=ref, result="granted")
    assert found.value.reason == "not_yours"
    with pytest.raises(WorkError) as found:
        Office("awo", "provider", sender.steps).say("decide", ref=ref, result="withdrawn")
    assert found.value.reason == "not_yours"
    other(sender).say("query", ref=ref, missing=["ausweis"])
    assert sender.say("decide", ref=ref, result="withdrawn").addressee == "ja-a"


def test_a_matter_of_the_own_benefits_unit_goes_to_nobody() -> None:
    office = Office()
    made = office.say("apply", case="fam", person="mother", addressee="jc_benefits", benefit="but")
    assert (made.addressee, made.step.fields["addressee"]) == (None, "jc_benefits")
    decided = office.say("decide", ref=made.ref, result="granted")
    assert (decided.addressee, decided.step.fields["addressee"]) == (None, "jc_benefits")
    with pytest.raises(WorkError) as found:
        other(office).say("apply", case="fam", person="mother", addressee="jc_benefits", benefit="but")
    assert found.value.reason == "unknown_code"


def test_not_assessed_is_a_step_of_its_own() -> None:
    made = Office().say("assess", case="fam", dimension="arbeit", step=None, assessed_by="family")
    assert "step" not in made.step.fields
    assert made.step.fields["grid_version"]


def test_every_verb_says_what_it_is() -> None:
    assert all(one.text.endswith(".") for one in VERBS.values())
