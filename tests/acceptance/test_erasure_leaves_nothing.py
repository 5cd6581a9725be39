"""After an erasure: all databases, all topics and all staging tables, opened with every key that still exists, hold
nothing of the person (issue: a dump after an erasure). Before it the same search finds everything."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hub.adapters.keys.sql import SqlKeyStore
from hub.dev.demo import Demo
from hub.dev.servers import LocalKafka
from hub.erasure.completion import status, who_is
from hub.erasure.request import request_erasure
from hub.operations.rebuild import rebuild
from hub.parts import Parts
from schemas import InvalidPayload, UnknownSchema, by_fingerprint, decode_single, record_schema
from tests.support.dump import found, living_keys, log_values, opened, store_values
from tests.support.world import JA, JC, MOTHER, World

SOURCES = ("jobcenter.sqlite", "export")
"""The agencies' own systems: what stands there is theirs."""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """Six families, five days, both offices with sources and sinks."""
    made = Demo(tmp_path, 6, 3)
    made.run(lambda _: None)
    yield made
    made.close()


def files(folder: Path) -> Iterator[bytes]:
    """Every file that a connector or the hub keeps."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(SOURCES) for part in path.parts):
            yield path.read_bytes()


def told_of(parts: Parts) -> dict[str, set[bytes]]:
    """subject key → every text that was published about it and is no code."""
    keys = living_keys(cast(SqlKeyStore, parts.keys))
    texts: defaultdict[str, set[bytes]] = defaultdict(set)
    for value in log_values(parts):
        try:
            schema, record = decode_single(value)
        except (UnknownSchema, InvalidPayload):
            continue
        if schema is record_schema("envelope"):
            mine = [
                one for one in keys if one.ref[:3] == ("box", record["controller_id"], record["subject_ref"])
            ]
            for plain in opened([value], mine):
                subject = f"{record['controller_id']}:{record['subject_ref']}"
                texts[subject] |= set(_texts(by_fingerprint(record["schema"]).decode(plain).values()))
    return texts


def _texts(values: Iterable[Any]) -> Iterator[bytes]:
    """Words with a capital or a digit in them: names, addresses, numbers, not "completed"."""
    for value in values:
        if isinstance(value, str) and len(value) > 5 and value != value.lower():
            yield value.encode()
        elif isinstance(value, list):
            yield from _texts(value)


def everything(parts: Parts, folder: Path) -> Iterator[bytes]:
    keys = living_keys(cast(SqlKeyStore, parts.keys))
    for values in (log_values, store_values):
        yield from values(parts)
        yield from opened(values(parts), keys)
    yield from files(folder)


def person_with_most(parts: Parts) -> tuple[list[str], set[bytes]]:
    """A person known to both offices: all its names, and what was published about it and about nobody else."""
    texts = told_of(parts)
    with parts.store.transaction() as connection:
        groups = {who_is(connection, key).same for key in texts if ":p_" in key}
    own: dict[tuple[str, ...], set[bytes]] = {}
    for names in groups:
        others: set[bytes] = set().union(*(words for key, words in texts.items() if key not in names))
        own[names] = {word for key in names for word in texts.get(key, ()) if word not in others}
    best = max((names for names in own if len(names) > 1), key=lambda names: len(own[names]))
    return list(best), own[best]


def test_embedded_with_connectors_and_staging_tables(demo: Demo) -> None:
    names, words = person_with_most(demo.parts)
    before = found(words, everything(demo.parts, demo.folder))
    assert before == words, sorted(words)
    assert len(words) >= 3
    request_erasure(demo.parts, names[0], "Art. 17 DSGVO", everywhere=True)
    demo.settle()
    assert found(words, everything(demo.parts, demo.folder)) == set()
    assert {one["state"] for one in status(demo.parts)} == {"completed"}
    assert sum(rebuild(demo.parts, name).divergence for name in ("joint_case", "consent_register")) == 0
    assert found(words, everything(demo.parts, demo.folder)) == set()


NAMES = ("Anneliese Wunderlich", "Kurs Metallbau Nord")


def test_kafka_and_postgresql(broker: LocalKafka, database_url: str, tmp_path: Path) -> None:
    """The same search over every topic of a broker and every cell of every table of a PostgreSQL store."""
    world = World.at(
        tmp_path,
        database_url,
        host="kafka",
        kafka_bootstrap=broker.bootstrap,
        topic_timestamps="create",
        partitions=1,
    )
    world.shared()
    world.measure(key="course", provider=NAMES[1])
    world.jc.say("PersonRegistered", MOTHER, {"names": NAMES[0]}, consents=["c1"])
    world.run()
    words = {name.encode() for name in NAMES}
    assert found(words, everything(world.parts, tmp_path)) == words
    assert world.seen(JA, "ja_asd") == ["MeasureStarted", "MeasureStarted", "PersonRegistered"]
    request_erasure(world.parts, world.jc.subject(MOTHER), "Art. 17 DSGVO")
    world.run()
    assert found(words, everything(world.parts, tmp_path)) == set()
    assert world.seen(JA, "ja_asd") == []
    assert world.seen(JC, "jc_case_manager") == ["HelpStarted"]
    assert world.divergence() == 0
    world.close()
