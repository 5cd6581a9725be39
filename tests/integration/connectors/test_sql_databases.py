"""One source, three real databases: late, equal, deleted, renamed, retyped, refused; nothing is missed or guessed."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Integer, text

from connectors.contract import Unreadable
from connectors.tools.propose.database import database as look
from hub.cli.connect.status import status
from hub.errors import AccessRefused, ConfigurationError, ServiceUnavailable
from tests.support.sql_source import DATABASES, ENDED, HELP, SqlWorld, at, orders, sql_world


@pytest.fixture(params=DATABASES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlWorld]:
    with sql_world(request, tmp_path) as made:
        yield made


def test_equal_times_over_pages_then_late_then_nothing(world: SqlWorld) -> None:
    world.put(*((f"ä{n}", "f", "x", at(0)) for n in range(8)), ("z", "f", "x", at(9)))
    assert world.step() == []
    assert sorted(world.taken()) == ["z", *(f"ä{n}" for n in range(8))]
    world.put(("spät", "f", "x", at(8.5)))
    world.step()
    assert world.taken() == ["spät"]
    world.restart()
    world.step()
    assert world.taken() == []


def test_what_was_committed_after_the_overlap_is_found_by_comparing_keys(world: SqlWorld) -> None:
    world.put(("a", "f", "x", at(0)), ("z", "f", "x", at(60)))
    world.step()
    world.taken()
    world.put(("viel später", "f", "x", at(1)), ("a", "f", "anders", at(2)))
    world.step()
    assert world.taken() == []
    world.step(later=1440)
    assert sorted(world.taken()) == ["a", "viel später"]


def test_a_deleted_row_is_told_with_what_on_vanish_needs(world: SqlWorld) -> None:
    world.put(*((f"k{n}", f"fall{n}", "geheim-X", at(n)) for n in range(6)))
    world.step()
    assert b"geheim-X" not in (world.folder / "state.sqlite").read_bytes()
    world.taken()
    world.remove("k3")
    world.step()
    assert world.taken() == []
    world.restart()
    world.step(later=1440)
    (row,) = world.seen
    assert (row.gone, row.key) == (True, "k3")
    assert dict(row.values) == {"Straße": "k3", "order": "fall3"}
    world.taken()
    world.step(later=1440)
    assert world.taken() == []
    assert world.state.db.execute("SELECT count(*) FROM remembered").fetchone()[0] == 5


def test_an_emptied_table_waits_for_a_person(world: SqlWorld) -> None:
    world.put(*((f"k{n}", "f", "x", at(n)) for n in range(4)))
    world.step()
    world.taken()
    world.remove(*(f"k{n}" for n in range(4)))
    world.step(later=1440)
    (incident,) = world.step()
    assert (incident.reason, incident.stream) == ("keys_vanished", "hilfen")
    assert world.taken() == []
    held = world.accept()
    assert (held.stream, held.share) == ("hilfen", 1.0)
    world.step()
    assert sorted(world.taken()) == ["-k0", "-k1", "-k2", "-k3"]
    assert world.step() == []


def test_accepting_covers_no_more_than_was_held(world: SqlWorld) -> None:
    world.settings["vanish_rows"] = 0
    world.put(*((f"k{n}", "f", "x", at(n)) for n in range(6)))
    world.step()
    world.taken()
    world.remove("k0", "k1")
    world.step(later=1440)
    world.accept()
    world.remove("k2", "k3", "k4")
    world.step()
    assert world.taken() == []
    (incident,) = world.step()
    assert "83%" in incident.remedy


def test_a_dropped_column_halts_the_stream_and_is_named(world: SqlWorld) -> None:
    world.put(("a", "f", "x", at(0)))
    world.step()
    world.taken()
    quote = "`" if world.engine.dialect.name in ("mysql", "mariadb") else '"'
    world.say(f"ALTER TABLE {quote}group{quote} RENAME COLUMN {quote}select{quote} TO {quote}SELECT2{quote}")
    (incident,) = world.step()
    assert (incident.reason, incident.place) == ("column_missing", "hilfen.select")
    assert world.taken() == []
    world.say(f"ALTER TABLE {quote}group{quote} RENAME COLUMN {quote}SELECT2{quote} TO {quote}select{quote}")
    assert world.step() == []


def test_a_retyped_column_halts_until_somebody_has_looked(world: SqlWorld) -> None:
    world.put(("1", "f", "5", at(0)))
    world.step()
    world.taken()
    name = world.engine.dialect.name
    if name == "sqlite":
        world.say('ALTER TABLE "group" DROP COLUMN "select"')
        world.say('ALTER TABLE "group" ADD COLUMN "select" INTEGER DEFAULT 5')
    elif name == "postgresql":
        world.say('ALTER TABLE "group" ALTER COLUMN "select" TYPE integer USING 5')
    else:
        world.say("ALTER TABLE `group` MODIFY COLUMN `select` INTEGER")
    (incident,) = world.step()
    assert (incident.reason, incident.place) == ("column_retyped", "hilfen.select")
    assert "it was text and is number" in incident.remedy
    world.restart()
    assert [i.reason for i in world.step()] == ["column_retyped"]
    assert world.taken() == []
    world.restart()
    world.stream["revision"] = 2
    assert world.step() == []


def test_a_wider_column_is_none_of_our_business(world: SqlWorld) -> None:
    world.put(("1", "f", "5", at(0)))
    world.step()
    name = world.engine.dialect.name
    if name == "postgresql":
        world.say('ALTER TABLE "group" ALTER COLUMN "select" TYPE text')
    elif name != "sqlite":
        world.say("ALTER TABLE `group` MODIFY COLUMN `select` VARCHAR(400)")
    assert world.step() == []


def test_a_key_that_names_many_rows_halts_before_anything_is_read(world: SqlWorld) -> None:
    world.stream["key"] = ["order"]
    world.put(*((f"k{n}", "f", "x", at(0)) for n in range(12)))
    assert [(i.reason, i.place) for i in world.step()] == [("duplicate_key", "hilfen.order")]
    assert [i.reason for i in world.step()] == ["duplicate_key"]
    assert world.taken() == []


def test_rows_without_key_or_version_are_named_and_hide_no_other(world: SqlWorld) -> None:
    world.put(*((f"k{n}", "f", "x", at(0)) for n in range(4)), ("ohne", "f", "x", None))
    with world.engine.begin() as connection:
        connection.execute(world.table.insert().values({"order": "f", "select": "x", "Geändert am": at(0)}))
    reasons = [i.reason for i in world.step()]
    assert reasons == ["version_missing", "key_missing"]
    assert sorted(world.taken()) == ["k0", "k1", "k2", "k3"]


def test_a_query_of_ones_own(world: SqlWorld) -> None:
    quote = "`" if world.engine.dialect.name in ("mysql", "mariadb") else '"'
    world.say(f"CREATE VIEW hilfen AS SELECT * FROM {quote}group{quote}")  # noqa: S608
    del world.stream["table"]
    world.stream["query"] = "SELECT h.*, ':x' AS art FROM hilfen h WHERE '12:30' LIKE '%:%' -- nur Hilfen\n;"
    world.put(*((f"k{n}", "f", "x", at(0)) for n in range(7)))
    assert world.step() == []
    assert len(world.taken()) == 7


def test_keys_that_are_numbers_and_several(tmp_path: Path, database_url: str) -> None:
    world = SqlWorld(tmp_path, database_url, table=orders(key=Integer()))
    world.stream |= {"key": ["order", "Straße"], "numeric": ["Straße"]}
    world.put(*((n, f"f{n % 2}", "x", at(0)) for n in range(9)))
    assert world.step(limit=2) == []
    assert len(set(world.taken())) == 9
    found = [row.values["Straße"] for row in world.open().subjects(["4", "nicht da"])]
    assert found == [4]
    world.close()


def test_a_session_can_only_read(world: SqlWorld) -> None:
    world.put(("a", "f", "x", at(0)))
    world.read_url = world.engine.url.render_as_string(hide_password=False)
    database = world.open()._database
    quote = "`" if world.engine.dialect.name in ("mysql", "mariadb") else '"'
    with pytest.raises(ServiceUnavailable):
        database.rows(text(f"DELETE FROM {quote}group{quote}"), "x")  # noqa: S608
    world.step()
    assert world.taken() == ["a"]


def test_a_statement_ends_in_time(world: SqlWorld) -> None:
    sleeps = {"postgresql": "SELECT pg_sleep(20)", "mysql": "SELECT SLEEP(20) FROM (SELECT 1) AS x"}
    sleeps["mariadb"] = sleeps["mysql"]
    world.settings["statement_seconds"] = 1
    statement = sleeps.get(world.engine.dialect.name, "SELECT 1 FROM nicht_da")
    with pytest.raises(ServiceUnavailable):
        world.open()._database.rows(text(statement), "x")


def test_a_refused_account_is_told_apart_from_a_database_that_is_away(
    tmp_path: Path, mariadb: Any, mariadb_database: str, postgres: str
) -> None:
    name = mariadb_database
    refused = [
        mariadb.url(name, "reader", "falsch-canary"),
        mariadb.url("mysql_nicht_da", "niemand"),
        postgres.replace("hub@", "niemand@"),
    ]
    for n, url in enumerate([*refused, "mariadb://reader:falsch-canary@127.0.0.1:9/x"]):
        world = SqlWorld(tmp_path, f"sqlite:///{tmp_path}/leer{n}.sqlite")
        world.read_url = url
        with pytest.raises(ServiceUnavailable) as caught:
            world.step()
        assert isinstance(caught.value, AccessRefused) is (n < len(refused))
        assert "canary" not in str(caught.value) + repr(caught.value.__cause__)
        world.close()


def test_a_database_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    world = SqlWorld(tmp_path, f"sqlite:///{tmp_path}/da.sqlite", f"sqlite:///{tmp_path}/fehlt.sqlite")
    with pytest.raises(ServiceUnavailable):
        world.step()
    assert not (tmp_path / "fehlt.sqlite").exists()
    world.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mssql+pymssql://konto@host/db", "fallbruecke[mssql]"),
        ("oracle://konto@host/db", "mariadb | mssql"),
        ("kein Ort", "for example postgresql"),
    ],
)
def test_a_driver_that_is_missing_is_named(tmp_path: Path, url: str, said: str) -> None:
    world = SqlWorld(tmp_path, f"sqlite:///{tmp_path}/da.sqlite", url)
    with pytest.raises(ConfigurationError) as caught:
        world.open()
    assert said in str(caught.value)
    world.close()


def test_an_account_with_the_right_to_some_columns_only(tmp_path: Path, database_url: str) -> None:
    world = SqlWorld(tmp_path, database_url, database_url.replace("hub@", "leser@"))
    world.put(("a", "f", "x", at(0)))
    for statement in (
        "DROP ROLE IF EXISTS leser",
        "CREATE ROLE leser LOGIN",
        'GRANT SELECT ("Straße", "order", "select", "Geändert am") ON "group" TO leser',
    ):
        world.say(statement)
    assert world.step() == []
    assert world.taken() == ["a"]
    assert "geheim" not in world.open().discover()["hilfen"]
    world.say('REVOKE ALL ON "group" FROM leser')
    assert [i.reason for i in world.step()] == ["table_unreadable"]
    world.restart()
    world.say("DROP OWNED BY leser")
    world.say("DROP ROLE leser")
    world.close()


def test_status_says_auth_until_the_account_is_let_in(
    make_offices: Any, tools: Any, mariadb: Any, mariadb_database: str, capsys: Any
) -> None:
    """Fault 10: the wrong password, told beside the process that waits; nothing is lost."""
    right = mariadb.url(mariadb_database)
    offices = make_offices(url=right)
    offices.write_day(0)
    wrong = mariadb.url(mariadb_database, password="falsch-canary")
    offices.edit("jc-seestadt", lambda toml: toml.replace("sqlite:///jobcenter.sqlite", wrong))
    connector = offices.source("jc-seestadt")
    for minute in (0, 1):
        with pytest.raises(AccessRefused):
            connector.step(tools.evening(0) + timedelta(minutes=minute))
    config = offices.root / "jobcenter" / "source.toml"
    status(config, as_json=True)
    told = capsys.readouterr().out
    assert json.loads(told)["trouble"]["status"] == "AUTH"
    assert json.loads(told)["trouble"]["since"] == tools.evening(0).isoformat()
    assert "canary" not in told
    offices.close_all()
    offices.edit("jc-seestadt", lambda toml: toml.replace(wrong, right))
    report = offices.step(offices.source("jc-seestadt"), tools.evening(0) + timedelta(minutes=2))
    assert report.published
    status(config, as_json=True)
    assert json.loads(capsys.readouterr().out)["trouble"] is None


TRUTH = {"postgresql": "BOOLEAN DEFAULT false", "mysql": "BIT(1) DEFAULT b'0'", "sqlite": "INTEGER DEFAULT 0"}


def test_a_truth_value_says_what_was_deleted(world: SqlWorld) -> None:
    name = world.engine.dialect.name
    quote = "`" if name in ("mysql", "mariadb") else '"'
    world.say(f"ALTER TABLE {quote}group{quote} ADD weg {TRUTH.get(name, TRUTH['mysql'])}")
    world.stream["gone"] = {"column": "weg", "in": ["1"]}
    world.put(("a", "f", "x", at(0)), ("b", "f", "x", at(0)))
    world.say(
        "UPDATE _ SET weg = ! WHERE ?Straße? = 'b'".replace("_", "?group?")
        .replace("?", quote)
        .replace("!", "true" if name == "postgresql" else "1")
    )
    assert world.step() == []
    assert world.taken() == ["a", "-b"]


def test_bytes_that_tell_what_was_deleted_are_not_guessed(tmp_path: Path) -> None:
    world = SqlWorld(tmp_path, f"sqlite:///{tmp_path}/da.sqlite")
    world.say("ALTER TABLE \"group\" ADD weg BLOB DEFAULT (CAST('J' AS BLOB))")
    world.stream["gone"] = {"column": "weg", "in": ["J"]}
    world.put(("a", "f", "x", at(0)))
    world.step()
    assert [(row.gone, row.fault and row.fault.column) for row in world.seen] == [(False, "weg")]
    world.close()


def test_a_view_and_a_table_that_the_account_may_only_read_or_not_are_looked_at(
    mariadb: Any, mariadb_database: str, database_url: str, tmp_path: Path
) -> None:
    world = SqlWorld(tmp_path, mariadb.url(mariadb_database))
    world.say("CREATE VIEW sicht AS SELECT `Straße` FROM `group`")
    found = {table.name: list(table.columns) for table in look(mariadb.url(mariadb_database, "reader"))}
    assert (found["sicht"], "geheim" in found["group"]) == (["Straße"], True)
    world.close()
    world = SqlWorld(tmp_path, database_url)
    for statement in (
        "DROP ROLE IF EXISTS zuschauer",
        "CREATE ROLE zuschauer LOGIN",
        "CREATE TABLE offen (a text)",
        "GRANT SELECT ON offen TO zuschauer",
    ):
        world.say(statement)
    found = {table.name: list(table.columns) for table in look(database_url.replace("hub@", "zuschauer@"))}
    assert found == {"group": [], "offen": ["a"]}
    world.close()


def test_a_row_that_the_database_cannot_compute_is_held_alone(database_url: str, tmp_path: Path) -> None:
    world = SqlWorld(tmp_path, database_url)
    world.put(("a", "0", "x", at(0)), ("b", "2", "y", at(0)))
    quotient = 'SELECT "Straße", "order", (1 / "order"::int)::text AS "select", "Geändert am" FROM "group"'
    world.stream |= {"query": quotient, "key": ["Straße"]}
    del world.stream["table"], world.stream["on_vanish"]
    assert world.step() == []
    rows = {row.key: row.values["select"] for row in world.seen}
    assert (isinstance(rows["a"], Unreadable), rows["b"]) == (True, "0")
    world.close()


def test_a_number_as_version_is_no_time_for_an_event(world: SqlWorld) -> None:
    """Refused at the first look, with the column; a vanished row's version is when that was found, and is one."""
    world.stream |= {"version": "geheim", "events": [{**HELP, "occurred_at": "@version"}]}
    world.stream.pop("on_vanish")
    world.put(("a", "f", "x", at(0)))
    (incident,) = world.step()
    assert (incident.reason, incident.place) == ("version_unsuitable", "hilfen.geheim")
    assert "name the column that holds the time" in incident.remedy
    assert world.taken() == []
    world.stream |= {"events": [HELP], "on_vanish": ENDED}
    world.restart()
    assert world.step() == []
    assert world.taken() == ["a"]
    world.stream |= {"gone": {"column": "order", "in": ["weg"]}}
    world.restart()
    assert [one.place for one in world.step()] == ["hilfen.geheim"]
