"""The work book over both simulated offices, through the ordinary connectors: what is said is shown, and only that."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import select

from hub.desk.texts import consent_text
from hub.desk.ticks import Ticks
from hub.desk.work.desk import WorkDesk
from hub.desk.work.objects import WorkError
from hub.desk.work.steps import WORK_EVENTS
from hub.dev.demo import Demo, seeded
from hub.dev.simulate.world import Home
from hub.domain.clock import berlin_day
from hub.domain.identifiers import AgencyKey
from hub.failpoints import observed
from hub.policy.facts import Recipient
from hub.store.tables import decision
from hub.views.opening import open_view

JC, JA = "jc-seestadt", "ja-seestadt"
OFFICES = {JC: "jobcenter", JA: "youth_office"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    made = Demo(tmp_path_factory.mktemp("work"), 14, 1)
    made.run(lambda _: None)
    _sign(made, _home(made))
    yield made
    made.close()


def test_a_desk_without_an_entry_reads_an_empty_work_book(demo: Demo) -> None:
    assert demo.counts()["source_quarantined"] == {"snapshot_held": 1}


@pytest.fixture
def home(demo: Demo) -> Home:
    return _home(demo)


def _home(demo: Demo) -> Home:
    return next(one for one in demo.simulation.world.families if one.model.kind == "refused").homes[0]


def _sign(demo: Demo, home: Home) -> None:
    """Everybody opens agreements, appointments and matters in both directions, at the jobcenter."""
    desk, now = demo.desk(JC), demo.clock.now()
    found = desk.family(str(home.bg_number), now)
    assert found is not None
    adults = {member.ref for member in found.household.members if member.adult(now.date())}
    ticks = Ticks(
        signed={m.ref: frozenset({m.ref} if m.ref in adults else adults) for m in found.household.members},
        opened={one.key: frozenset({"VB", "TM", "VG"}) for one in desk.directions()},
        purposes=frozenset({"joint_case_management"}),
        workers={},
        interpreter="none",
    )
    desk.sign(found, ticks, desk.directions(), consent_text("de", berlin_day(now)), now)
    demo.settle()


def book(demo: Demo, agency: str) -> WorkDesk:
    return WorkDesk(demo.desk(agency), demo.parts.log, demo._keys(agency))


def say(demo: Demo, agency: str, verb: str, *, dry_run: bool = False, **said: Any) -> Mapping[str, Any]:
    return book(demo, agency).say(verb, said, demo.clock.now(), dry_run=dry_run)


def shown(demo: Demo, home: Home, agency: str, role: str) -> Mapping[str, Mapping[str, Any]]:
    """Event type → the fields that a role sees of the other agency's joint work (one entry of each type)."""
    of, key = demo.parts.agencies[agency], AgencyKey(seeded(OFFICES[agency]))
    case = home.bg_number if agency == JC else home.case_number
    asking = Recipient(
        controller=of.id, kind=of.kind, role=role, worker=None, assigned=True, undertaking=False
    )
    view = open_view(demo.parts, key.case(str(case)), asking, "joint_case_management")
    return {
        entry.event_type: entry.fields
        for part in view.redacted.parts
        if part.sender != agency
        for entry in part.entries
        if entry.event_type in WORK_EVENTS
    }


def of_role(answer: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    return next(one for one in answer["decisions"] if one["role"] == role)


def test_what_is_said_is_shown_and_answered_by_the_other_office(demo: Demo, home: Home) -> None:
    mother = str(min(home.in_jobcenter, key=lambda one: one.birth_date).jobcenter_id)
    said: dict[str, Any] = {
        "case": str(home.bg_number),
        "person": mother,
        "addressee": JA,
        "benefit": "but",
        "key": "once",
        "stamp": {"project": "Chancen", "phone": "123"},
    }
    dry = say(demo, JC, "apply", dry_run=True, **said)
    assert (dry["written"], listed(demo, home)) == (False, [])
    made = say(demo, JC, "apply", **said)
    assert say(demo, JC, "apply", **said) == made, "the same key writes once and answers the same"
    assert len(listed(demo, home)) == 1
    with pytest.raises(WorkError) as found:
        say(demo, JA, "query", ref=made["ref"], missing=["ausweis"])
    assert found.value.reason == "unknown_ref", "nothing of it was shown yet"
    demo.settle()
    told = shown(demo, home, JA, "ja_asd")["ApplicationSubmitted"]
    assert sorted(told) == of_role(dry, "ja_asd")["kept"] == of_role(made, "ja_asd")["kept"]
    assert told["stamp"] == {"project": "Chancen", "phone": "123"}
    answered = say(demo, JA, "query", ref=made["ref"], missing=["ausweis"])
    demo.settle()
    told = shown(demo, home, JC, "jc_case_manager")["ApplicationQueried"]
    assert sorted(told) == of_role(answered, "jc_case_manager")["kept"]
    assert (told["matter_ref"], told["addressee"], list(told["missing"])) == (made["ref"], JC, ["ausweis"])
    with pytest.raises(WorkError) as found:
        say(demo, JC, "decide", ref=made["ref"], result="granted")
    assert found.value.reason == "not_yours"


def test_the_answer_names_the_event_that_is_published(demo: Demo, home: Home) -> None:
    mother = str(min(home.in_jobcenter, key=lambda one: one.birth_date).jobcenter_id)
    made = say(
        demo, JC, "agree", case=str(home.bg_number), person=mother, owner="ja_asd", code="antrag_stellen"
    )
    demo.settle()
    with demo.parts.store.transaction() as connection:
        known = connection.execute(select(decision.c.event_id)).scalars()
        assert made["event_id"] in {str(one) for one in known}


def test_a_kill_between_saving_and_publishing_writes_once_and_publishes_once(demo: Demo, home: Home) -> None:
    mother = str(min(home.in_jobcenter, key=lambda one: one.birth_date).jobcenter_id)
    said: dict[str, Any] = {
        "case": str(home.bg_number),
        "person": mother,
        "owner": "ja_asd",
        "code": "antrag_stellen",
        "key": "killed",
    }
    before = len(listed(demo, home))

    def kill(point: str) -> None:
        if point == "work.saved":
            raise Killed

    with observed(kill), pytest.raises(Killed):
        say(demo, JC, "task", **said)
    made = say(demo, JC, "task", **said)
    assert made["written"] is True
    assert len(listed(demo, home)) == before + 1
    published = demo.outcome.published
    demo.settle()
    assert demo.outcome.published == published + 1
    demo.settle()
    assert demo.outcome.published == published + 1


class Killed(BaseException):
    """The process ended here."""


def listed(demo: Demo, home: Home) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = book(demo, JC).listed({"case": str(home.bg_number)}, demo.clock.now())[
        "entries"
    ]
    return found
