"""The consent desk over both simulated offices: what is signed opens, what is taken back closes, and nothing else."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date

import pytest

from hub.desk.desk import Desk, Family
from hub.desk.signing import consents_of, missing
from hub.desk.texts import consent_text
from hub.desk.ticks import Ticks
from hub.dev.demo import Demo, seeded
from hub.dev.simulate.world import Home
from hub.domain.agencies import Agency
from hub.domain.identifiers import AgencyKey, proof_hash
from hub.errors import UsageError
from hub.policy.facts import Recipient
from hub.views.opening import open_view

JC, JA = "jc-seestadt", "ja-seestadt"
OFFICES = {JC: "jobcenter", JA: "youth_office"}
THERE, BACK = f"{JC}>{JA}", f"{JA}>{JC}"
TEXT = consent_text("tr", date(2026, 6, 5))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Fourteen families after their five days; the last one refused."""
    made = Demo(tmp_path_factory.mktemp("desk"), 14, 1)
    made.run(lambda _: None)
    yield made
    made.close()


@pytest.fixture
def home(demo: Demo) -> Home:
    """The family that refused everything."""
    return next(f for f in demo.simulation.world.families if f.model.kind == "refused").homes[0]


def family(demo: Demo, desk: Desk, home: Home) -> Family:
    number = home.bg_number if desk.config.agency == JC else home.case_number
    found = desk.family(str(number), demo.clock.now())
    assert found is not None
    return found


def ticks(found: Family, at: date, opened: Mapping[str, set[str]]) -> Ticks:
    """Every adult signs for itself, all adults for each child."""
    adults = {member.ref for member in found.household.members if member.adult(at)}
    return Ticks(
        signed={m.ref: frozenset({m.ref} if m.ref in adults else adults) for m in found.household.members},
        opened={key: frozenset(codes) for key, codes in opened.items()},
        purposes=frozenset({"joint_case_management"}),
        workers={},
        interpreter="professional",
    )


def shown(demo: Demo, home: Home, agency: str, role: str) -> set[str]:
    """The event types that a role sees of the other agency."""
    key, of = AgencyKey(seeded(OFFICES[agency])), demo.parts.agencies[agency]
    case = home.bg_number if agency == JC else home.case_number
    view = open_view(demo.parts, key.case(str(case)), _recipient(of, role), "joint_case_management")
    return {
        entry.event_type for part in view.redacted.parts if part.sender != agency for entry in part.entries
    }


def _recipient(agency: Agency, role: str) -> Recipient:
    return Recipient(
        controller=agency.id, kind=agency.kind, role=role, worker=None, assigned=True, undertaking=False
    )


def test_what_the_table_shows_is_what_opens_and_what_is_taken_back_closes(demo: Demo, home: Home) -> None:
    desk, now = demo.desk(JC), demo.clock.now()
    found = family(demo, desk, home)
    assert (found.standing, shown(demo, home, JA, "ja_asd")) == ((), set())
    form = ticks(found, now.date(), {THERE: {"ID", "EG"}, BACK: {"HS"}})
    directions = desk.directions()
    preview = consents_of(found.household, form, directions, TEXT, now)
    sights = desk.table(found, now).sights(directions[0], preview)
    told = {one.event_type for sight in sights if sight.role.role == "ja_asd" for one in sight.seen}
    assert {"PersonRegistered", "MeasureStarted"} <= told
    assert shown(demo, home, JA, "ja_asd") == set(), "ticking opens nothing"

    signed = desk.sign(found, form, directions, TEXT, now)
    demo.settle()
    assert shown(demo, home, JA, "ja_asd") == told
    assert "HelpStarted" in shown(demo, home, JC, "jc_case_manager")
    assert shown(demo, home, JC, "jc_benefits") == set()

    found = family(demo, desk, home)
    there = [one.id for one in found.standing if one.sender == JC]
    assert all(consent.startswith(signed.process) for consent in there)
    scope = {"categories": frozenset({"EG"}), "purposes": frozenset[str](), "recipients": frozenset[str]()}
    assert desk.withdraw(found, there, demo.clock.now(), scope=scope) == 3
    demo.settle()
    assert shown(demo, home, JA, "ja_asd") == {"PersonRegistered"}

    narrowed = family(demo, desk, home)
    desk.sign(narrowed, ticks(narrowed, now.date(), {THERE: {"EG"}}), directions[:1], TEXT, demo.clock.now())
    demo.settle()
    renewed = shown(demo, home, JA, "ja_asd")
    assert "MeasureStarted" in renewed
    assert "PersonRegistered" not in renewed, "a new form takes the place of the old one"
    assert "HelpStarted" in shown(demo, home, JC, "jc_case_manager"), "the other direction stays as it was"

    every = family(demo, desk, home)
    desk.withdraw(every, [one.id for one in every.standing], demo.clock.now())
    demo.settle()
    assert (shown(demo, home, JA, "ja_asd"), shown(demo, home, JC, "jc_case_manager")) == (set(), set())


def test_custody_that_the_desk_records_reaches_the_hub_and_is_corrected(demo: Demo, home: Home) -> None:
    """HelpStarted is about the child: it shows as long as whoever holds custody has signed."""
    desk, now = demo.desk(JA), demo.clock.now()
    found = family(demo, desk, home)
    directions = desk.directions()
    form = ticks(found, now.date(), {directions[0].key: {"HS"}})
    desk.sign(found, form, directions[:1], TEXT, now)
    demo.settle()
    assert "HelpStarted" in shown(demo, home, JC, "jc_case_manager")
    child = next(member for member in found.household.members if not member.adult(now.date()))
    adults = [member.id for member in found.household.members if member.adult(now.date())]
    since = demo.clock.now()
    desk.record_custody(found, child.ref, [], since, demo.clock.now())
    demo.settle()
    assert "HelpStarted" not in shown(demo, home, JC, "jc_case_manager"), "nobody holds custody"
    desk.record_custody(found, child.ref, adults, since, demo.clock.now())
    demo.settle()
    assert "HelpStarted" in shown(demo, home, JC, "jc_case_manager"), "the same moment again is a correction"
    with pytest.raises(UsageError, match="no such person"):
        desk.record_custody(found, "somebody", adults, since, demo.clock.now())


def test_a_withdrawal_at_the_other_office_leaves_although_it_never_saw_the_grant(demo: Demo) -> None:
    """Signed at the youth office for both directions, taken back at the jobcenter by the number on the paper."""
    home = next(f for f in demo.simulation.world.families if f.model.kind == "couple").homes[0]
    assert "HelpStarted" in shown(demo, home, JC, "jc_case_manager")
    signed_at = demo.desk(JA)
    ids = [one.id for one in family(demo, signed_at, home).standing]
    assert len(ids) > 2
    with pytest.raises(UsageError, match="no such consent"):
        demo.desk(JC).withdraw(family(demo, demo.desk(JC), home), ids, demo.clock.now())
    desk = demo.desk(JC)
    desk.withdraw_by_number(family(demo, desk, home), ids, demo.clock.now())
    demo.settle()
    assert (shown(demo, home, JA, "ja_asd"), shown(demo, home, JC, "jc_case_manager")) == (set(), set())


def test_who_must_still_sign_is_named(demo: Demo, home: Home) -> None:
    desk, now = demo.desk(JA), demo.clock.now()
    found = family(demo, desk, home)
    child = next(member for member in found.household.members if not member.adult(now.date()))
    mother, father = (member.ref for member in found.household.members if member.adult(now.date()))
    assert missing(child, {mother}, now) == frozenset({father})
    assert missing(child, {mother, father}, now) == frozenset()
    unknown = family(demo, demo.desk(JC), home)
    same = next(member for member in unknown.household.members if not member.adult(now.date()))
    assert missing(same, set(), now) is None, "the jobcenter does not know who holds custody"


def test_an_objection_closes_what_came_under_secrecy(demo: Demo, home: Home) -> None:
    desk, now = demo.desk(JA), demo.clock.now()
    found = family(demo, desk, home)
    child = next(member for member in found.household.members if not member.adult(now.date()))
    assert desk.object_to(found, child.ref, now).startswith("O-")
    assert family(demo, desk, home).objected == {child.ref}
    with pytest.raises(UsageError, match="no such person"):
        desk.object_to(found, "somebody", now)


@pytest.mark.parametrize(
    ("opened", "change", "says"),
    [
        ({THERE: {"ID"}}, {"signed": {}}, "nobody has signed"),
        ({}, {}, "nothing is ticked"),
        ({THERE: {"ID"}}, {"interpreter": "the neighbour"}, "unknown interpreter"),
        ({THERE: {"ID"}}, {"purposes": frozenset({"sanction_control"})}, "unknown purpose"),
        ({THERE: {"ID"}}, {"code": "2345-6789"}, "misread"),
    ],
)
def test_an_unfinished_form_is_refused_and_leaves_nothing(
    demo: Demo, home: Home, opened: Mapping[str, set[str]], change: Mapping[str, object], says: str
) -> None:
    desk, now = demo.desk(JC), demo.clock.now()
    found, before = family(demo, desk, home), demo.desk(JC).grants()
    form = replace(ticks(found, now.date(), opened), **change)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=says):
        desk.sign(found, form, desk.directions(), TEXT, now)
    assert demo.desk(JC).grants() == before


def test_the_proof_is_what_was_signed_word_by_word(demo: Demo, home: Home) -> None:
    desk, now = demo.desk(JC), demo.clock.now()
    found = family(demo, desk, home)
    form = ticks(found, now.date(), {THERE: {"ID", "G9"}})
    signed = desk.sign(found, form, desk.directions(), TEXT, now)
    said = desk.proof(signed.process)
    assert said is not None
    assert proof_hash(said.encode()) == signed.proof
    grants, _ = desk.grants()
    mine = [grant for grant in grants if grant.process == signed.process]
    assert {grant.proof_hash for grant in mine} == {signed.proof}
    assert {(grant.text_version, grant.language, grant.interpreter) for grant in mine} == {
        ("2026-06/tr", "tr", "professional")
    }
    assert all(grant.explicit_special for grant in mine)
    assert all(grant.consent_id in said for grant in mine), "by these numbers anybody can take it back"
    for text in (TEXT.sha256, TEXT.word("notices", "refusal", "text"), TEXT.word("special", "text")):
        assert text in said


def test_an_unknown_case_has_no_family(demo: Demo) -> None:
    assert demo.desk(JC).family("33107BG9999999", demo.clock.now()) is None
