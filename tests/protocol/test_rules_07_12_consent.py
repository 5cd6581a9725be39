"""Rules 7 to 12: what a consent opens, from when to when, and who is told."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from itertools import permutations
from typing import Any

import orjson
import pytest

from hub.domain.clock import berlin_midnight
from hub.domain.seal import key_version, open_box, place
from hub.policy.facts import Recipient
from hub.ports import Key, KeyRef
from hub.stages.register import beat
from hub.subjects.register_entries import ENTRY
from hub.views.opening import open_view
from schemas import decode_single
from tests.support.world import CHILD, FAMILY, JA, JC, MOTHER, NOW, World


@pytest.fixture
def world(small: World) -> World:
    """Folding is the same on every database; what the database does is in the tests of rules 5, 10 and 18."""
    return small


def _shown(world: World) -> list[str]:
    return world.seen(JA, "ja_asd")


# --- rule 7 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["garbled", "no sender", "no boxes"])
def test_rule_7_a_grant_that_cannot_be_read_grants_nothing(world: World, fault: str) -> None:
    world.know_family()
    payload: dict[str, Any] = {"sender": None} if fault == "no sender" else {}
    whole = world.jc.grants("c1", MOTHER, ["EG"], payload=payload, key="first")
    world.run()
    if fault != "no sender":
        world.jc.grants("c9", MOTHER, ["EG"])
    boxes = {"garbled": {"CT": whole.boxes["CT"][:-1] + b"x"}, "no boxes": {}}.get(fault, dict(whole.boxes))
    fields = {} if fault == "no boxes" else dict(whole.fields)
    ref = "c1" if fault == "no sender" else "c2"
    if fault != "no sender":
        world.jc.send(whole._replace(boxes=boxes, fields=fields, consent_id="c2", event_id=bytes(16)))
    world.measure([ref])
    world.run()
    assert _shown(world) == []
    assert world.total("admit", "held") == 1


UNREADABLE = [
    "{",
    "[]",
    "null",
    '"EG"',
    "{}",
    '{"categories": "EG"}',
    '{"categories": [1]}',
    '{"categories": ["Maßnahmen"]}',
    '{"categories": {"EG": 1}}',
    '{"purposes": ["everything"]}',
    '{"category": ["HS"]}',
    "\x00",
    "x" * 20_000,
]


@pytest.mark.parametrize("scope", UNREADABLE, ids=range(len(UNREADABLE)))
def test_rule_7_a_scope_that_cannot_be_read_withdraws_everything(world: World, scope: str) -> None:
    world.shared()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER, scope=scope, key="end")
    world.run()
    assert _shown(world) == []


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        ('{"categories": ["EG"]}', ["BenefitTotal"]),
        ('{"categories": ["LS"]}', ["MeasureStarted"]),
        ('{"categories": ["EG"], "recipients": ["jc-a"]}', ["BenefitTotal", "MeasureStarted"]),
        ('{"recipients": ["ja-a"]}', []),
        ('{"purposes": ["joint_case_management"], "categories": ["EG", "LS"]}', []),
    ],
)
def test_rule_7_a_scope_withdraws_where_all_its_dimensions_meet(
    world: World, scope: str, seen: list[str]
) -> None:
    world.shared()
    world.jc.say("BenefitGranted", MOTHER, {"kind": "RB", "month": "2026-09"}, consents=["c1"])
    world.run()
    world.wait(hours=1)
    world.jc.withdraws("c1", MOTHER, scope=scope)
    world.run()
    assert _shown(world) == seen


@pytest.mark.parametrize("order", list(permutations(range(2))))
@pytest.mark.parametrize("ahead", [0, 1])
def test_rule_7_of_two_grants_with_one_id_the_smaller_stands(
    world: World, order: tuple[int, ...], ahead: int
) -> None:
    """However they come: recorded first wins, even when it is received last."""
    world.know_family()
    for number in order:
        categories = ["LS"] if number == 0 else ["EG"]
        at = NOW + timedelta(minutes=number if not ahead else 1 - number)
        world.jc.grants("c1", MOTHER, categories, key=f"grant {number}", at=at)
        world.run()
        world.wait(minutes=5)
    world.measure(["c1"])
    world.run()
    assert _shown(world) == (["MeasureStarted"] if ahead else [])
    assert world.divergence() == 0


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_rule_7_no_order_brings_a_withdrawn_consent_back(world: World, order: tuple[int, ...]) -> None:
    world.shared()
    world.wait(hours=1)
    tell: list[Callable[[], object]] = [
        lambda: world.jc.withdraws("c1", MOTHER),
        lambda: world.jc.repeat(2),
        lambda: world.jc.grants("c1", MOTHER, ["EG", "LS", "ID"], key="once more"),
    ]
    for number in order:
        tell[number]()
        world.run()
    assert world.divergence() == 0
    world.measure(publication=7, key="again")
    world.run()
    assert _shown(world) == []
    assert world.open(JA, "ja_asd").redacted.parts[0].sender == JA


# --- rule 8 ---------------------------------------------------------------------------------------------------------


def test_rule_8_a_withdrawal_that_comes_before_its_grant_sticks(world: World) -> None:
    world.know_family()
    world.jc.withdraws("c1", MOTHER)
    world.run()
    world.jc.grants("c1", MOTHER, ["EG"])
    world.measure()
    world.run()
    assert _shown(world) == []
    assert world.decisions() == [("withheld", "R04")]


def test_rule_8_a_withdrawal_works_from_any_agency(world: World) -> None:
    world.shared()
    world.wait(hours=1)
    world.ja.withdraws("c1", MOTHER)
    world.run()
    assert _shown(world) == []


@pytest.mark.parametrize("said", [-3, 0, 3])
@pytest.mark.parametrize("broker", [-3, 0, 3])
def test_rule_8_a_withdrawal_holds_at_once_whatever_the_clocks_say(
    world: World, said: int, broker: int
) -> None:
    world.shared()
    world.wait(days=10)
    now = world.clock.now()
    world.clock.set(now + timedelta(days=broker))
    world.jc.withdraws("c1", MOTHER, at=now + timedelta(days=said))
    world.clock.set(now)
    world.run()
    assert _shown(world) == []
    assert world.open(JA, "ja_asd").redacted.parts[0].sender == JA
    assert world.total("consents", "taken") > 0


def test_rule_8_a_withdrawal_is_read_before_the_events_that_came_before_it(world: World) -> None:
    world.shared()
    for number in range(5):
        world.measure(key=f"late {number}")
    world.wait(seconds=1)
    world.jc.withdraws("c1", MOTHER)
    world.run()
    assert [name for name, _ in world.outcomes].index("consents") == 0
    assert _shown(world) == []
    assert world.decisions().count(("admitted", "")) == 2


def test_rule_8_a_withdrawal_waits_behind_no_bad_record(world: World) -> None:
    world.shared()
    world.wait(hours=1)
    bad = world.jc.draft("SubjectRecorded", MOTHER, {"capable": True})
    world.jc.send(bad, value=b"no envelope")
    world.jc.grants("c8", MOTHER, ["EG"])
    world.jc.withdraws("c1", MOTHER)
    world.run()
    assert _shown(world) == []
    assert [row["stage"] for row in world.rows("parked")] == ["consents"]
    assert world.divergence() == 0


def test_rule_8_an_objection_holds_for_earlier_records_too(world: World) -> None:
    world.know_family()
    world.jc.grants(
        "c1", MOTHER, ["EG", "G9"], payload={"explicit_special": True, "recipient_workers": ["w1"]}
    )
    world.measure(source_203=True)
    world.run()
    assert len(world.open(JA, "ja_asd").redacted.parts) == 1
    world.jc.say("ObjectionRaised", MOTHER, {"norm": "§ 76 Abs. 2 SGB X"}, at=NOW + timedelta(days=2))
    world.run()
    assert world.open(JA, "ja_asd").redacted.parts == ()


# --- rule 9 ---------------------------------------------------------------------------------------------------------


def _register(world: World, agency: str) -> dict[str, dict[str, Any]]:
    """What an agency's gate knows: the newest entry of each consent, opened with the agency's own key."""
    found: dict[str, dict[str, Any]] = {}
    for record in world.records(f"agency.{agency}.register"):
        entry = decode_single(record.value)[1]
        if entry["kind"] == "consent":
            ref, version = KeyRef("proof", agency, entry["subject_ref"]), key_version(entry["box"])
            key = world.parts.keys.opening([(ref, version)])[ref, version]
            assert isinstance(key, Key)
            name = entry["consent_id"].encode()
            where = place("register", ENTRY.fingerprint, name, entry["subject_ref"], "CT", version)
            found[entry["consent_id"]] = orjson.loads(open_box(key.cipher, entry["box"], where))
    return found


def test_rule_9_a_consent_signed_elsewhere_reaches_the_sender_without_its_signers(world: World) -> None:
    world.know_family()
    world.ja.grants("c1", MOTHER, ["EG"], sender=JC, to=[JA])
    world.run()
    entry = _register(world, JC)[f"{JA}:c1"]
    assert entry["signed"] is True
    assert entry["categories"] == ["EG"]
    assert not {"granted_by", "subject"} & entry.keys()
    assert world.ja.ref(MOTHER) not in orjson.dumps(entry).decode()
    assert "c1" not in _register(world, JA)
    assert all(
        world.ja.ref(MOTHER).encode() not in one.value for one in world.records(f"agency.{JC}.register")
    )


def test_rule_9_the_register_follows_withdrawal_custody_and_birthday(world: World) -> None:
    world.know_family()
    world.ja.grants("c2", CHILD, ["HS"], by=[MOTHER])
    world.run()
    assert _register(world, JA)["c2"]["signed"] is True
    world.wait(minutes=1)
    world.ja.held_by(CHILD, [MOTHER, "father"])
    world.run()
    assert _register(world, JA)["c2"]["signed"] is False
    world.wait(minutes=1)
    world.ja.held_by(CHILD, [MOTHER])
    world.run()
    assert _register(world, JA)["c2"]["signed"] is True
    world.clock.set(berlin_midnight(date(2031, 1, 1)))
    world.run()
    assert _register(world, JA)["c2"]["signed"] is False
    world.ja.withdraws("c2", CHILD)
    world.run()
    assert _register(world, JA)["c2"]["withdrawn_at"]


def test_rule_9_a_heartbeat_tells_the_gate_how_old_its_register_is(world: World) -> None:
    world.know_family()
    beat(world.parts)
    for agency in (JC, JA):
        entry = decode_single(world.records(f"agency.{agency}.register")[-1].value)[1]
        assert (entry["kind"], entry["at"]) == ("heartbeat", int(NOW.timestamp() * 1_000_000))


# --- rules 11 and 12 ------------------------------------------------------------------------------------------------


def test_rule_11_admission_asks_for_no_worker_and_disclosure_does(world: World) -> None:
    world.know_family()
    world.jc.grants("c1", MOTHER, ["EG"])
    world.measure()
    world.run()
    assert world.decisions() == [("admitted", "")]
    for assigned, parts in ((True, 1), (False, 0)):
        who = Recipient(
            controller=JA,
            kind="youth_welfare",
            role="ja_asd",
            worker="w",
            assigned=assigned,
            undertaking=False,
        )
        made = open_view(world.parts, world.ja.key.case(FAMILY), who, "joint_case_management")
        assert len(made.redacted.parts) == parts


def test_rule_11_fields_that_no_role_may_keep_are_dropped_at_admission(world: World) -> None:
    world.know_family()
    world.ja.grants("c2", CHILD, ["HS", "HP", "HI"], by=[MOTHER])
    world.ja.say("HelpPlanAgreed", CHILD, {"goals": ["school: x"], "reasons": ["11"]}, consents=["c2"])
    world.run()
    (row,) = world.rows("case_row")
    envelope = decode_single(row["envelope"])[1]
    assert set(envelope["boxes"]) == {"HP"}
    assert set(envelope["fields"]) == {"goals"}


def test_rule_12_the_present_state_comes_again_as_a_wider_publication(world: World) -> None:
    world.know_family()
    world.jc.grants("c1", MOTHER, ["LS"])
    payload = {"kind": "RB", "month": "2026-09"}
    world.jc.say("BenefitGranted", MOTHER, payload, consents=["c1"], key="b", at=NOW)
    world.run()
    world.jc.grants("c3", MOTHER, ["EG"])
    full = world.jc.draft("MeasureStarted", MOTHER, {"norm": "16d"}, consents=["c1", "c3"], publication=2)
    world.jc.send(full)
    world.run()
    world.jc.send(full._replace(publication=1, consents=["c1"]))
    world.run()
    assert _shown(world) == ["BenefitTotal", "MeasureStarted"]


def _custody(world: World, names: Sequence[str], version: int, days: float) -> None:
    held = {"child": world.ja.ref(CHILD), "custodians": [world.ja.ref(name) for name in names]}
    world.ja.say(
        "CustodyChanged", CHILD, held, key="row 7", version=version * 10**12, at=NOW + timedelta(days=days)
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_rule_7_of_a_custody_record_the_newest_version_counts(world: World, order: Sequence[int]) -> None:
    """Future-dated, then corrected to the past: no older version rules, whatever date it bears."""
    world.know_family()
    world.ja.grants("c2", CHILD, ["HS"], by=["father"])
    world.help()
    world.wait(days=1)
    versions = [(["father"], 1, 3), (["stranger"], 2, 4), (["father"], 3, 0.5)]
    for number in order:
        _custody(world, *versions[number])
    world.run()
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    world.wait(days=10)
    world.run()
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]


def test_rule_7_a_custody_record_that_cannot_be_read_is_held_by_nobody(world: World) -> None:
    world.shared()
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    broken = world.ja.draft("CustodyChanged", CHILD, {"custodians": [world.ja.ref(MOTHER)]}, key="row 8")
    world.ja.send(
        broken._replace(boxes={name: bytes([*box[:-1], box[-1] ^ 1]) for name, box in broken.boxes.items()})
    )
    world.run()
    assert world.seen(JC, "jc_case_manager") == []


def test_rule_7_two_offices_names_are_equated_only_if_they_may_be_one_person(world: World) -> None:
    """The jobcenter names a father whom nobody has linked: he may be the one whom the youth office names."""
    world.know_family()
    world.ja.grants("c2", CHILD, ["HS"], by=["father"])
    world.help()
    at = NOW + timedelta(seconds=1)
    world.wait(seconds=1)
    for office, name in ((world.ja, "father"), (world.jc, "unlinked")):
        held = {"child": office.ref(CHILD), "custodians": [office.ref(name)]}
        office.say("CustodyChanged", CHILD, held, key="both", at=at)
    world.run()
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    world.wait(seconds=1)
    for office in (world.ja, world.jc):  # the youth office knows the jobcenter's person by another name
        office.pairs("aunt" if office is world.ja else "unlinked", 7, code="AUNT")
    world.run()
    assert world.seen(JC, "jc_case_manager") == []
