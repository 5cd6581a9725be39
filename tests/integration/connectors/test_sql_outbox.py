"""An outbox as a vendor fills it: numbers out of order, rolled back, JSON or columns; read by number, never changed."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, Text, create_engine

from connectors.pipeline.config.connector import parse_config
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.mapping.mapper import Mapper
from connectors.pipeline.state.state import State
from connectors.sources.outbox import build
from connectors.sources.outbox.config import outbox_settings
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError

KEY = AgencyKey(b"k" * 32)
OUTBOX = Table(
    "outbox",
    MetaData(),
    Column("nr", Integer, primary_key=True),
    Column("art", String(20)),
    Column("daten", Text),
    Column("am", String(20)),
)
HELP = {
    "type": "HelpStarted",
    "subject": "person.nr",
    "case": "fall",
    "occurred_at": "am",
    "fields": {"paragraph": "par", "place": "ort"},
}


class Outbox:
    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.engine: Engine = create_engine(url)
        OUTBOX.metadata.create_all(self.engine)
        self.now = datetime(2026, 11, 16, 12, tzinfo=UTC)
        self.settings: dict[str, Any] = {
            "table": "outbox",
            "id": "nr",
            "kind": "art",
            "payload": "daten",
            "columns": ["am"],
        }
        self.streams: dict[str, Any] = {
            "hilfen": {
                "key": ["id"],
                "entries": ["HILFE"],
                "optional": ["ort", "weg"],
                "events": [HELP],
                "gone": {"column": "weg", "in": ["True"]},
            },
            "andere": {"key": ["id"], "events": [HELP]},
        }
        self._open: list[Any] = []

    def config(self) -> Any:
        return parse_config(
            {
                "agency": {"id": "jc-x", "kind": "jobcenter"},
                "connector": {"kind": "sql_outbox", "state": "s", "pseudonyms": "p"},
                "settings": {"url": self.url} | self.settings,
                "streams": self.streams,
            },
            self.folder,
        )

    def write(self, connection: Any, number: int, art: str = "HILFE", raw: str = "", **said: Any) -> None:
        payload = {"id": said.get("id", number), "person": {"nr": "P1"}, "fall": "F1", "par": "31", **said}
        connection.execute(
            OUTBOX.insert().values(nr=number, art=art, daten=raw or json.dumps(payload), am="2026-11-16")
        )

    def put(self, *numbers: int, **said: Any) -> None:
        with self.engine.begin() as connection:
            for number in numbers:
                self.write(connection, number, **said)

    def open(self) -> tuple[Any, State]:
        if not self._open:
            state = State(self.folder / "state.sqlite", lambda key: KEY.row_hash(b"key" + key.encode()))
            self._open = [build(self.config(), state, KEY), state]
        return self._open[0], self._open[1]

    def read(self, limit: int = 2, later: float = 1.0) -> list[str]:
        """Places of what is new, after a restart of the connector."""
        self.close()
        source, state = self.open()
        self.now += timedelta(minutes=later)
        self.incidents = source.refresh(self.now)
        found = []
        for batch in source.read(["hilfen"], limit):
            with state.transaction():
                state.advance(batch.stream, batch.rows, batch.cursor, set())
            found += [row.place.removeprefix("hilfen/") + ("-" if row.gone else "") for row in batch.rows]
        return found

    def events(self, number: int) -> list[MappedEvent | Unmapped]:
        self.close()
        source, config = self.open()[0], self.config()
        rows = [row for row in source.control(["hilfen"]).rows if row.place == f"hilfen/{number}"]
        return [e for row in rows for e in Mapper(KEY, "jobcenter", config.streams).events(row, {})]

    def close(self) -> None:
        for part in self._open:
            part.close()
        self._open = []


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    match request.param:
        case "sqlite":
            url = f"sqlite:///{tmp_path}/vendor.sqlite"
        case "postgres":
            url = request.getfixturevalue("database_url")
        case _:
            name = request.getfixturevalue("mariadb_database")
            url = request.getfixturevalue("mariadb").url(name)
    made = Outbox(tmp_path, url)
    yield made
    made.close()
    made.engine.dispose()


def test_entries_are_read_once_in_order_and_others_leave_no_gap(outbox: Outbox) -> None:
    outbox.put(1, 2, 4)
    outbox.put(3, art="ANDERES")
    assert outbox.read() == ["1", "2", "4"]
    assert outbox.read() == []
    outbox.put(5, 6, 7)
    assert outbox.read() == ["5", "6", "7"]
    assert '"ANDERES"' not in (outbox.open()[1].cursor("hilfen") or "")


def test_a_transaction_that_commits_late_is_not_missed(outbox: Outbox) -> None:
    outbox.put(1)
    if outbox.engine.dialect.name == "sqlite":  # one writer at a time: the number alone comes late
        outbox.put(3)
        assert outbox.read() == ["1", "3"]
        outbox.put(2)
    else:
        with outbox.engine.connect() as late:
            outbox.write(late, 2)
            outbox.put(3)
            assert outbox.read() == ["1", "3"]
            assert outbox.read() == []
            late.commit()
    assert outbox.read() == ["2"]
    assert outbox.read() == []


def test_a_number_that_was_rolled_back_is_given_up_in_time(outbox: Outbox) -> None:
    outbox.put(1, 3)
    assert outbox.read() == ["1", "3"]
    outbox.put(4)
    assert outbox.read(later=60 * 25) == ["4"]
    assert "[[2, 2" not in (outbox.open()[1].cursor("hilfen") or "")


def test_of_a_record_the_highest_number_counts(outbox: Outbox) -> None:
    outbox.put(1, 4, id="a")
    outbox.put(5, id="b")
    assert outbox.read(limit=10) == ["4", "5"]
    outbox.put(2, id="a", ort="überholt")
    assert outbox.read() == []
    outbox.put(6, id="a", weg=True)
    assert outbox.read() == ["6-"]
    assert [row.place for row in outbox.open()[0].subjects(["P1"])] == ["hilfen/5", "hilfen/6"]


def test_an_object_becomes_an_event_and_what_is_missing_is_named(outbox: Outbox) -> None:
    outbox.put(1, ort="Lünen")
    outbox.put(2, par=["31", "32"])
    outbox.put(3, raw="{kein JSON")
    outbox.put(4, id=None)
    (event,) = outbox.events(1)
    assert isinstance(event, MappedEvent)
    assert event.payload == {"paragraph": "31", "place": "Lünen"}
    outbox.put(5, raw='{"id": "5", "person": {"nr": "P1"}}')
    outbox.put(6, raw='{"id": "6", "person": {"nr": "P1"}, "fall": "F1", "par": 1e99999999999999999999}')
    wrong = [
        (2, "unreadable_value", "par"),
        (3, "unreadable_json", "daten"),
        (4, "key_missing", "id"),
        (5, "column_missing", "fall"),
        (6, "unreadable_value", "par"),
    ]
    for number, reason, column in wrong:
        (held,) = outbox.events(number)
        assert isinstance(held, Unmapped)
        assert (held.reason, held.column) == (reason, column)
    assert len(outbox.read(limit=10)) == 6


@pytest.mark.parametrize(
    "raw",
    [
        '{"id": 1, "person": {"nr": "P1"}, "fall": "F1", "par": "31", "par": "34"}',
        '{"id": 1, "person": {"nr": "P1", "nr": "P2"}, "fall": "F1", "par": "31"}',
    ],
)
def test_a_member_that_stands_twice_holds_its_entry_alone(outbox: Outbox, raw: str) -> None:
    outbox.put(1, raw=raw)
    outbox.put(2)
    (held,) = outbox.events(1)
    assert isinstance(held, Unmapped)
    assert (held.reason, held.column) == ("unreadable_json", "daten")
    assert "holds a member twice" in held.remedy
    assert all(isinstance(event, MappedEvent) for event in outbox.events(2))


def test_a_dropped_column_stops_all_and_is_named(outbox: Outbox) -> None:
    outbox.put(1)
    outbox.settings["columns"] = ["am", "nicht_da"]
    assert outbox.read() == []
    assert {(i.reason, i.place) for i in outbox.incidents} == {("column_missing", "outbox.nicht_da")}


def test_a_member_that_no_object_holds_stops_its_stream_and_is_named(outbox: Outbox) -> None:
    outbox.put(1)
    outbox.put(2, raw='{"id": "a", "weg": true}')
    assert outbox.read() == ["1", "2-"]
    outbox.streams["hilfen"]["key"] = ["nummer"]
    outbox.put(3)
    assert outbox.read() == []
    assert {(i.stream, i.reason, i.place) for i in outbox.incidents} == {
        ("hilfen", "column_missing", "hilfen.nummer")
    }


def test_the_gate_hears_the_last_word_on_each_record(outbox: Outbox) -> None:
    outbox.put(1, id="a")
    outbox.put(2, id="a", weg=True)
    outbox.put(3, id="a")
    outbox.put(4, id="b")
    outbox.put(5, id="b", weg=True)
    source, _ = outbox.open()
    heard = [(row.place, row.gone) for row in source.control(["hilfen"]).rows]
    assert heard == [("hilfen/3", False), ("hilfen/5", True)]


def test_the_outbox_stays_as_it_is_and_says_what_it_holds(outbox: Outbox) -> None:
    outbox.put(1, 2)
    with outbox.engine.connect() as connection:
        before = connection.execute(OUTBOX.select()).all()
    outbox.read()
    found = outbox.open()[0].discover()
    with outbox.engine.connect() as connection:
        assert connection.execute(OUTBOX.select()).all() == before
    assert found["hilfen"] == ["fall", "id", "par", "person.nr"]


def test_a_version_is_no_time_here(tmp_path: Path) -> None:
    made = Outbox(tmp_path, f"sqlite:///{tmp_path}/x.sqlite")
    made.streams["hilfen"]["events"] = [HELP | {"occurred_at": "@version"}]
    with pytest.raises(ConfigurationError, match="is its number, no time"):
        outbox_settings(made.config())
    made.streams["hilfen"] |= {"events": [HELP], "on_vanish": HELP | {"occurred_at": "@version"}}
    with pytest.raises(ConfigurationError, match="is its number, no time"):
        outbox_settings(made.config())
    made.engine.dispose()


def test_an_entry_that_the_database_cannot_compute_waits_alone(tmp_path: Path) -> None:
    made = Outbox(tmp_path, f"sqlite:///{tmp_path}/vendor.sqlite")
    computed = "CASE WHEN nr = 2 THEN abs(-9223372036854775807 - 1) ELSE daten END"
    with made.engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE VIEW sicht AS SELECT nr, art, {computed} AS daten, am FROM outbox"  # noqa: S608
        )
    made.settings["table"] = "sicht"
    made.put(1, 2, 3)
    assert (made.read(limit=10), made.incidents) == (["1", "2", "3"], [])
    assert [getattr(one, "reason", "sent") for number in (1, 2, 3) for one in made.events(number)] == [
        "sent",
        "unreadable_json",
        "sent",
    ]
    made.close()
    made.engine.dispose()
