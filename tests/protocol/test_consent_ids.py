"""Rule 7: a consent id is its agency's own, and a withdrawal ends what the same person gave or its author signed."""

from datetime import date
from itertools import permutations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from connectors.pipeline.gate.register import Register
from hub.cli.consent.show import all_told
from hub.cli.doctor.store import store_checks
from hub.config import load_settings
from hub.domain.consent import referred
from hub.metrics.store import StoreCollector
from hub.rights.consent_history import consent_stories, consent_story
from tests.support.world import CHILD, JA, JC, MASTER, MOTHER, World

STRANGER = "stranger"


@pytest.fixture
def world(small: World) -> World:
    small.know_family()
    return small


def _ended(world: World, agency: str) -> bool:
    story = consent_story(world.parts, f"{agency}:1001")
    assert story is not None
    return story.consent.withdrawn_at is not None


def _stranger_with_the_same_number(world: World) -> None:
    world.jc.grants("1001", MOTHER, ["EG"])
    world.measure(["1001"])
    world.ja.born(STRANGER, date(1980, 1, 1), family="other")
    world.ja.grants("1001", STRANGER, ["HS"], family="other")
    world.help(["1001"], person=STRANGER, family="other")
    world.run()
    world.wait(hours=1)


def test_two_offices_running_numbers_never_meet(world: World) -> None:
    _stranger_with_the_same_number(world)
    world.ja.withdraws("1001", STRANGER, family="other")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert not _ended(world, JC)
    assert _ended(world, JA)
    assert f"{JC}:{world.jc.ref(MOTHER)}" not in {row["subject"] for row in world.rows("erased")}
    world.measure(["1001"], key="later")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted", "MeasureStarted"]


def test_a_person_with_the_same_number_at_both_offices_ends_the_one_she_means(world: World) -> None:
    world.jc.grants("1001", MOTHER, ["EG"])
    world.ja.grants("1001", MOTHER, ["HS"])
    world.measure(["1001"])
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    world.wait(hours=1)
    world.ja.withdraws("1001", MOTHER)
    world.run()
    assert (_ended(world, JC), _ended(world, JA)) == (False, True)
    world.ja.withdraws(f"{JC}:1001", MOTHER, key="by office and number")
    world.run()
    assert _ended(world, JC)
    assert world.seen(JA, "ja_asd") == []


@pytest.mark.parametrize("named", ["1001", f"{JC}:1001"])
def test_the_paper_of_one_office_is_heard_at_the_other(world: World, named: str) -> None:
    _stranger_with_the_same_number(world)
    world.ja.withdraws(named, MOTHER)
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert (_ended(world, JC), _ended(world, JA)) == (True, False)


@pytest.mark.parametrize("named", ["1001", f"{JC}:1001"])
def test_a_stranger_ends_nothing_of_another(world: World, named: str) -> None:
    _stranger_with_the_same_number(world)
    world.ja.withdraws(named, STRANGER, family="other", key="theirs")
    world.jc.born("neighbour", date(1980, 1, 1), family="next door")
    world.jc.withdraws("1001", "neighbour", family="next door")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert not _ended(world, JC)


def _doctor_is_content(world: World) -> bool:
    settings = load_settings(data=world.data, kek=MASTER)
    return next(one.ok for one in store_checks(settings) if one.name == "broken_narrowing")


def _standing(world: World) -> str:
    registry = CollectorRegistry()
    registry.register(StoreCollector(world.parts))
    lines = generate_latest(registry).decode().splitlines()
    return next(one for one in lines if one.startswith("hub_quarantine_records{"))


def _items(world: World) -> list[tuple[str, str]]:
    return [(row["stage"], row["reason"]) for row in world.rows("quarantine_item")]


@pytest.mark.parametrize("first", ["grant", "withdrawal"])
@pytest.mark.parametrize("scope", [None, '{"categories": ["EG"]}'])
def test_an_agency_ends_its_own_consent_though_nobody_knows_who_says_it(
    world: World, first: str, scope: str | None
) -> None:
    """Whoever the row's subject is: it names the paper, and the pseudonym means nobody else."""
    if first == "grant":
        world.jc.grants("1001", MOTHER, ["EG"])
        world.measure(["1001"])
        world.run()
        assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    world.jc.withdraws("1001", "nobody", family="nobody's", scope=scope)
    world.run()
    if first == "withdrawal":
        world.jc.grants("1001", MOTHER, ["EG"])
        world.measure(["1001"])
        world.run()
    assert world.seen(JA, "ja_asd") == []
    assert _items(world) == [("consents", "narrowed_unknown_subject")]
    assert world.divergence() == 0
    world.wait(seconds=1)
    world.jc.born("nobody", date(1980, 1, 1), family="nobody's")
    world.measure(["1001"], key="later")
    world.run()
    assert world.seen(JA, "ja_asd") == [], "who it is may turn out later; what was taken back stays so"


@pytest.mark.parametrize("number", ["1001", f"{JC}:1001"])
def test_an_unknown_subject_of_another_agency_ends_nothing(world: World, number: str) -> None:
    world.jc.grants("1001", MOTHER, ["EG"])
    world.measure(["1001"])
    world.ja.withdraws(number, "nobody", family="nobody's")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_a_withdrawal_by_somebody_else_ends_nothing_and_is_told(world: World) -> None:
    world.jc.born("neighbour", date(1980, 1, 1), family="next door")
    world.jc.grants("1001", MOTHER, ["EG"])
    world.measure(["1001"])
    world.jc.withdraws("1001", "neighbour", family="next door")
    world.jc.grants("1002", CHILD, ["EG"], by=[MOTHER])
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert _items(world) == [("consents", "not_theirs")]
    assert not _doctor_is_content(world)
    assert _standing(world) == f'hub_quarantine_records{{agency="{JC}",reason="not_theirs"}} 1.0'
    world.jc.withdraws("1002", MOTHER)
    world.run()
    assert _items(world) == [("consents", "not_theirs")], "who signed takes it back: nothing to tell"


@pytest.mark.parametrize("office", [JC, JA])
def test_who_signed_for_a_child_takes_it_back(world: World, office: str) -> None:
    world.ja.grants("1001", CHILD, ["HS"], by=[MOTHER])
    world.help(["1001"])
    world.run()
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    world.wait(hours=1)
    {JC: world.jc, JA: world.ja}[office].withdraws(f"{JA}:1001", MOTHER)
    world.run()
    assert world.seen(JC, "jc_case_manager") == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_second_consent_under_a_taken_id_is_refused_and_hides_nobody_elses(
    world: World, order: tuple[int, ...]
) -> None:
    """However they come: recorded first holds the id."""
    world.jc.born("neighbour", date(1980, 1, 1), family="next door")
    world.wait(hours=1)
    at = world.clock.now()
    world.wait(hours=1)
    tell = [
        lambda: world.jc.grants("1001", MOTHER, ["EG"], at=at),
        lambda: world.jc.grants("1001", "neighbour", ["EG"], family="next door", key="again"),
        lambda: world.jc.grants("1001", MOTHER, ["LS"], key="wider"),
    ]
    for number in order:
        tell[number]()
        world.run()
    world.measure(["1001"])
    world.measure(["1001"], person="neighbour", family="next door", key="of the neighbour")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert len([row for row in world.rows("consent_row") if row["event_type"] == "ConsentGranted"]) == 3


def _two_papers(world: World) -> None:
    """Each office numbered one of its own, both for the jobcenter's data."""
    world.jc.grants("1001", MOTHER, ["LS"])
    world.wait(hours=1)
    world.ja.grants("1001", MOTHER, ["EG"], sender=JC, to=[JA])


def test_papers_of_two_offices_with_one_number_and_one_sender_are_two(world: World) -> None:
    _two_papers(world)
    world.measure(["1001"])
    world.run()
    assert world.seen(JA, "ja_asd") == [], "the jobcenter's own 1001 does not cover it"
    world.measure([f"{JA}:1001"], key="by office and number")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    found = {row["consents"] for row in world.rows("disclosure_ground") if row["category"] == "EG"}
    assert found == {f'["{JA}:1001"]'}
    for office, categories in ((JC, {"LS"}), (JA, {"EG"})):
        story = consent_story(world.parts, f"{office}:1001")
        assert story is not None
        assert story.consent.recorded_by == office
        assert set(story.consent.categories) == categories
    register = Register(JC, world.parts.log, world.parts.keys)
    register.refresh(set())
    assert set(register.consents) == {"1001", f"{JA}:1001"}


def test_a_number_alone_means_the_papers_of_both_offices(world: World) -> None:
    """Of one person, and of two who have nothing to do with each other; office and number mean one of them."""
    _two_papers(world)
    world.ja.born(STRANGER, date(1980, 1, 1), family="other")
    world.jc.grants("2002", MOTHER, ["LS"])
    world.ja.grants("2002", STRANGER, ["HS"], family="other")
    world.run()
    for number in ("1001", "2002"):
        stories = consent_stories(world.parts, number)
        assert [one.consent.recorded_by for one in stories] == [JA, JC]
        said = "\n".join(str(one) for one in all_told(stories))
        assert f"{JA}:{number}, {JC}:{number}" in said
        assert f"{number} ({JA})" in said
        assert f"{number} ({JC})" in said
        (one,) = consent_stories(world.parts, f"{JC}:{number}")
        assert one.consent.recorded_by == JC


def test_a_number_in_clear_at_one_office_hides_no_sealed_one(world: World) -> None:
    """The other office records its papers under ids of its own, the number stands under the seal."""
    world.jc.grants("1001", MOTHER, ["LS"])
    world.ja.born(STRANGER, date(1980, 1, 1), family="other")
    world.ja.grants("id", STRANGER, ["EG"], family="other", payload={"id": "1001"})
    world.run()
    stories = consent_stories(world.parts, "1001")
    assert [one.consent.recorded_by for one in stories] == [JA, JC]


@pytest.mark.parametrize("ended", [JC, JA])
@pytest.mark.parametrize("qualified", [True, False])
def test_each_of_two_papers_with_one_number_ends_alone(world: World, ended: str, qualified: bool) -> None:
    _two_papers(world)
    world.run()
    world.wait(hours=1)
    office = {JC: world.jc, JA: world.ja}[ended]
    office.withdraws(f"{ended}:1001" if qualified else "1001", MOTHER)
    world.run()
    assert {one: _ended(world, one) for one in (JC, JA)} == {JC: ended == JC, JA: ended == JA}


def test_a_number_that_two_other_offices_gave_names_neither_paper() -> None:
    papers = ["ja-a:1001", "ja-b:1001", "ja-b:1002"]
    assert referred(["1001"], JC, papers) == frozenset()
    assert referred(["ja-b:1001", "1002"], JC, papers) == {"ja-b:1001", "ja-b:1002"}
    assert referred(["1001"], JC, [*papers, f"{JC}:1001"]) == {f"{JC}:1001"}


def test_the_gate_knows_both_consents_of_one_number(world: World) -> None:
    world.jc.grants("7", MOTHER, ["EG"])
    world.ja.grants("7", CHILD, ["LS"], sender=JC, to=[JA], by=[MOTHER])
    world.run()
    register = Register(JC, world.parts.log, world.parts.keys)
    register.refresh(set())
    found = {name: sorted(one.consent.categories) for name, one in register.consents.items()}
    assert found == {"7": ["EG"], f"{JA}:7": ["LS"]}
    assert {one.consent.number for one in register.consents.values()} == {"7"}


def test_a_second_persons_consent_under_an_id_that_is_taken_is_refused(small: World) -> None:
    small.know_family()
    small.jc.grants("c1", MOTHER, ["EG"])
    small.measure()
    small.measure(["c9"], person=CHILD, key="child with a consent of its own")
    small.jc.grants("c9", CHILD, ["EG"], by=[MOTHER])
    small.run()
    assert small.seen(JA, "ja_asd") == ["MeasureStarted", "MeasureStarted"]
    small.wait(minutes=1)
    small.jc.grants("c1", CHILD, ["LS"], by=[MOTHER], key="second")
    small.jc.say("BenefitGranted", CHILD, {"kind": "RB", "month": "2026-09"}, key="b", consents=["c1"])
    small.run()
    assert small.seen(JA, "ja_asd") == ["MeasureStarted", "MeasureStarted"]
    small.jc.grants("c10", CHILD, ["LS"], by=[MOTHER])
    small.jc.say("BenefitGranted", CHILD, {"kind": "RB", "month": "2026-10"}, key="b2", consents=["c10"])
    small.run()
    assert "BenefitTotal" in small.seen(JA, "ja_asd")
