"""Random tables through every kind of source: what arrives equals the truth, and every row that does not is held with
its place. `HUB_TRUTH_TABLES` sets how many tables a source reads, `HUB_TRUTH_SEED` the first of their seeds, which in
CI is always the same. `sql` reads as many from SQLite, and a quarter from each of the servers."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from connectors.contract import Batch, Row
from connectors.pipeline.config.connector import parse_config
from connectors.pipeline.config.kinds import load_kind
from connectors.pipeline.mapping.lookups import LookupIndex, LookupMemory
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.mapping.mapper import Mapper
from connectors.pipeline.mapping.row_rules import SEPARATOR
from connectors.pipeline.run.pipeline import key_hash
from connectors.pipeline.run.republish import among
from connectors.pipeline.state.faults import of_rows
from connectors.pipeline.state.state import State
from hub.domain.identifiers import AgencyKey
from tests.integration.connectors.interface import Interface
from tests.integration.connectors.truth.tables import HELD, Tables
from tests.integration.connectors.truth.writers import Drops, Outbox, Rest, Snapshots, Sql, Writer, Xml

TABLES = int(os.environ.get("HUB_TRUTH_TABLES", "500"))
SEED = int(os.environ.get("HUB_TRUTH_SEED") or (1 if "CI" in os.environ else time.time_ns() % 1_000_000))
KEY = AgencyKey(b"k" * 32)
MEMORY = Path("/dev/shm")  # noqa: S108  where no disk confirms what hundreds of connectors write
SOURCES = ("snapshot_csv", "file_drop", "xml", "rest", "sqlite", "postgres", "mariadb", "sql_outbox")
SERVERS = ("postgres", "mariadb")
Make = Callable[[Path, random.Random], Writer]
Key = tuple[str, ...]

WHO: dict[str, Any] = {"subject": "nr", "case": "akte", "occurred_at": "ab"}
EVENTS = [
    {
        "type": "PersonRegistered",
        **WHO,
        "fields": {
            "names": "name",
            "birth_date": "geb",
            "languages": "sprachen",
            "contact": {"lookup": "bezug", "by": "bezug", "column": "name"},
        },
    },
    {"type": "BenefitGranted", **WHO, "fields": {"amount": "betrag", "provisional": "vorl"}},
]
LOOKUPS = {"bezug": {"stream": "zeilen", "key": "id", "columns": ["name"]}}
STYLE = {"date": "%d.%m.%Y", "decimal": ",", "thousands": ".", "open_end": ["31.12.9999"]}


@pytest.fixture(params=SOURCES)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """How a writer of this source is made."""
    match request.param:
        case "snapshot_csv":
            yield Snapshots
        case "file_drop":
            yield Drops
        case "xml":
            yield Xml
        case "rest":
            with closing(Interface()) as interface:
                yield lambda folder, chance: Rest(folder, chance, interface)
        case "sqlite":
            yield lambda folder, chance: Sql(folder, chance, f"sqlite:///{folder}/da.sqlite")
        case "sql_outbox":
            yield lambda folder, chance: Outbox(folder, chance, f"sqlite:///{folder}/da.sqlite")
        case "postgres":
            url = request.getfixturevalue("database_url")
            yield lambda folder, chance: Sql(folder, chance, url)
        case _:
            server, name = request.getfixturevalue("mariadb"), request.getfixturevalue("mariadb_database")
            yield lambda folder, chance: Sql(folder, chance, server.url(name))


class Reader:
    """The source as a connector's runtime drives it, and what arrives: key → the payloads that count."""

    def __init__(self, folder: Path, writer: Writer) -> None:
        raw = {
            "agency": {"id": "jc-x", "kind": "jobcenter"},
            "connector": {"kind": writer.kind, "state": "state.sqlite", "pseudonyms": "p.sqlite"},
            "defaults": STYLE | dict(writer.style),
            "settings": dict(writer.settings),
            "lookups": LOOKUPS,
            "streams": {"zeilen": {"key": ["id", "teil"], "events": EVENTS, **writer.stream}},
        }
        config = parse_config(raw, folder)
        self.state = State(config.state, key_hash(KEY))
        self.source = load_kind(config.kind).build(config, self.state, KEY)
        self.mapper = Mapper(KEY, config.agency_kind, config.streams)
        self._kind, self.index = config.kind, LookupIndex(config.lookups)
        self.looked = LookupMemory(config, self.state, self.index)
        self.arrived: dict[Key, Any] = {}
        self.held: dict[Key, Unmapped] = {}
        self._names: dict[bytes, Key] = {}

    def read(self, now: datetime) -> None:
        """Of a database twice: what was deleted is found after what is there was read."""
        for _ in range(2 if self._kind == "sql" else 1):
            assert list(self.source.refresh(now)) == []
            control = self.source.control(["zeilen"])
            changed = self.index.take(list(control.rows), complete=control.complete)
            self.looked.compare(changed, (), complete=control.complete)
            for batch in self.source.read(["zeilen"], 3):
                self._batch(batch)
            self.source.finished()
            self._say_again()

    def _batch(self, batch: Batch) -> None:
        held = [fault for row in batch.rows for fault in self._take(row)]
        entries = of_rows(batch, held, self.state.key_hash)
        waiting = {
            row.key for row in batch.rows if self.state.key_hash(row.key) in {one.key for one in entries}
        }
        with self.state.transaction():
            self.state.release(batch.stream, [self.state.key_hash(row.key) for row in batch.rows])
            self.state.quarantine(entries)
            self.state.advance(batch.stream, batch.rows, batch.cursor, waiting)
            self.looked.note(batch.rows)

    def _say_again(self) -> None:
        for place, pending in list(self.looked.pending.items()):
            used = set[bytes]()
            for column in self.looked.columns(place):
                wanted = among(pending, self.state.key_hash, column, used)
                self._batch(Batch(place[0], list(self.source.referring(place[0], column, wanted))))
            with self.state.transaction():
                self.looked.paid(place, pending, used)
        self.looked.pending.clear()

    def _take(self, row: Row) -> list[Unmapped]:
        """Why the row waits in quarantine, if it does."""
        name = self.state.key_hash(row.key)
        if row.gone:
            self.arrived.pop(self._names[name], None)
            self.held.pop(self._names[name], None)
            return []
        key = self._names.setdefault(name, tuple(row.key.split(SEPARATOR)))
        found = list(self.mapper.events(row, self.index.tables))
        faults = [one for one in found if isinstance(one, Unmapped)]
        if faults:
            self.held[key] = faults[0]
            assert len(faults) == len(found), "a held row is held whole"
            return faults
        self.held.pop(key, None)
        person, benefit = (one for one in found if isinstance(one, MappedEvent))
        self.arrived[key] = person.subject_id, person.case_id, dict(person.payload), dict(benefit.payload)
        return []

    def close(self) -> None:
        self.source.close()
        self.state.close()


def follow(folder: Path, seed: int, make: Make) -> None:
    """One agency over some deliveries: after each, what arrived is the truth of that day."""
    chance, truth = random.Random(seed), dict[Key, Any]()  # noqa: S311  a test's own
    with ExitStack() as stack:
        writer = stack.enter_context(closing(make(folder, chance)))
        tables, now = Tables(seed, wide=writer.wide), datetime(2026, 11, 16, 20, tzinfo=UTC)
        reader: Reader | None = None
        for _ in range(chance.randint(2, 4)):
            writer.write(list(tables.rows.values()), now)
            reader = reader or stack.enter_context(closing(Reader(folder, writer)))
            reader.read(now + timedelta(minutes=1))
            now_true = tables.truth
            truth = {key: means for key, means in truth.items() if key in tables.rows}
            truth |= {key: means for key, means in now_true.items() if means is not HELD}
            if writer.kind == "sql":  # a database's deletions are found after what is there was read and said
                truth |= {key: said for key, said in reader.arrived.items() if key in tables.dangling}
            assert reader.arrived == truth
            wrong = {key for key, means in now_true.items() if means is HELD}
            assert reader.held.keys() == wrong
            assert all(one.place and one.remedy for one in reader.held.values())
            tables.change()
            now += timedelta(days=1)


def test_what_arrives_is_what_is_true(request: pytest.FixtureRequest, make: Make) -> None:
    print(f"HUB_TRUTH_SEED={SEED}")  # noqa: T201  a failure is repeated by it
    tables = TABLES // 4 if request.node.callspec.params["make"] in SERVERS else TABLES
    for seed in range(SEED, SEED + max(1, tables)):
        with TemporaryDirectory(prefix=f"{seed}_", dir=MEMORY if MEMORY.is_dir() else None) as folder:
            try:
                follow(Path(folder), seed, make)
            except BaseException as error:
                error.add_note(f"HUB_TRUTH_SEED={seed} HUB_TRUTH_TABLES=1")
                raise
