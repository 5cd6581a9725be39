"""Receipts say one of the known answers at a possible time, and nothing from the future is fresh (rule 14)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from connectors.pipeline.gate.register import Register
from hub.domain.agencies import default_agency
from hub.domain.clock import micros
from hub.metrics.store import StoreCollector
from hub.ports import Outgoing
from hub.stages.receipts import ANSWERS
from hub.stages.register import beat
from hub.store.subjects import mark_dirty
from hub.subjects.consent_barrier import is_open, mark_if_caught_up
from schemas import encode_single, record_schema
from tests.support.world import FAMILY, JA, JC, MOTHER, NOW, World

DAY = 24 * 3600 * 1_000_000


@pytest.fixture
def world(small: World) -> World:
    small.shared()
    return small


def _receipt(world: World, **said: Any) -> list[tuple[str | None, str | None]]:
    """What the youth office's view is noted to have been answered, after this receipt."""
    view = next(row for row in world.rows("view_state") if row["recipient"] == JA)
    receipt = {
        "view_id": bytes.fromhex(view["view_id"]),
        "recipient": JA,
        "role": "ja_asd",
        "case_ref": "c",
        "generation": 1,
        "version": 1,
        "answer": "shown",
        "norm": None,
        "at": micros(world.clock.now()),
        **said,
    }
    value = encode_single(record_schema("receipt"), receipt)
    world.parts.log.append(f"agency.{JA}.receipts", [Outgoing(b"k", value)])
    world.run()
    rows = [row for row in world.rows("disclosure") if row["view_id"] == view["view_id"]]
    return [(row["answer"], None) for row in rows]


@pytest.mark.parametrize("answer", sorted(ANSWERS))
def test_a_known_answer_is_noted(world: World, answer: str) -> None:
    assert _receipt(world, answer=answer) == [(answer, None)]
    assert world.rows("quarantine") == []


@pytest.mark.parametrize(
    "answer", ["", "Shown", "shown ", "shown\0", "gezeigt", "Frau Müller, DE89370400440532013000", "x" * 5000]
)
def test_any_other_answer_is_quarantined_and_kept_nowhere(world: World, answer: str) -> None:
    assert _receipt(world, answer=answer) == [(None, None)]
    assert [row["reason"] for row in world.rows("quarantine")] == ["unknown_answer"]
    assert _receipt(world) == [("shown", None)]


@pytest.mark.parametrize(
    "norm", ["§ 01711234567", "§ 84 " + "1" * 500, "§ 84 SGB X\n", "Art. ١٧", "§ 84 Frau Müller"]
)
def test_a_norm_in_which_anything_may_stand_is_not_kept(world: World, norm: str) -> None:
    assert _receipt(world, answer="kept", norm=norm) == [("kept", None)]


def test_the_norm_of_what_is_kept_is_noted(world: World) -> None:
    norm = "§ 84 Abs. 3 S. 1 Nr. 2 SGB X"
    assert _receipt(world, answer="kept", norm=norm) == [(f"kept {norm}", None)]


@pytest.mark.parametrize("at", [2**62, -(2**62), micros(NOW) + 2 * DAY])
def test_an_answer_of_an_impossible_time_is_quarantined(world: World, at: int) -> None:
    assert _receipt(world, at=at) == [(None, None)]
    assert [row["reason"] for row in world.rows("quarantine")] == ["unreadable"]


@pytest.mark.parametrize(("ahead", "open_"), [(0, True), (4, True), (6, False), (24 * 3600, False)])
def test_a_mark_from_the_future_opens_nothing(world: World, ahead: int, open_: bool) -> None:
    world.clock.set(NOW + timedelta(seconds=ahead))
    assert mark_if_caught_up(world.parts)
    world.clock.set(NOW)
    assert is_open(world.parts) is open_
    assert mark_if_caught_up(world.parts)
    assert is_open(world.parts)


def test_a_mark_of_a_clock_that_ran_ahead_opens_nothing_once_it_is_old(world: World) -> None:
    world.clock.set(NOW + timedelta(days=1))
    assert mark_if_caught_up(world.parts)
    world.clock.set(NOW + timedelta(hours=12))
    assert not is_open(world.parts, since=micros(NOW))


@pytest.mark.parametrize(("ahead", "fresh"), [(0, True), (4, True), (6, False), (24 * 3600, False)])
def test_a_heartbeat_from_the_future_keeps_no_gate_open(world: World, ahead: int, fresh: bool) -> None:
    world.clock.set(NOW + timedelta(seconds=ahead))
    beat(world.parts)
    register = Register(JC, world.parts.log, world.parts.keys)
    register.refresh(set())
    assert register.fresh(NOW, 60) is fresh
    world.clock.set(NOW)
    beat(world.parts)
    register.refresh(set())
    assert register.fresh(NOW, 60)


@pytest.mark.parametrize("ahead", [0, 24])
def test_the_embedded_hub_shows_nothing_while_consents_are_behind(world: World, ahead: int) -> None:
    world.wait(hours=ahead)
    mark_if_caught_up(world.parts)
    world.clock.set(NOW)
    world.jc.withdraws("c1", MOTHER)
    world.measure(key="m9")
    world.wait(hours=13)
    sent, decided = len(world.views(JA)), world.decisions()
    assert not world.host._cases()
    assert not world.host._views()
    assert (len(world.views(JA)), world.decisions()) == (sent, decided)
    with world.parts.store.transaction() as connection:
        mark_dirty(connection, [f"{JC}:{world.jc.key.case(FAMILY)}"], micros(world.clock.now()))
    assert not world.host._views()
    assert len(world.rows("dirty")) > 0
    world.run()
    assert world.seen(JA, "ja_asd") == []


def test_looking_at_every_consent_topic_takes_the_same_statements_for_any_number_of_agencies(
    tmp_path: Path,
) -> None:
    def statements(folder: str, agencies: int) -> tuple[int, int]:
        more = [default_agency(f"a{number}", "jobcenter") for number in range(agencies)]
        (tmp_path / folder).mkdir()
        world = World.at(tmp_path / folder, more=more)
        world.run()
        engine, asked = world.parts.store.engine, list[str]()
        event.listen(engine, "before_cursor_execute", lambda _c, _k, said, *_: asked.append(said))
        assert mark_if_caught_up(world.parts)
        looked = len(asked)
        assert list(StoreCollector(world.parts).collect())
        world.close()
        return looked, len(asked) - looked

    assert statements("few", 0) == statements("many", 9)
