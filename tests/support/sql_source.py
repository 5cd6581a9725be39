"""An agency's table in a real database, and the SQL source driven the way the runtime drives it, without a hub."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Engine, Integer, MetaData, String, Table, create_engine

from connectors.contract import Incident, Row
from connectors.pipeline.config.connector import parse_config
from connectors.pipeline.state.state import State
from connectors.sources.sql import build, waiting
from connectors.sources.sql.source import SqlSource
from hub.domain.identifiers import AgencyKey

KEY = AgencyKey(b"k" * 32)
DATABASES = ("sqlite", "postgres", "mariadb")
DAY = datetime(2026, 11, 16, 8, 0)  # noqa: DTZ001  as a database without zones writes
HELP: Mapping[str, Any] = {
    "type": "HelpStarted",
    "subject": "Straße",
    "case": "order",
    "occurred_at": "Geändert am",
    "fields": {"place": "select"},
}
ENDED: Mapping[str, Any] = {
    "type": "HelpEnded",
    "subject": "Straße",
    "case": "order",
    "occurred_at": "@version",
    "fields": {"end_code": {"constant": "50"}},
}


def at(minutes: float) -> datetime:
    """A moment as the database writes it."""
    return DAY + timedelta(minutes=minutes)


def orders(*, key: Any = None) -> Table:
    """A table whose every name must be quoted somewhere."""
    return Table(
        "group",
        MetaData(),
        Column("Straße", key or String(20)),
        Column("order", String(20)),
        Column("select", String(40)),
        Column("Geändert am", DateTime()),
        Column("geheim", Integer, default=0),
    )


class SqlWorld:
    """One table, one source; `seen` is what the runtime was given, in order."""

    def __init__(self, folder: Path, url: str, read_url: str = "", table: Table | None = None) -> None:
        self.folder, self.read_url = folder, read_url or url
        self.engine: Engine = create_engine(url)
        self.table = orders() if table is None else table
        self.table.metadata.create_all(self.engine)
        self.settings: dict[str, Any] = {"overlap_seconds": 60.0}
        self.stream: dict[str, Any] = {
            "table": "group",
            "version": "Geändert am",
            "key": ["Straße"],
            "events": [HELP],
            "on_vanish": ENDED,
        }
        self.now = datetime.fromisoformat("2026-11-16T12:00:00+00:00")
        self.seen: list[Row] = []
        self._source: SqlSource | None = None
        self._state: State | None = None

    def config(self) -> Any:
        raw = {
            "agency": {"id": "jc-x", "kind": "jobcenter"},
            "connector": {"kind": "sql", "state": "state.sqlite", "pseudonyms": "p.sqlite"},
            "keys": {},
            "log": {"path": "log.sqlite"},
            "settings": {"url": self.read_url} | self.settings,
            "streams": {"hilfen": dict(self.stream)},
        }
        return parse_config(raw, self.folder)

    def open(self) -> SqlSource:
        if self._source is None:
            self._state = State(self.folder / "state.sqlite", lambda key: KEY.row_hash(b"key" + key.encode()))
            self._source = build(self.config(), self._state, KEY)
        return self._source

    @property
    def state(self) -> State:
        self.open()
        assert self._state is not None
        return self._state

    def restart(self) -> None:
        """The process ends; only its state file stays."""
        if self._source:
            self._source.close()
        if self._state:
            self._state.close()
        self._source = self._state = None

    def put(self, *rows: Iterable[Any]) -> None:
        """Rows: Straße, order, select, Geändert am; one that is there is changed."""
        names = ("Straße", "order", "select", "Geändert am")
        with self.engine.begin() as connection:
            for row in rows:
                values = dict(zip(names, row, strict=True))
                mine = self.table.c["Straße"] == values["Straße"]
                connection.execute(self.table.delete().where(mine))
                connection.execute(self.table.insert().values(values))

    def remove(self, *keys: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(self.table.delete().where(self.table.c["Straße"].in_(keys)))

    def say(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def step(
        self, limit: int = 3, later: float = 1.0, crash: Callable[[], bool] = lambda: False
    ) -> list[Incident]:
        """One round, `later` minutes after the last; `crash` ends it before a batch is saved."""
        self.now += timedelta(minutes=later)
        source, state = self.open(), self.state
        incidents = list(source.refresh(self.now))
        for batch in source.read(["hilfen"], limit):
            self.seen += batch.rows
            if crash():
                self.restart()
                return incidents
            with state.transaction():
                state.advance(batch.stream, batch.rows, batch.cursor, set())
        source.finished()
        return incidents

    def accept(self) -> Any:
        return waiting(self.config(), self.state).accept()

    def taken(self) -> list[str]:
        """Keys of what was given since the last look, those of deleted rows with a minus."""
        found = [("-" if row.gone else "") + row.key for row in self.seen]
        self.seen.clear()
        return found

    def close(self) -> None:
        self.restart()
        self.engine.dispose()


@contextmanager
def sql_world(request: pytest.FixtureRequest, folder: Path) -> Iterator[SqlWorld]:
    """A world on the database that the fixture's parameter names (`DATABASES`)."""
    match request.param:
        case "sqlite":
            made = SqlWorld(folder, f"sqlite:///{folder / 'fach verfahren.sqlite'}")
        case "postgres":
            made = SqlWorld(folder, request.getfixturevalue("database_url"))
        case _:
            server, name = request.getfixturevalue("mariadb"), request.getfixturevalue("mariadb_database")
            made = SqlWorld(folder, server.url(name), server.url(name, "reader"))
    with closing(made):
        yield made
