"""Rules 1 to 3 and 17: what a record, a version and a case are, and what joins two cases."""

from datetime import timedelta
from itertools import permutations

import pytest

from hub.domain.identifiers import AgencyKey
from hub.parts import CASES
from tests.support.world import CHILD, CODE, JA, JC, MOTHER, NOW, Office, World


def test_rule_1_a_record_is_the_same_in_every_version_and_nobody_else_can_name_it() -> None:
    key, other = AgencyKey(b"1" * 32), AgencyKey(b"2" * 32)
    record = key.record_ref("s", "4711", "MeasureStarted", key.person("m"))
    assert record == key.record_ref("s", "4711", "MeasureStarted", key.person("m"))
    assert len({record, other.record_ref("s", "4711", "MeasureStarted", key.person("m"))}) == 2
    events = {key.event_id(record, 1), key.event_id(record, 2), other.event_id(record, 1)}
    assert len(events) == 3
    assert {len(name) for name in (record, *events)} == {16}


def test_rule_1_back_to_the_first_content_is_a_third_version(world: World) -> None:
    world.shared()
    for version, provider in enumerate(("B", "A"), start=1):
        world.measure(provider=provider, version=version)
    world.run()
    assert len(world.rows("case_row")) == 2
    assert _providers(world) == ["A"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_rule_2_the_highest_version_and_publication_stands_in_every_order(
    small: World, order: tuple[int, ...]
) -> None:
    world = small
    world.shared()
    versions = [(1, 1, "old"), (2, 1, "new"), (2, 2, "newest")]
    for version, publication, provider in (versions[place] for place in order):
        world.measure(
            version=version, publication=publication, provider=provider, at=NOW + timedelta(hours=1)
        )
        world.run()
    assert _providers(world) == ["newest"]
    assert world.divergence() == 0


def test_rule_2_the_highest_stands_within_one_batch_too(world: World) -> None:
    world.shared()
    for version, provider in ((2, "new"), (1, "old")):
        world.measure(version=version, provider=provider)
    world.run()
    assert _providers(world) == ["new"]


def test_rule_2_duplicates_have_no_effect(world: World) -> None:
    world.shared()
    views, rows = len(world.views(JA)), world.rows("case_row")
    for office in (world.jc, world.ja):
        for number in range(len(office.sent)):
            office.repeat(number)
    world.run()
    assert world.rows("case_row") == rows
    assert len(world.records(CASES)) == 2
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert (
        len({(one.view["role"], one.view["version"]) for one in world.views(JA)})
        == len(world.views(JA))
        >= views
    )
    assert world.divergence() == 0


def test_rule_2_what_was_withheld_is_decided_anew_in_a_later_publication(world: World) -> None:
    world.know_family()
    world.jc.grants("c1", MOTHER, ["LS"])
    world.measure()
    world.run()
    assert world.decisions() == [("withheld", "R04")]
    world.jc.grants("c3", MOTHER, ["EG"])
    world.measure(["c1", "c3"], publication=2)
    world.run()
    assert world.decisions() == [("admitted", ""), ("withheld", "R04")]
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_rule_2_a_withheld_event_may_come_again_under_its_own_number(world: World) -> None:
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"], payload={"form": "oral"})
    world.jc.grants("c3", MOTHER, ["LS"])
    world.measure(["c1", "c3"])
    world.run()
    assert world.decisions() == [("withheld", "R04")]
    world.jc.withdraws("c3", MOTHER)
    world.jc.grants("c4", MOTHER, ["EG"])
    world.run()
    world.measure(["c4"])
    world.run()
    assert world.decisions() == [("admitted", "")]


@pytest.mark.parametrize("together", [True, False])
def test_rule_2_an_agency_cannot_replace_the_records_of_another(world: World, together: bool) -> None:
    """The record refs of others stand in every view, so a poisoned connector can name them."""
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"])
    world.ja.grants("c2", CHILD, ["HS"], by=[MOTHER])
    mine = world.measure()
    if not together:
        world.run()
    forged = world.ja.draft("HelpStarted", CHILD, {"paragraph": "31"}, consents=["c2"], version=99)
    world.ja.send(forged._replace(record_ref=mine.record_ref))
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_rule_2_an_agency_cannot_replace_the_consents_of_another(world: World) -> None:
    world.shared()
    world.wait(minutes=1)
    end = world.jc.withdraws("c1", MOTHER)
    world.run()
    forged = world.ja.draft("SubjectRecorded", CHILD, {"capable": True}, key="x")
    world.ja.send(forged._replace(event_id=end.event_id, publication=9))
    world.run()
    world.parts.knowledge.clear()
    world.ja.born(CHILD, NOW.date())
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert world.open(JA, "ja_asd").redacted.parts[0].sender == JA


def test_rule_3_a_child_with_two_homes_does_not_join_them(world: World) -> None:
    world.shared()
    world.ja.born("father", NOW.date().replace(year=1988), family="other")
    world.ja.born(CHILD, NOW.date().replace(year=2016), family="other")
    world.ja.grants("c9", "father", ["HS"], family="other")
    world.help(["c9"], person="father", family="other", key="father's")
    world.run()
    assert len({row["joint_case"] for row in world.rows("case_link")}) == 1
    assert world.ja.case("other") not in {row["case_key"] for row in world.rows("case_link")}
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    assert len(world.last(JC, "jc_case_manager").parts) == 1  # type: ignore[union-attr]


def test_rule_3_two_families_of_one_agency_are_not_joined_by_one_code(world: World) -> None:
    """A code typed at the wrong family must not make two mothers one: then one consent would open the other's data."""
    world.shared()
    world.jc.born("stranger", NOW.date().replace(year=1985), family="other")
    world.jc.pairs("stranger", 1, code=CODE, family="other")
    world.measure(["c1"], person="stranger", family="other", key="stranger's", provider="Fremd")
    world.run()
    assert world.jc.case("other") not in {row["case_key"] for row in world.rows("case_link")}
    assert _providers(world) == ["Träger"]
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_rule_3_a_case_keeps_its_reference(world: World) -> None:
    world.shared()
    assert {one.view["case_ref"] for one in world.views(JA)} == {world.ja.key.case("fam")}
    assert {one.view["case_ref"] for one in world.views(JC)} == {world.jc.key.case("fam")}


def test_rule_17_linking_writes_nothing_to_the_event_store_and_works_backwards(world: World) -> None:
    for office in (world.jc, world.ja):
        office.born(MOTHER, NOW.date().replace(year=1990))
    world.jc.grants("c1", MOTHER, ["EG"])
    world.measure()
    world.run()
    before = [(record.key, record.value) for record in world.records(CASES)]
    assert world.views(JA) == []
    for office in (world.jc, world.ja):
        office.pairs(MOTHER, 1)
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert [(record.key, record.value) for record in world.records(CASES)] == before
    assert before[0][0] == world.jc.key.case("fam").encode()


@pytest.mark.parametrize("named", [(JC, JA), (JC,), (JA,), ()])
def test_rule_17_a_split_recalls_what_the_link_had_shown(world: World, named: tuple[str, ...]) -> None:
    """Whoever of the two is named, and even when nobody is: neither is shown across agencies any more."""
    world.shared()
    world.wait(minutes=1)
    office = {JC: world.jc, JA: world.ja}
    refs = [office[agency].subject(MOTHER) for agency in named]
    (office[named[0]] if named else world.jc).say("IdentitySplit", MOTHER, {"refs": refs} if refs else {})
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    for one in world.jc, world.ja:
        one.pairs(MOTHER, 1, code="NEW")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_rule_17_nobody_links_persons_of_other_agencies_only(world: World) -> None:
    world.shared()
    world.ja.born("twin", NOW.date().replace(year=2016))
    world.help(["c2"], person="twin", key="twin's", provider="Zwilling")
    refs = [world.ja.subject(CHILD), world.ja.subject("twin")]
    world.jc.say("IdentityLinked", MOTHER, {"refs": refs, "method": "exact"})
    world.run()
    parts = world.last(JC, "jc_case_manager").parts  # type: ignore[union-attr]
    assert [one.types for one in parts] == [["HelpStarted"]]


_CONFIRMED: dict[str, object] = {"method": "worker", "confirmed_by": ["w1", "w2"]}


def _linked(world: World, *said: tuple[Office, dict[str, object]]) -> list[str]:
    """The types that the youth office is shown of the mother, after these words about her."""
    for office in (world.jc, world.ja):
        office.born(MOTHER, NOW.date().replace(year=1990))
    refs = [world.jc.subject(MOTHER), world.ja.subject(MOTHER)]
    for office, how in said:
        office.say("IdentityLinked", MOTHER, {"refs": refs, **how})
    world.jc.grants("c1", MOTHER, ["EG"])
    world.measure()
    world.run()
    return world.seen(JA, "ja_asd")


def test_rule_17_what_both_agencies_say_joins_persons_and_cases(world: World) -> None:
    assert _linked(world, (world.jc, {"method": "exact"}), (world.ja, {"method": "exact"})) == [
        "MeasureStarted"
    ]


@pytest.mark.parametrize("agency", [JC, JA])
def test_rule_17_what_two_workers_confirmed_joins_persons_and_cases(world: World, agency: str) -> None:
    office = {JC: world.jc, JA: world.ja}[agency]
    assert _linked(world, (office, _CONFIRMED)) == ["MeasureStarted"]


@pytest.mark.parametrize(
    "how",
    [
        {"method": "exact"},
        {"method": "worker"},
        {"method": "worker", "confirmed_by": ["w1"]},
        {"method": "worker", "confirmed_by": ["w1", "w1"]},
        {"method": "exact", "score": 1.0, "confirmed_by": ["w1"]},
    ],
)
@pytest.mark.parametrize("agency", [JC, JA])
def test_rule_17_one_agencys_word_alone_joins_nothing(
    world: World, agency: str, how: dict[str, object]
) -> None:
    office = {JC: world.jc, JA: world.ja}[agency]
    assert _linked(world, (office, how), (office, how)) == []
    assert not any(row["linked"] for row in world.rows("subject"))
    assert world.rows("case_link") == []


def test_rule_17_a_confirmed_link_waits_for_the_other_agencys_case(world: World) -> None:
    refs = [world.jc.subject(MOTHER), world.ja.subject(MOTHER)]
    world.jc.born(MOTHER, NOW.date().replace(year=1990))
    world.jc.say("IdentityLinked", MOTHER, {"refs": refs, **_CONFIRMED})
    world.jc.grants("c1", MOTHER, ["EG"])
    world.measure()
    world.run()
    assert world.seen(JA, "ja_asd") == []
    world.ja.born(MOTHER, NOW.date().replace(year=1990))
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_rule_17_a_link_by_name_never_guesses_which_of_two_cases(world: World) -> None:
    """Rule 3: a person of two homes joins neither, until the other agency says which."""
    for family in ("one home", "other home"):
        world.ja.born(MOTHER, NOW.date().replace(year=1990), family=family)
    world.run()
    refs = [world.jc.subject(MOTHER), world.ja.subject(MOTHER)]
    world.jc.born(MOTHER, NOW.date().replace(year=1990))
    world.jc.say("IdentityLinked", MOTHER, {"refs": refs, **_CONFIRMED})
    world.run()
    assert world.rows("case_link") == []
    world.ja.say("IdentityLinked", MOTHER, {"refs": refs, "method": "exact"}, family="one home")
    world.run()
    joined = {row["case_key"] for row in world.rows("case_link")}
    assert joined == {f"{JC}:{world.jc.key.case('fam')}", f"{JA}:{world.ja.key.case('one home')}"}


def test_rule_17_a_split_parts_whom_a_name_joined(world: World) -> None:
    assert _linked(world, (world.jc, _CONFIRMED)) == ["MeasureStarted"]
    world.wait(hours=1)
    world.ja.say("IdentitySplit", MOTHER, {})
    world.run()
    assert world.seen(JA, "ja_asd") == []
    world.jc.repeat(1)
    world.run()
    assert world.seen(JA, "ja_asd") == []


def _providers(world: World) -> list[str]:
    last = world.last(JA, "ja_asd")
    assert last is not None
    return [entry["fields"]["provider"] for part in last.parts for entry in (part.content or {})["entries"]]
