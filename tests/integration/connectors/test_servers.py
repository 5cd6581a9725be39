"""SQL connectors do on PostgreSQL and MariaDB what they do on SQLite: other types, the same events."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from connectors.pipeline.config.connector import load_config
from connectors.sinks.staging import open_sink
from connectors.sinks.staging.config import StagingSettings


@pytest.fixture(params=["postgres", "mariadb"])
def server_url(request: pytest.FixtureRequest) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("database_url"))
    name = request.getfixturevalue("mariadb_database")
    return str(request.getfixturevalue("mariadb").url(name))


def test_the_source_publishes_the_same(make_offices: Callable[..., Any], tools: Any, server_url: str) -> None:
    """The configuration too is the same, down to the quoted names in its query."""
    plain, other = make_offices("plain"), make_offices("other", url=server_url)
    other.edit("jc-seestadt", lambda toml: toml.replace("sqlite:///jobcenter.sqlite", server_url))
    for offices in (plain, other):
        offices.edit("jc-seestadt", lambda toml: toml.replace("[connector]\n", "[connector]\nbatch = 11\n"))
        connector = None
        for day in range(3):
            offices.write_day(day)
            connector = connector or offices.source("jc-seestadt")
            assert offices.step(connector, tools.evening(day)).published
            assert not offices.step(connector, tools.evening(day)).events
    assert plain.facts("jc-seestadt") == other.facts("jc-seestadt")


def test_the_sink_makes_its_tables_and_shows_by_lease(offices: Any, tools: Any, database_url: str) -> None:
    from connectors.pipeline.publish.pseudonyms import Pseudonyms

    config = load_config(offices.root / "jobcenter" / "sink.toml")
    settings = StagingSettings(url=database_url, batch=100)
    keys, names = offices.keys("jc-seestadt"), Pseudonyms(config.pseudonyms)
    sink = open_sink("jc-seestadt", settings, keys, offices.log, names)
    sink.check()
    assert sink.step(tools.evening(0)).answers == {}
    engine = create_engine(database_url)
    row = "('1', 'f', 'r', '', '1', 'p', 'a', 'e', 'i', 't', 'f', 'w', false, 0, {until})"
    with engine.begin() as connection:
        for until in ("0", "4000000000000000"):
            connection.execute(text(f"INSERT INTO fallbruecke_sicht VALUES {row.format(until=until)}"))  # noqa: S608
        shown = connection.execute(text("SELECT gilt_bis FROM fallbruecke_aktuell")).scalars().all()
    engine.dispose()
    sink.close()
    assert shown == [4_000_000_000_000_000]
