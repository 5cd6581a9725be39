"""Each topic has one writer: the hub's own words stand on `hub.words`, an agency's topics are that agency's alone."""

import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from hub.adapters.log.sqlite import SqliteLog
from hub.dev.demo import Demo
from hub.domain.clock import micros
from hub.domain.envelope import Envelope
from hub.erasure.after_restore import end_lost_consents
from hub.erasure.request import request_erasure
from hub.errors import ServiceUnavailable
from hub.operations.audit.verify import verify
from hub.operations.recover import disagreements, resume
from hub.ports import KeyRef, Outgoing
from hub.rights.event_history.trail import trail
from hub.sealed.decode import encode_envelope
from hub.sealed.words import word
from hub.store import meta
from hub.subjects.consent_barrier import is_open, mark_if_caught_up, start_closed
from hub.topology import CONSENTS, HUB_WORDS, topic_agency
from schemas import topics
from tests.support.world import CHILD, JA, JC, MOTHER, World

ROLE = "ja_asd"
_OF_AGENCIES = ("connectors.", "hub.desk.", "hub.danger.", "tests.")
"""Modules that run at an agency, or stand for one here."""
Writes = set[tuple[str, str]]
Append = Callable[[SqliteLog, str, Sequence[Outgoing]], None]


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Writes:
    """(topic, module that appended to it) of everything that this test appends."""
    found: Writes = set()
    append = SqliteLog.append

    def recorded(log: SqliteLog, topic: str, records: Sequence[Outgoing], *, deadline: float = 30.0) -> None:
        found.add((topic, str(sys._getframe(1).f_globals["__name__"])))
        append(log, topic, records, deadline=deadline)

    monkeypatch.setattr(SqliteLog, "append", recorded)
    return found


def _by_others(found: Writes) -> Writes:
    """What was appended by somebody else than `schemas/topics.toml` says."""
    writers = {
        topic.of(agency): "connector" if topic.written_by == "connector" else "hub"
        for topic in topics().values()
        for agency in (JC, JA, "jc-seestadt", "ja-seestadt")
    }
    return {
        (topic, module)
        for topic, module in found
        if writers[topic] != ("connector" if module.startswith(_OF_AGENCIES) else "hub")
    }


def _strays(world: World, kind: str = "events", consent: str = "c1") -> Envelope:
    """The jobcenter publishes a withdrawal on another topic than its consents topic, under a key behind which nothing
    waits."""
    good = world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": consent}, consent_id=consent)
    world.jc.put(kind, Outgoing(b"stray", encode_envelope(good)))
    return good


def _said(world: World) -> list[str]:
    """The event types on `hub.words`."""
    from schemas import decode_single

    return [Envelope(**decode_single(one.value)[1]).event_type for one in world.records(HUB_WORDS)]


def _copy(source: Path, target: Path) -> None:
    """A file backup: the database with what stands in its write-ahead log."""
    for name in (target, Path(f"{target}-wal"), Path(f"{target}-shm")):
        name.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def test_the_demo_writes_each_topic_from_one_side(writes: Writes, folder: Path) -> None:
    demo = Demo(folder, families=3, seed=1)
    demo.run(lambda text: None)
    demo.close()
    written = {topic for topic, _ in writes}
    assert {f"agency.jc-seestadt.{kind}" for kind in ("consents", "events", "register", "status")} <= written
    assert _by_others(writes) == set()


def test_all_that_the_hub_says_stands_on_its_own_topic(writes: Writes, folder: Path) -> None:
    """Erasures, strayed withdrawals of every stage, what only the ledger remembers, what a restored log lost."""
    world = World.at(folder)
    world.shared()
    _copy(folder / "log.sqlite", folder / "log.older")
    _strays(world, "events")
    _strays(world, "receipts")
    request_erasure(world.parts, f"{JC}:{world.jc.ref(MOTHER)}", "Art. 17 DSGVO")
    world.run()
    assert world.seen(JA, ROLE) == []
    said = ["ConsentWithdrawn", "ConsentWithdrawn", "ErasureExecuted", "ErasureRequested"]
    assert sorted(_said(world)) == said
    world.parts.keys.destroy(KeyRef("box", JA, world.ja.ref(CHILD)))
    assert end_lost_consents(world.parts, world.parts.keys.ledger()) == 1
    world.run()
    assert sorted(_said(world)) == ["ConsentWithdrawn", *said]
    now = world.clock.now() + timedelta(minutes=5)
    world.close()
    _copy(folder / "log.older", folder / "log.sqlite")
    restored = World.at(folder, now=now)
    assert resume(restored.parts).appended[HUB_WORDS] == len(restored.rows("consent_row"))
    restored.run()
    assert sorted({*_said(restored)}) == sorted({row["event_type"] for row in restored.rows("consent_row")})
    assert restored.divergence() == 0
    restored.close()
    assert _by_others(writes) == set()


def test_a_hub_that_writes_an_agencys_topic_is_noticed(
    writes: Writes, small: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.shared()
    monkeypatch.setattr("hub.stages.driver.HUB_WORDS", f"agency.{JC}.consents")
    _strays(small)
    small.run()
    assert _by_others(writes) == {(f"agency.{JC}.consents", "hub.stages.driver")}


# --- an old log -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["this release", "the last release"])
def said_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The last release appended the hub's words to the agency's consents topic, without a stamp of their own."""
    append = SqliteLog.append

    def before(log: SqliteLog, topic: str, records: Sequence[Outgoing], *, deadline: float = 30.0) -> None:
        if topic != HUB_WORDS:
            append(log, topic, records, deadline=deadline)
            return
        for record in records:
            agency, _, ref = record.key.partition(b":")
            own = tuple(header for header in record.headers if header[0] != "word")
            append(log, topics()["consents"].of(agency.decode()), [Outgoing(ref, record.value, own)])

    if request.param == "the last release":
        monkeypatch.setattr(SqliteLog, "append", before)
    yield request.param
    monkeypatch.setattr(SqliteLog, "append", append)


def test_words_keep_their_effect_wherever_a_release_put_them(
    said_by: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store restored from before reads them again: the erasure is not executed twice, the strayed withdrawal holds,
    history and audit find both."""
    live = World.at(folder)
    live.shared()
    _copy(folder / "store.sqlite", folder / "store.older")
    withdrawn = _strays(live)
    (request,) = request_erasure(live.parts, f"{JC}:{live.jc.ref(MOTHER)}", "Art. 17 DSGVO")
    live.run()
    live.wait(hours=1)
    live.jc.grants("c9", MOTHER, ["EG"])
    measure = live.measure(["c9"], key="new", provider="Neu")
    live.run()
    monkeypatch.undo()
    where = HUB_WORDS if said_by == "this release" else f"agency.{JC}.consents"
    assert (len(live.records(HUB_WORDS)) > 0) == (said_by == "this release")
    expected = sorted((row["record_ref"], row["event_id"]) for row in live.rows("case_row"))
    live.close()
    _copy(folder / "store.older", folder / "store.sqlite")
    restored = World.at(folder, now=live.clock.now() + timedelta(minutes=1))
    resume(restored.parts)
    restored.run()
    assert sorted((row["record_ref"], row["event_id"]) for row in restored.rows("case_row")) == expected
    assert restored.seen(JA, ROLE) == ["MeasureStarted"]
    assert restored.divergence() == 0
    assert verify(restored.parts).breaches == []
    ends = {step.outcome: step.where for step in trail(restored.parts, measure.event_id.hex()).steps}
    places = [ends["requested"], ends["executed"]]
    places += [
        step.where
        for step in trail(restored.parts, withdrawn.event_id.hex()).steps
        if step.point == "project"
    ]
    restored.close()
    assert request
    assert [place.split("/")[0] for place in places] == [where] * 3
    assert all(place.count("/") == 2 for place in places)


# --- whose word counts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forged", ["no stamp", "stamp of another secret", "stamp of another key", "garbled"])
def test_only_the_hubs_own_word_counts(small: World, forged: str) -> None:
    """Not even a withdrawal does: who may not write here is nobody's agency."""
    small.shared()
    good = small.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1")
    value, ref, at = encode_envelope(good), good.subject_ref.encode(), micros(small.clock.now())
    secret = b"another" if forged == "stamp of another secret" else small.parts.secret
    record = word(secret, JA if forged == "stamp of another key" else JC, ref, value, at)
    if forged == "stamp of another key":
        record = record._replace(key=f"{JC}:".encode() + ref)
    if forged in ("no stamp", "garbled"):
        record = record._replace(headers=(("word", b"1.\xff"),) if forged == "garbled" else ())
    small.parts.log.append(HUB_WORDS, [record])
    small.run()
    assert small.seen(JA, ROLE) == ["MeasureStarted"]
    assert [(row["stage"], row["reason"]) for row in small.rows("quarantine")] == [
        ("consents", "not_the_hubs")
    ]
    assert small.divergence() == 0
    assert verify(small.parts).breaches == []
    assert "ConsentWithdrawn" not in {row["event_type"] for row in small.rows("consent_row")}


def test_a_word_of_the_hub_takes_effect_though_a_forged_one_stands_before_it(small: World) -> None:
    small.shared()
    good = small.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1")
    said = word(
        small.parts.secret, JC, good.subject_ref.encode(), encode_envelope(good), micros(small.clock.now())
    )
    small.parts.log.append(HUB_WORDS, [said._replace(headers=()), said])
    small.run()
    assert small.seen(JA, ROLE) == []
    assert small.divergence() == 0


def test_a_broken_withdrawal_comes_to_the_same_on_either_topic(small: World) -> None:
    """Moved to the hub's words it bears the ids that it would bear on the agency's own topic."""
    small.shared()
    good = small.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1")
    broken = encode_envelope(good)[:-40]
    for kind in ("events", "consents"):
        small.jc.put(kind, Outgoing(good.subject_ref.encode(), broken))
    small.run()
    assert small.seen(JA, ROLE) == []
    assert len([row for row in small.rows("consent_row") if row["event_type"] == "ConsentWithdrawn"]) == 1
    assert small.divergence() == 0


# --- closed until they are read -------------------------------------------------------------------------------------


def test_the_hub_stays_closed_until_its_own_words_are_read(small: World) -> None:
    small.shared()
    start_closed(small.parts)
    good = small.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1")
    said = word(
        small.parts.secret, JC, good.subject_ref.encode(), encode_envelope(good), micros(small.clock.now())
    )
    small.parts.log.append(HUB_WORDS, [said])
    assert not mark_if_caught_up(small.parts)
    assert not is_open(small.parts)
    small.run()
    assert is_open(small.parts)
    assert small.seen(JA, ROLE) == []


def test_a_mark_of_the_last_release_opens_no_worker_of_this_one(small: World) -> None:
    """Its consents worker reads no words; by the mark of this release its own workers stay open."""
    old, now = "consents.caught_up", micros(small.clock.now())
    start_closed(small.parts)
    with small.parts.store.transaction() as connection:
        meta.put(connection, old, now)
    assert not is_open(small.parts)
    small.wait(seconds=1)
    assert mark_if_caught_up(small.parts)
    assert is_open(small.parts)
    with small.parts.store.transaction() as connection:
        assert meta.get(connection, old) == micros(small.clock.now())


def test_consents_reads_the_hubs_words_before_any_agencys() -> None:
    first, *others = CONSENTS.topics([JC, JA])
    assert first == HUB_WORDS
    assert [topic_agency(topic) for topic in others] == [JA, JC]


# --- a recovery that does not come to its end -----------------------------------------------------------------------


def test_a_recovery_that_was_cut_off_gives_back_the_rest_next_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World.at(folder)
    world.know_family()
    _copy(folder / "log.sqlite", folder / "log.older")
    world.jc.grants("c1", MOTHER, ["EG"])
    world.run()
    world.jc.withdraws("c1", MOTHER)
    world.run()
    now = world.clock.now() + timedelta(minutes=5)
    world.close()
    _copy(folder / "log.older", folder / "log.sqlite")
    restored = World.at(folder, now=now)

    def unreachable(*_: object, **__: object) -> None:
        raise ServiceUnavailable("the broker does not answer", place="log")

    with monkeypatch.context() as broken:
        broken.setattr(SqliteLog, "append", unreachable)
        with pytest.raises(ServiceUnavailable):
            resume(restored.parts)
    assert disagreements(restored.parts) == []
    assert resume(restored.parts).appended[HUB_WORDS] > 0
    assert resume(restored.parts).appended == {}
    restored.run()
    assert "ConsentWithdrawn" in _said(restored)
    assert restored.divergence() == 0
    restored.close()
