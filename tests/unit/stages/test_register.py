"""Stage register: an agency's gate is told of its consents when they say something else, and at no other time."""

from datetime import date
from typing import Any

from hub.stages.consents import take_consents
from hub.stages.register import ORDER, beat, write_register
from schemas import decode_single
from tests.support.world import JA, JC, MOTHER, World
from tests.unit.stages.conftest import Taken

TOPIC = f"agency.{JC}.register"
CONSENTS = f"agency.{JC}.consents"


def _entries(world: World) -> list[tuple[str, Any]]:
    decoded = [decode_single(record.value)[1] for record in world.records(TOPIC)]
    return [(entry["kind"], entry["consent_id"]) for entry in decoded]


def _granted(world: World, take: Taken) -> None:
    world.jc.born(MOTHER, date(1990, 1, 1))
    world.jc.grants("c1", MOTHER, ["EG"])
    take(take_consents, CONSENTS)


def test_a_consent_is_written_once_for_its_sender_alone(world: World, take: Taken) -> None:
    _granted(world, take)
    assert write_register(world.parts) > 0
    assert _entries(world) == [("consent", "c1")]
    assert world.records(f"agency.{JA}.register") == []
    assert write_register(world.parts) == 0


def test_what_changes_nothing_for_the_gate_is_not_written(world: World, take: Taken) -> None:
    _granted(world, take)
    write_register(world.parts)
    world.jc.grants("other", "another", ["EG"], sender=JA, to=[JC])
    take(take_consents, CONSENTS)
    write_register(world.parts)
    assert _entries(world) == [("consent", "c1")]


def test_a_withdrawal_is_written_under_a_higher_number(world: World, take: Taken) -> None:
    _granted(world, take)
    write_register(world.parts)
    world.jc.withdraws("c1", MOTHER)
    take(take_consents, CONSENTS)
    write_register(world.parts)
    assert _entries(world) == [("consent", "c1")] * 2
    first, second = (int(dict(record.headers)[ORDER]) for record in world.records(TOPIC))
    assert first < second


def test_a_heartbeat_reaches_every_agency(world: World) -> None:
    beat(world.parts)
    assert _entries(world) == [("heartbeat", None)]
    assert len(world.records(f"agency.{JA}.register")) == 1
