"""After a withdrawal: for each recipient what it had, when it was told, and its answer; and how long that took."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import create_engine, insert

from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.sinks.book import metadata, uebernommen
from connectors.sinks.sink import ViewSink
from connectors.sinks.staging import open_sink
from connectors.sinks.staging.config import StagingSettings
from hub.cli.consent.show import answer_text, told
from hub.domain.clock import micros
from hub.metrics.named import metrics
from hub.rights.consent_history import consent_story
from tests.support.world import CHILD, JA, JC, MOTHER, NOW, World

EVERYTHING = ("HelpStarted.paragraph", "HelpStarted.provider")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.at(tmp_path / "hub")
    made.shared()
    yield made
    made.close()


@pytest.fixture
def sink(world: World, tmp_path: Path) -> Iterator[ViewSink]:
    url = f"sqlite:///{tmp_path / 'staging.sqlite'}"
    made = open_sink(
        JC,
        StagingSettings(url=url, batch=100),
        world.parts.keys,
        world.parts.log,
        Pseudonyms(tmp_path / "pseudonyms.sqlite"),
    )
    made.check()
    yield made
    made.close()


def pass_on(world: World, sink: ViewSink) -> None:
    world.run()
    sink.step(world.clock.now())
    world.run()


def test_a_withdrawal_ends_with_a_receipt(world: World, sink: ViewSink) -> None:
    pass_on(world, sink)
    before = consent_story(world.parts, "c2")
    assert before is not None
    (shown,) = before.receipts
    assert (shown.recipient, shown.role, shown.fields, shown.told_at) == (
        JC,
        "jc_case_manager",
        EVERYTHING,
        None,
    )
    assert (shown.still, before.signed) == (EVERYTHING, True)
    world.wait(hours=1)
    world.ja.withdraws("c2", CHILD)
    pass_on(world, sink)
    after = consent_story(world.parts, "c2")
    assert after is not None
    (gone,) = after.receipts
    assert (gone.fields, gone.still, gone.answer) == (EVERYTHING, (), "deleted")
    assert gone.told_at is not None
    assert gone.answered_at is not None
    assert shown.since < gone.told_at <= gone.answered_at
    said = "\n".join(told(after))
    assert "gelöscht" in said
    assert "Zurückgenommen am 01.09.2026" in said


def test_the_receipt_outlives_a_new_consent(world: World, sink: ViewSink) -> None:
    world.ja.withdraws("c2", CHILD)
    pass_on(world, sink)
    world.wait(minutes=5)
    world.ja.grants("c9", CHILD, ["HS"], by=[MOTHER])
    world.help(consents=["c9"], publication=2)
    pass_on(world, sink)
    assert "HelpStarted" in world.seen(JC, "jc_case_manager")
    old, new = consent_story(world.parts, "c2"), consent_story(world.parts, "c9")
    assert old is not None
    assert new is not None
    assert [one.answer for one in old.receipts] == ["deleted"]
    assert [(one.still, one.told_at) for one in new.receipts] == [(EVERYTHING, None)]


def test_a_part_that_was_taken_back_is_told_apart_from_what_stays(world: World, sink: ViewSink) -> None:
    world.ja.say("PersonRegistered", CHILD, {"names": "Muster, Kind"}, consents=["c2"])
    pass_on(world, sink)
    world.wait(minutes=1)
    world.ja.withdraws("c2", CHILD, scope='{"categories": ["HS"]}')
    pass_on(world, sink)
    story = consent_story(world.parts, "c2")
    assert story is not None
    (receipt,) = story.receipts
    assert receipt.still == ("PersonRegistered.names",)
    assert set(receipt.fields) == {*EVERYTHING, "PersonRegistered.names"}
    assert (receipt.answer, answer_text(receipt.answer)) == ("shown", "durch die neue, engere Sicht ersetzt")


def test_a_number_with_a_comma_has_its_own_receipts(world: World, sink: ViewSink) -> None:
    pass_on(world, sink)
    world.wait(minutes=5)
    world.ja.grants("12,c2", CHILD, ["HS"], by=[MOTHER])
    world.help(consents=["12,c2"], publication=2)
    pass_on(world, sink)
    long, short = consent_story(world.parts, "12,c2"), consent_story(world.parts, "c2")
    assert long is not None
    assert short is not None
    assert [one.still for one in long.receipts] == [EVERYTHING]
    since = [one.since for one in (*short.receipts, *long.receipts)]
    assert since == [micros(NOW), micros(NOW + timedelta(minutes=5))]


@pytest.mark.parametrize(
    ("norm", "answer"),
    [
        ("§ 67c Abs. 2 SGB X", "in der eigenen Akte behalten nach § 67c Abs. 2 SGB X"),
        ("weil Erika Muster es so wollte", "kept"),
    ],
)
def test_who_keeps_it_in_its_own_file_names_the_norm(
    world: World, sink: ViewSink, tmp_path: Path, norm: str, answer: str
) -> None:
    pass_on(world, sink)
    engine = create_engine(f"sqlite:///{tmp_path / 'staging.sqlite'}")
    child = next(part.subject for part in world.views(JC, "jc_case_manager")[-1].parts if part.sender == JA)
    row = {"fall_ref": world.jc.case_key("fam"), "person_ref": child, "norm": norm}
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(insert(uebernommen).values(row))
    engine.dispose()
    world.ja.withdraws("c2", CHILD)
    pass_on(world, sink)
    story = consent_story(world.parts, "c2")
    assert story is not None
    assert [answer_text(one.answer) for one in story.receipts] == [answer]
    assert world.seen(JC, "jc_case_manager") == []


def test_an_unknown_number_has_no_story(world: World) -> None:
    assert consent_story(world.parts, "never granted") is None


def test_the_time_to_effect_counts_from_the_receipt_to_the_changed_view(world: World) -> None:
    made = metrics(CollectorRegistry())
    world.ja.withdraws("c2", CHILD)
    world.wait(seconds=40)
    world.outcomes.clear()
    world.run()
    for stage, outcome in world.outcomes:
        made.record(stage, "", outcome, 0.1, now=world.clock.now())
    made.batched.release()
    name = "hub_withdrawal_latency_seconds"
    assert made.registry.get_sample_value(f"{name}_count") == 1.0
    assert made.registry.get_sample_value(f"{name}_sum") == 40.0
    world.measure(key="another")
    world.outcomes.clear()
    world.run()
    assert [outcome.effects for stage, outcome in world.outcomes if stage == "disclose"] == [[]]
