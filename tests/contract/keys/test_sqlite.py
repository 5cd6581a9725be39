"""Keys in one SQLite file."""

from pathlib import Path

import pytest

from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.wrapping import new_master
from hub.errors import KeyServiceUnavailable
from hub.ports import KeyRef
from tests.contract.keys.contract import SqlKeyStoreContract


class TestSqlite(SqlKeyStoreContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'keys.db'}"

    def lose(self, url: str) -> None:
        self.write("ALTER TABLE key RENAME TO lost")


def test_a_destroyed_key_leaves_no_trace_in_the_files(tmp_path: Path) -> None:
    store = SqlKeyStore(f"sqlite:///{tmp_path / 'keys.db'}", new_master())
    ref = KeyRef("box", "jc", "p_anna")
    store.sealing([ref])
    with store.database.engine.connect() as connection:
        wrapped = connection.exec_driver_sql("SELECT wrapped FROM key").scalar_one()
    assert any(wrapped in file.read_bytes() for file in tmp_path.iterdir())
    store.destroy(ref)
    assert not any(wrapped in file.read_bytes() for file in tmp_path.iterdir())
    store.close()


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(KeyServiceUnavailable):
        SqlKeyStore(f"sqlite:///{tmp_path / 'absent' / 'keys.db'}", new_master())
