"""Two workers at once on PostgreSQL: whoever is second waits for the first or sees what it did (rules 10, 17, 18)."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from hub.domain.clock import micros
from hub.failpoints import observed
from hub.stages import consents, disclose
from hub.stages.disclose import DiscloseOutcome
from hub.store import links, subjects
from hub.views.case_file import read_cases
from tests.support.world import JA, JC, MOTHER, NOW, World

PATIENCE = 20.0
MOMENT = 0.3  # seconds after which who has not come through is taken to wait


@dataclass(slots=True)
class Stop:
    """A place at which one thread stops until it is let go."""

    thread: str = ""
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def here(self) -> None:
        if threading.current_thread().name == self.thread and not self.reached.is_set():
            self.reached.set()
            assert self.go.wait(PATIENCE)


@contextmanager
def _stopping(point: str, thread: str) -> Iterator[Stop]:
    """The thread of that name stops at a fail point."""
    stop = Stop(thread)
    with observed(lambda name: stop.here() if name == point else None):
        yield stop


def _in_thread(name: str, work: Callable[[], object]) -> Future[object]:
    pool = ThreadPoolExecutor(1)

    def run() -> object:
        threading.current_thread().name = name
        return work()

    future = pool.submit(run)
    pool.shutdown(wait=False)
    return future


@pytest.fixture
def world(folder: Path, store_url: str) -> Iterator[World]:
    made = World.at(folder, store_url)
    yield made
    made.close()


def _take(world: World, agency: str = JC) -> Callable[[], object]:
    topic = f"agency.{agency}.consents"
    state = world.parts.log.state([topic])[topic]
    records = world.records(topic)
    return lambda: consents.take_consents(world.parts, state.topic_id, records)


def _slowly(real: Callable[..., object], stop: Stop, *args: object) -> object:
    stop.here()
    return real(*args)


def _mark(world: World) -> None:
    with world.parts.store.transaction() as connection:
        subjects.mark_dirty(connection, [world.jc.case("fam")], micros(NOW))


def test_a_withdrawal_that_commits_between_the_transactions_stops_the_delivery(world: World) -> None:
    world.shared()
    world.wait(minutes=1)
    world.measure(key="new")
    with patch("hub.hosts.embedded.disclose", lambda parts: DiscloseOutcome()):
        world.run()
    views = len(world.views(JA))
    with _stopping("disclose.between", "delivering") as stop:
        delivering = _in_thread("delivering", lambda: disclose.disclose(world.parts))
        assert stop.reached.wait(PATIENCE)
        world.jc.withdraws("c1", MOTHER)
        _take(world)()
        stop.go.set()
        outcome = delivering.result(PATIENCE)
    assert isinstance(outcome, DiscloseOutcome)
    assert (outcome.delivered, outcome.aborted > 0) == (0, True)
    assert len(world.views(JA)) == views
    world.run()
    assert [part for one in world.views(JA)[views:] for part in one.parts] == []
    assert world.seen(JA, "ja_asd") == []


def test_a_withdrawal_waits_for_the_delivery_that_holds_the_lock_and_then_recalls_it(world: World) -> None:
    world.shared()
    world.wait(minutes=1)
    world.measure(key="new")
    with patch("hub.hosts.embedded.disclose", lambda parts: DiscloseOutcome()):
        world.run()
    with _stopping("disclose.after_produce", "delivering") as stop:
        delivering = _in_thread("delivering", lambda: disclose.disclose(world.parts))
        assert stop.reached.wait(PATIENCE)
        produced = len(world.views(JA))
        world.jc.withdraws("c1", MOTHER)
        withdrawing = _in_thread("withdrawing", _take(world))
        with pytest.raises(TimeoutError):
            withdrawing.result(MOMENT)
        stop.go.set()
        delivering.result(PATIENCE)
        withdrawing.result(PATIENCE)
    world.run()
    assert all(one.view["removed"] for one in world.views(JA)[produced:] if one.view["role"] == "ja_asd")
    assert world.seen(JA, "ja_asd") == []
    assert [row["state"] for row in world.rows("view_state") if row["state"] == "pending"] == []


def test_whoever_reads_marks_does_not_keep_a_withdrawal_waiting(world: World) -> None:
    """Marks come after persons in the order of locks: the other way round the two would wait for each other."""
    world.shared()
    _mark(world)
    world.wait(minutes=1)
    world.jc.withdraws("c1", MOTHER)
    stop = Stop("preparing")
    with patch("hub.stages.disclose.read_cases", partial(_slowly, read_cases, stop)):
        preparing = _in_thread("preparing", lambda: disclose.disclose(world.parts))
        assert stop.reached.wait(PATIENCE)
        _in_thread("withdrawing", _take(world)).result(PATIENCE)
        stop.go.set()
        preparing.result(PATIENCE)
    world.run()
    assert world.seen(JA, "ja_asd") == []


def test_two_halves_of_a_pairing_sheet_taken_at_once_are_linked(world: World) -> None:
    for office in (world.jc, world.ja):
        office.born(MOTHER, NOW.date().replace(year=1990))
        office.pairs(MOTHER, 1)
    with _stopping("consents.in_transaction", "first") as stop:
        first = _in_thread("first", _take(world, JC))
        assert stop.reached.wait(PATIENCE)
        second = _in_thread("second", _take(world, JA))
        with pytest.raises(TimeoutError):
            second.result(MOMENT)
        stop.go.set()
        first.result(PATIENCE)
        second.result(PATIENCE)
    assert len({row["person"] for row in world.rows("subject") if ":p_" in row["key"]}) == 1
    assert len({row["joint_case"] for row in world.rows("case_link")}) == 1


def test_a_withdrawal_reaches_whom_a_link_joins_while_it_waits(world: World) -> None:
    """The other agency's knowledge of the person was made between, so its epoch must rise with the withdrawal."""
    for office in (world.jc, world.ja):
        office.born(MOTHER, NOW.date().replace(year=1990))
    world.ja.pairs(MOTHER, 1)
    world.jc.grants("c1", MOTHER, ["EG"], sender=JA, to=[JC])
    world.run()
    world.jc.withdraws("c1", MOTHER)
    withdrawal = _take(world)
    stop, real = Stop("withdrawing"), subjects.concerned

    def slowly(connection: object, keys: object) -> object:
        found = real(connection, keys)  # type: ignore[arg-type]
        stop.here()
        return found

    with patch("hub.store.subjects.concerned", slowly):
        withdrawing = _in_thread("withdrawing", withdrawal)
        assert stop.reached.wait(PATIENCE)
        mine, theirs = world.jc.subject(MOTHER), world.ja.subject(MOTHER)
        with world.parts.store.transaction() as connection:
            links.link_persons(connection, {"q_x": {mine: micros(NOW), theirs: micros(NOW)}})
        before = {row["key"]: row["epoch"] for row in world.rows("subject")}
        stop.go.set()
        withdrawing.result(PATIENCE)
    after = {row["key"]: row["epoch"] for row in world.rows("subject")}
    assert after[mine] > before[mine]
    assert after[theirs] > before[theirs]


def test_two_workers_give_out_each_version_of_a_view_once(world: World) -> None:
    world.shared()
    for number in range(4):
        world.measure(key=f"more {number}", person=MOTHER)
        with patch("hub.hosts.embedded.disclose", lambda parts: DiscloseOutcome()):
            world.run()
        stop = Stop("first")
        with patch("hub.stages.disclose.read_cases", partial(_slowly, read_cases, stop)):
            first = _in_thread("first", lambda: disclose.disclose(world.parts))
            assert stop.reached.wait(PATIENCE)
            second = _in_thread("second", lambda: disclose.disclose(world.parts)).result(PATIENCE)
            assert isinstance(second, DiscloseOutcome)
            assert second.marks == 0
            stop.go.set()
            first.result(PATIENCE)
    versions = [(one.view["role"], one.view["version"]) for one in world.views(JA)]
    assert len(versions) == len(set(versions))
    assert len(world.seen(JA, "ja_asd")) == 5
    assert world.rows("dirty") == []
