"""Rule 7: what was taken back stays taken back, though a later split says that somebody else had said it."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from connectors.pipeline.gate.register import Register
from hub.domain.agencies import default_agency
from hub.operations.audit.declared import Declarations
from hub.operations.audit.verify import verify
from hub.operations.rebuild import rebuild
from hub.ports import Outgoing
from hub.sealed.decode import encode_envelope
from hub.subjects.knowledge import KnowledgeCache
from hub.subjects.learning import learn
from tests.support.world import JA, JC, MOTHER, Office, World

JB = "ja-b"
ROLE = "ja_asd"


@pytest.fixture
def world(folder: Path) -> Iterator[World]:
    """Three offices know the mother by one code; the jobcenter shows the third one a measure."""
    made = World.at(folder, more=[default_agency(JB, "youth_welfare")])
    for office in (made.jc, made.ja, _third(made)):
        office.born(MOTHER, date(1990, 1, 1))
        office.pairs(MOTHER, 1)
    made.jc.grants("1001", MOTHER, ["EG"], to=[JB])
    made.measure(["1001"])
    made.run()
    made.wait(hours=1)
    yield made
    made.close()


def _third(world: World) -> Office:
    return Office(world.parts, JB)


def _broken(world: World) -> None:
    good = world.ja.draft("ConsentWithdrawn", MOTHER, {"consent_id": f"{JC}:1001"}, consent_id="c77")
    world.ja.put("consents", Outgoing(good.subject_ref.encode(), encode_envelope(good)[:-40]))


TOLD: dict[str, Callable[[World], object]] = {
    "office and number": lambda world: world.ja.withdraws(f"{JC}:1001", MOTHER),
    "the number": lambda world: world.ja.withdraws("1001", MOTHER),
    "a part": lambda world: world.ja.withdraws("1001", MOTHER, scope='{"categories": ["EG"]}'),
    "broken": _broken,
}


def _split_and_link_without(world: World, office: Office) -> None:
    """The youth office's mother was another one; the other two are linked anew."""
    world.wait(hours=1)
    office.say("IdentitySplit", MOTHER, {"refs": [world.ja.subject(MOTHER)]})
    world.run()
    world.wait(hours=1)
    for one in (world.jc, _third(world)):
        one.pairs(MOTHER, 1, code="NEWC-ODES")
    world.run()


@pytest.mark.parametrize("splits", [JC, JA])
@pytest.mark.parametrize("way", TOLD)
def test_a_split_revives_nothing(world: World, way: str, splits: str) -> None:
    assert world.seen(JB, ROLE) == ["MeasureStarted"]
    TOLD[way](world)
    world.run()
    assert world.seen(JB, ROLE) == []
    _split_and_link_without(world, {JC: world.jc, JA: world.ja}[splits])
    world.measure(["1001"], key="later")
    world.run()
    assert world.seen(JB, ROLE) == []
    assert rebuild(world.parts, "consent_register").divergence == 0
    world.measure(["1001"], key="after a rebuild")
    world.run()
    assert world.seen(JB, ROLE) == []


def test_without_a_withdrawal_a_split_ends_nothing_that_is_linked_again(world: World) -> None:
    _split_and_link_without(world, world.ja)
    assert world.seen(JB, ROLE) == ["MeasureStarted"]


@pytest.mark.parametrize("way", TOLD)
def test_whoever_is_another_person_takes_nothing_back_any_more(world: World, way: str) -> None:
    _split_and_link_without(world, world.ja)
    TOLD[way](world)
    world.run()
    assert world.seen(JB, ROLE) == ["MeasureStarted"]
    assert verify(world.parts, tolerance=0).breaches == []


def test_a_new_consent_after_the_split_counts(world: World) -> None:
    world.ja.withdraws("1001", MOTHER)
    world.run()
    _split_and_link_without(world, world.ja)
    world.jc.grants("1002", MOTHER, ["EG"], to=[JB])
    world.measure(["1002"], key="anew")
    world.run()
    assert world.seen(JB, ROLE) == ["MeasureStarted"]


def _withdrawn(world: World) -> bool:
    register = Register(JC, world.parts.log, world.parts.keys)
    register.refresh(set())
    found = register.consents.get("1001")
    return found is not None and found.consent.withdrawn_at is not None


def test_the_gate_goes_on_knowing_of_it(world: World) -> None:
    """The agency's own records do not say that the consent was taken back at another office."""
    world.ja.withdraws("1001", MOTHER)
    world.run()
    assert _withdrawn(world)
    world.wait(hours=1)
    world.ja.say("IdentitySplit", MOTHER, {"refs": []})
    world.run()
    assert _withdrawn(world)


@pytest.mark.parametrize("way", ["office and number", "the number", "broken"])
@pytest.mark.parametrize("before", [True, False])
def test_the_auditor_knows_of_it(world: World, way: str, before: bool) -> None:
    if before:
        TOLD[way](world)
        world.run()
    _split_and_link_without(world, world.ja)
    if not before:
        TOLD[way](world)
        world.run()
    declared = Declarations(world.parts)
    (found,) = declared.of([(JC, "1001")])[JC, "1001"]
    declared.close()
    assert (found.endings != ()) == before


@pytest.mark.parametrize("before", [True, False])
def test_an_objection_sticks(world: World, before: bool) -> None:
    def object_() -> None:
        world.ja.say("ObjectionRaised", MOTHER, {"norm": "§ 76 SGB X"})
        world.run()

    if before:
        object_()
    _split_and_link_without(world, world.ja)
    if not before:
        object_()
    key = world.jc.subject(MOTHER)
    with world.parts.store.transaction() as connection:
        known = learn(connection, world.parts.keys, KnowledgeCache(), [key])[key]
    assert known.objected(world.clock.now()) == before


def test_a_withdrawal_that_is_read_late_takes_effect_at_once(world: World) -> None:
    """It was received before the split; the worker had not read that topic yet."""
    received = world.clock.now()
    _split_and_link_without(world, world.jc)
    assert world.seen(JB, ROLE) == ["MeasureStarted"]
    now = world.clock.now()
    world.clock.set(received)
    world.ja.withdraws("1001", MOTHER)
    world.clock.set(now)
    world.run()
    assert world.seen(JB, ROLE) == []


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_in_which_topics_are_read_decides_nothing(folder: Path, order: tuple[int, ...]) -> None:
    """The withdrawal was received before the split, whichever the hub reads first."""
    world = World.at(folder, more=[default_agency(JB, "youth_welfare")])
    for office in (world.jc, world.ja, _third(world)):
        office.born(MOTHER, date(1990, 1, 1))
    world.jc.pairs(MOTHER, 1)
    world.jc.grants("1001", MOTHER, ["EG"], to=[JB])
    world.run()
    tell: list[Callable[[], object]] = [
        lambda: _third(world).pairs(MOTHER, 1),
        lambda: world.ja.pairs(MOTHER, 1),
        lambda: world.ja.withdraws("1001", MOTHER),
        lambda: world.ja.say("IdentitySplit", MOTHER, {"refs": []}, key="split"),
    ]
    start, end = world.clock.now(), world.clock.now() + timedelta(hours=1)
    for number in order:
        world.clock.set(start + timedelta(minutes=number))
        tell[number]()
        world.clock.set(end)
        world.run()
    for office in (world.jc, _third(world)):
        office.pairs(MOTHER, 1, code="NEWC-ODES")
    world.measure(["1001"])
    world.run()
    seen = world.seen(JB, ROLE)
    world.close()
    assert seen == []
