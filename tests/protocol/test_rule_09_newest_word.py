"""Rule 9: the gate takes the newest word on a consent, in whatever order the entries were written."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from connectors.pipeline.gate.register import Register
from hub.ports import Outgoing
from hub.stages import register as stage
from tests.support.world import CHILD, FAMILY, JA, JC, MOTHER, World


def _gate(world: World) -> Register:
    register = Register(JC, world.parts.log, world.parts.keys)
    register.refresh(set())
    return register


def _stands_still(world: World, meanwhile: Callable[[], object]) -> None:
    """A worker reads the persons, and writes their entries only after another one has written newer ones."""
    append, reached = stage._append, list[bool]()

    def late(parts: Any, entries: Any) -> None:
        if not reached:
            reached.append(True)
            world.wait(minutes=5)
            meanwhile()
            world.run()
        append(parts, entries)

    with patch.object(stage, "_append", late):
        world.run()
    assert reached


@pytest.fixture
def known(world: World) -> World:
    world.know_family()
    return world


def test_an_older_word_that_is_written_later_does_not_count(known: World) -> None:
    known.ja.grants("c3", MOTHER, ["EG"], sender=JC, to=[JA])
    _stands_still(known, lambda: known.ja.withdraws("c3", MOTHER))
    (one,) = _gate(known).consents.values()
    assert one.consent.withdrawn_at is not None
    assert known.rows("register_dirty") == []


def test_an_older_word_that_is_written_later_is_written_over(known: World) -> None:
    """A gate that starts when the broker has compacted the topic finds nothing but the last record of each key."""
    known.ja.grants("c3", MOTHER, ["EG"], sender=JC, to=[JA])
    _stands_still(known, lambda: known.ja.withdraws("c3", MOTHER))
    last = {record.key: record for record in known.records(f"agency.{JC}.register")}
    known.parts.log.create({"agency.compacted.register": 1})
    kept = [Outgoing(one.key, one.value, one.headers) for one in last.values()]
    known.parts.log.append("agency.compacted.register", kept)
    register = Register(JC, known.parts.log, known.parts.keys)
    register._topic = "agency.compacted.register"
    register.refresh(set())
    (one,) = register.consents.values()
    assert one.consent.withdrawn_at is not None


def test_an_older_word_brings_no_consent_back_that_was_taken_out(known: World) -> None:
    known.ja.grants("c3", MOTHER, ["EG"], sender=JC, to=[JA])
    _stands_still(known, lambda: known.jc.say("IdentitySplit", MOTHER, {}))
    assert _gate(known).consents == {}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_the_gate_reads_the_same_in_any_order(small: World, order: tuple[int, ...]) -> None:
    small.know_family()
    small.jc.grants("c1", MOTHER, ["EG"])
    small.jc.grants("c2", CHILD, ["EG"], by=[MOTHER])
    small.run()
    small.wait(hours=1)
    small.jc.withdraws("c1", MOTHER, scope='{"categories": ["EG"]}')
    small.run()
    small.wait(hours=1)
    small.jc.withdraws("c1", MOTHER, family=FAMILY)
    small.run()
    said = [one for one in small.records(f"agency.{JC}.register") if one.key == b"c1"]
    assert len(said) == 3
    small.parts.log.create({"agency.shuffled.register": 1})
    shuffled = [Outgoing(said[number].key, said[number].value, said[number].headers) for number in order]
    small.parts.log.append("agency.shuffled.register", shuffled)
    register = Register(JC, small.parts.log, small.parts.keys)
    register._topic = "agency.shuffled.register"
    register.refresh(set())
    assert register.consents["c1"].consent.withdrawn_at is not None


def test_equal_lists_of_codes_are_kept_once(known: World) -> None:
    known.jc.grants("c7", CHILD, ["EG", "LS", "ID"], by=[MOTHER])
    known.jc.grants("c8", MOTHER, ["ID", "LS", "EG"])
    known.run()
    kept = [one.consent for one in _gate(known).consents.values()]
    assert len(kept) > 1
    for name in ("recipients", "purposes", "notices"):
        assert len({id(getattr(one, name)) for one in kept}) == 1
    assert len({id(one.categories) for one in kept}) == len({one.categories for one in kept})
