"""Keys in PostgreSQL."""

import time

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.wrapping import new_master
from hub.dev.servers.process import free_port
from hub.errors import DataError, KeyServiceUnavailable
from tests.contract.keys.contract import ANNA, SqlKeyStoreContract


class TestPostgresql(SqlKeyStoreContract):
    @pytest.fixture
    def url(self, database_url: str, postgres: str) -> str:
        self.server = postgres
        return database_url

    def lose(self, url: str) -> None:
        server, name = make_url(self.server).set(drivername="postgresql"), make_url(url).database or ""
        with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    @pytest.mark.parametrize("name", ["p_\0", "p_" + "".join(f"{number:x}" for number in range(100_000))])
    def test_a_name_that_the_database_refuses_is_no_outage(self, store: SqlKeyStore, name: str) -> None:
        """The record that bears it stands alone; an outage would keep everybody waiting."""
        with pytest.raises(DataError) as caught:
            store.sealing([ANNA, ANNA._replace(subject=name)])
        assert caught.value.reason == "refused_by_store"
        assert "p_" not in f"{caught.value!r}{caught.value}"
        assert store.sealing([ANNA])


def test_an_absent_server_is_unavailable_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(KeyServiceUnavailable):
        SqlKeyStore(f"postgresql://hub@127.0.0.1:{free_port()}/keys", new_master())
    assert time.monotonic() - began < 6
