"""The migrations lead to exactly the tables that the code uses."""

import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect, text

from hub import read_models
from hub.store import Store
from hub.store.migrations import NEWEST
from hub.store.tables import metadata


def _all_tables() -> MetaData:
    together = MetaData()
    for table in (*metadata.sorted_tables, *read_models.tables()):
        table.to_metadata(together)
    return together


def test_migrated_store_is_what_the_code_expects(database_url: str) -> None:
    store = Store(database_url)
    store.create()  # by the migrations alone
    with store.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), _all_tables())
    store.close()
    assert [one for one in found if one[0] != "remove_table"] == []


def test_upgrading_twice_changes_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(database_url)
    store.create(read_models.tables())
    monkeypatch.setitem(sys.modules, "alembic", None)  # who stands at the newest revision does not need it
    store.create(read_models.tables())
    assert "alembic_version" in inspect(store.engine).get_table_names()
    store.close()


def test_a_store_of_a_newer_release_stays_as_it_is(database_url: str) -> None:
    store = Store(database_url)
    store.create(read_models.tables())
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.create(read_models.tables())
    with store.engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
    store.close()


def test_the_newest_revision_is_the_one_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", "hub.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == NEWEST


def test_sqlite_store_has_the_same_tables_and_columns(database_url: str, tmp_path: Path) -> None:
    stores = [Store(database_url), Store(f"sqlite:///{tmp_path / 'store.sqlite'}")]
    shapes = []
    for store in stores:
        store.create(read_models.tables())
        tables = inspect(store.engine)
        names = sorted(set(tables.get_table_names()) - {"alembic_version"})
        shapes.append({name: sorted(column["name"] for column in tables.get_columns(name)) for name in names})
        store.close()
    assert shapes[0] == shapes[1]


def test_a_column_that_no_migration_makes_is_noticed(database_url: str) -> None:
    store = Store(database_url)
    store.create(read_models.tables())
    with store.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE dirty DROP COLUMN urgent")
    with store.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), _all_tables())
    store.close()
    assert any(one[0] == "add_column" for one in found)
