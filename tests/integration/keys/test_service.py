"""The key service among its callers: a master key changed under load, and what may not be started."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import inspect, text

from hub.adapters.keys import rotation
from hub.adapters.keys.cache import KeyCache
from hub.adapters.keys.certs import make_certificates
from hub.adapters.keys.database import KeyDatabase
from hub.adapters.keys.engine import connect, transaction
from hub.adapters.keys.remote import RemoteKeyStore
from hub.adapters.keys.tls import TlsFiles
from hub.adapters.keys.wrapping import as_text, master_keys, new_master
from hub.cli.key_service import open_database
from hub.config import load_settings
from hub.dev.servers import create_database, drop_database
from hub.domain.seal import open_box, seal
from hub.errors import ConfigurationError, KeyServiceUnavailable
from hub.ports import Erased, Key, KeyRef
from hub.store import Store
from tests.support.key_service import RunningService


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, TlsFiles]:
    return make_certificates(tmp_path_factory.mktemp("certs"), ["jc", "ja"])


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'keys.db'}"
        return
    server = request.getfixturevalue("postgres")
    yield create_database(server, "rotated")
    drop_database(server, "rotated")


@pytest.fixture
def kek_file(tmp_path: Path) -> Path:
    file = tmp_path / "master.key"
    file.write_text(as_text(new_master()))
    return file


@pytest.fixture
def service(database: str, kek_file: Path, certificates: Mapping[str, TlsFiles]) -> Iterator[RunningService]:
    service = RunningService(database, master_keys(kek_file=kek_file), certificates)
    yield service
    service.stop()


def _follow(kek_file: Path) -> None:
    Path(f"{kek_file}.next").write_text(as_text(new_master()))


def _rotate(database: str, kek_file: Path, rounds: int = 10_000) -> int:
    """`hub keys rotate`, in a process of its own as far as memory goes; killed after so many batches."""
    own, left = KeyDatabase(database, master_keys(kek_file=kek_file)), iter(range(rounds))

    def told(_: int) -> None:
        next(left)

    try:
        return rotation.rotate(own.engine, own.wrappers, told)
    finally:
        own.close()


def _names(database: str) -> set[str]:
    engine = connect(database)
    try:
        with transaction(engine) as connection:
            return set(connection.scalars(text("SELECT kek FROM key WHERE wrapped IS NOT NULL")))
    finally:
        engine.dispose()


def test_the_master_key_changes_while_everybody_works(
    database: str, kek_file: Path, service: RunningService, certificates: Mapping[str, TlsFiles]
) -> None:
    """Without a cache, so that every question meets the database: none fails, each key stays what it was."""
    stores = [_store(service, certificates) for _ in range(3)]
    refs = [KeyRef("box", who, f"p{number}") for number in range(700) for who in ("jc", "ja")]
    keys = stores[0].sealing(refs)
    boxes = {ref: seal(key.cipher, key.version, b"content", b"place") for ref, key in keys.items()}
    secret, gone = stores[0].secret(), refs[:20]
    before = _names(database)
    done = Event()

    def work(number: int) -> int:
        count = 0
        while not done.is_set() or count == 0:
            mine = refs[20 + number :: 7]
            opened = stores[number].opening([(ref, 1) for ref in mine])
            for (ref, _), key in opened.items():
                assert isinstance(key, Key)
                assert open_box(key.cipher, boxes[ref], b"place") == b"content"
            made = KeyRef("box", "jc", f"new_{number}_{count}")
            assert stores[number].sealing([made])[made].version == 1
            if count < len(gone) and number == 0:
                stores[number].destroy(gone[count])
            count += 1
        return count

    _follow(kek_file)
    with ThreadPoolExecutor(3) as threads:
        working = [threads.submit(work, number) for number in range(3)]
        try:
            rewrapped = _rotate(database, kek_file)
        finally:
            done.set()
        assert all(one.result() > 0 for one in working)
    assert rewrapped > 1000
    after = _names(database)
    assert before.isdisjoint(after)
    destroyed = [ref for ref in gone if not isinstance(stores[0].opening([(ref, 1)])[ref, 1], Key)]
    assert destroyed
    assert stores[0].opening([(ref, 1) for ref in destroyed]) == {(r, 1): Erased(r, 1) for r in destroyed}
    Path(f"{kek_file}.next").replace(kek_file)
    service.restart()
    assert stores[1].secret() == secret
    last = refs[-1]
    key = stores[1].opening([(last, 1)])[last, 1]
    assert isinstance(key, Key)
    assert open_box(key.cipher, boxes[last], b"place") == b"content"
    for store in stores:
        store.close()


def test_a_rotation_that_was_killed_goes_on(
    database: str, kek_file: Path, service: RunningService, certificates: Mapping[str, TlsFiles]
) -> None:
    store = _store(service, certificates)
    refs = [KeyRef("box", "jc", f"p{number}") for number in range(1200)]
    store.sealing(refs)
    before = _names(database)
    with pytest.raises(ConfigurationError, match="no key to rotate to"):
        _rotate(database, kek_file)
    _follow(kek_file)
    with pytest.raises(StopIteration):
        _rotate(database, kek_file, rounds=1)
    assert _names(database) > before
    assert len(store.opening([(ref, 1) for ref in refs])) == len(refs)
    with pytest.raises(ConfigurationError, match="not the key-encryption key"):
        KeyDatabase(database, lambda: [_bytes(kek_file.with_name("master.key.next"))]).close()
    _rotate(database, kek_file)
    assert before.isdisjoint(_names(database))
    assert _rotate(database, kek_file) == 0
    with pytest.raises(ConfigurationError, match="not the key-encryption key"):
        KeyDatabase(database, lambda: [_bytes(kek_file)]).close()
    store.close()


@pytest.mark.parametrize(
    "said", [{"keys": []}, {"keys": [[1, "short"]]}, {"keys": [["1", "x"]]}, {"other": 1}, {"keys": 7}]
)
def test_an_answer_that_is_none_is_no_key(
    said: dict[str, Any],
    tmp_path: Path,
    certificates: Mapping[str, TlsFiles],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.hosts.keys.service.KeyService._answer", lambda *_: said)
    service = RunningService(f"sqlite:///{tmp_path / 'keys.db'}", lambda: [bytes(32)], certificates)
    store = _store(service, certificates)
    try:
        with pytest.raises(KeyServiceUnavailable, match="an answer that is none"):
            store.sealing([KeyRef("box", "jc", "p")])
    finally:
        store.close()
        service.stop()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"HUB_KEK": as_text(new_master())}, id="another master key"),
        pytest.param({"HUB_KEK": ""}, id="none"),
        pytest.param({"HUB_DATABASE_URL": "sqlite:///keys.sqlite"}, id="the store's database"),
        pytest.param({"HUB_TLS_KEY": ""}, id="no private key"),
    ],
)
def test_what_is_wrong_ends_it_at_the_start(
    wrong: dict[str, str], tmp_path: Path, certificates: Mapping[str, TlsFiles]
) -> None:
    files, master = certificates["service"], new_master()
    KeyDatabase(f"sqlite:///{tmp_path / 'keys.sqlite'}", lambda: [master]).close()
    (tmp_path / "agencies.toml").write_text('[[agency]]\nid = "jc"\nkind = "jobcenter"\n')
    env = {
        "HUB_KEK": as_text(master),
        "HUB_KEY_DATABASE_URL": "sqlite:///keys.sqlite",
        "HUB_TLS_CA": str(files.ca),
        "HUB_TLS_CERT": str(files.cert),
        "HUB_TLS_KEY": str(files.key),
        "HUB_AGENCIES": "agencies.toml",
    } | wrong
    ended = subprocess.run(
        [sys.executable, "-m", "hub", "keys", "serve", "--port", "0"],
        env=_environment() | env,
        cwd=tmp_path,
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 78, ended.stderr
    assert as_text(master) not in ended.stderr


def _store(service: RunningService, certificates: Mapping[str, TlsFiles]) -> RemoteKeyStore:
    return RemoteKeyStore(service.url, certificates["hub"], cache=KeyCache(life=0.0, sealing_life=0.0))


def _bytes(file: Path) -> bytes:
    return master_keys(kek_file=file)()[0]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}


def test_a_database_that_holds_a_store_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    """The service need not know where the store is: it looks."""
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    store = Store(url)
    store.create()
    with store.transaction() as connection:
        before = set(inspect(connection).get_table_names())
    with pytest.raises(ConfigurationError, match="holds the hub's store"):
        open_database(load_settings(key_database_url=url, kek=as_text(new_master()), data=tmp_path / "other"))
    with store.transaction() as connection:
        assert set(inspect(connection).get_table_names()) == before
    store.close()
