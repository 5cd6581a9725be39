"""Whatever a foreign producer appends to a topic is read or quarantined by place, by both readers of the log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.dev.servers import LocalKafka
from hub.hosts.embedded import Embedded
from hub.ports import UNREADABLE, Outgoing, Record
from hub.store.tables import quarantine
from hub.subjects.consent_barrier import is_open
from tests.support import foreign
from tests.support.foreign import Entry
from tests.support.stories import Families
from tests.support.workers import JOBCENTER, Rig, rig

ONE: list[Entry] = [(b"k", b"v" * 50, [("a", b"x"), ("b", None)]), (None, None, [])]
EVENTS, CONSENTS = f"agency.{JOBCENTER}.events", f"agency.{JOBCENTER}.consents"


@pytest.fixture
def made(hub_kafka: LocalKafka, postgres: str, tmp_path: Path) -> Iterator[Rig]:
    with rig(hub_kafka.bootstrap, postgres, tmp_path) as one:
        yield one


def _read(made: Rig, topic: str, partition: int = 0) -> list[Record]:
    """Everything, from the beginning to the end that is there."""
    found: list[Record] = []
    while more := made.parts.log.read(topic, {partition: found[-1].offset + 1 if found else 0}, 100):
        found += more
    return found


def _batches() -> list[bytes]:
    latin = foreign.with_latin_header(foreign.batch([(b"k", b"latin", [("zzzz", b"x")])]), b"zzzz")
    huge: Entry = (b"k", b"huge", [(f"h{n}", b"x" * 90) for n in range(8000)])
    return [*(foreign.batch(ONE, codec) for codec in range(5)), latin, foreign.batch([huge])]


def test_the_log_is_read_to_its_end(made: Rig) -> None:
    broker = made.env["HUB_KAFKA_BOOTSTRAP"]
    foreign.send(broker, EVENTS, _batches())
    foreign.transaction(broker, EVENTS, ONE[:1])
    foreign.transaction(broker, EVENTS, [(b"k", b"aborted", [])], commit=False)
    found = _read(made, EVENTS)
    assert [record.value for record in found] == 5 * [b"v" * 50, b""] + [
        b"latin",
        b"huge",
        b"v" * 50,
        b"aborted",
    ]
    assert len(found[11].headers) == 8000
    assert made.parts.log.read(EVENTS, {0: found[-1].offset + 1}) == []  # behind it, the marker's offset
    made.parts.log.append(EVENTS, [Outgoing(b"k", b"later")] * 20)
    assert _read(made, EVENTS)[len(found) :] != []


def test_a_bomb_is_one_place(made: Rig) -> None:
    foreign.send(made.env["HUB_KAFKA_BOOTSTRAP"], EVENTS, [foreign.bomb(100)])
    (stand_in,) = _read(made, EVENTS)
    assert dict(stand_in.headers) == {UNREADABLE: b"unpacked_too_large"}


@pytest.mark.parametrize("host", ["embedded", "workers"])
def test_stages_go_on_behind_them(made: Rig, host: str) -> None:
    """Markers stand before, between and behind the hub's own records, on the topic that everybody waits for."""
    families, broker = Families(made, 2), made.env["HUB_KAFKA_BOOTSTRAP"]
    spoilt = [*_batches(), foreign.bomb(100)]
    for partition in range(2):
        for topic in (CONSENTS, EVENTS):
            foreign.transaction(broker, topic, ONE[:1], partition=partition)
            foreign.send(broker, topic, spoilt, partition)
            foreign.transaction(broker, topic, ONE[:1], commit=False, partition=partition)
    families.meet()
    families.go_on()
    for partition in range(2):
        foreign.transaction(broker, CONSENTS, ONE[:1], partition=partition)
    if host == "workers":
        made.start("all", supervised=True)
        made.until(lambda: len(made.versions()) >= 2, "views of both families")
        made.until(lambda: is_open(made.parts), "consents caught up")
    else:
        Embedded(made.parts).run_until_quiet()
        assert len(made.versions()) >= 2
        assert is_open(made.parts)
    assert made.count(quarantine, quarantine.c.reason == "unpacked_too_large") == 4
