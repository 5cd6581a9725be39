"""What keys are made of and where they may lie."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.adapters.keys.cache import KeyCache
from hub.adapters.keys.separation import refuse_same_database
from hub.adapters.keys.wrapping import as_text, controller_kek, master_key, new_master
from hub.errors import ConfigurationError
from hub.ports import Key, KeyRef

MASTER = bytes(range(32))


def test_the_master_comes_from_the_setting_or_the_file(tmp_path: Path) -> None:
    (tmp_path / "kek").write_text(as_text(MASTER) + "\n")
    assert master_key(kek=as_text(MASTER)) == master_key(kek_file=tmp_path / "kek") == MASTER


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(lambda _: {}, id="none"),
        pytest.param(lambda path: {"kek": as_text(MASTER), "kek_file": path}, id="both"),
        pytest.param(lambda _: {"kek": as_text(MASTER[:31])}, id="short"),
        pytest.param(lambda _: {"kek": "not base64!"}, id="garbage"),
        pytest.param(lambda path: {"kek_file": path / "absent"}, id="no file"),
    ],
)
def test_anything_else_is_refused_with_a_remedy(
    settings: Callable[[Path], dict[str, str]], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="hub keys init FILE") as caught:
        master_key(**settings(tmp_path))
    assert as_text(MASTER)[:20] not in str(caught.value)


def test_every_controller_has_a_key_of_its_own() -> None:
    assert controller_kek(MASTER, "jc") == controller_kek(MASTER, "jc")
    assert len({MASTER, controller_kek(MASTER, "jc"), controller_kek(MASTER, "ja"), new_master()}) == 4


def test_the_cache_keeps_the_most_recently_used() -> None:
    cache = KeyCache(lambda: 0.0, size=3 * 3400)  # two thirds of it for opening
    one, two, three = (Key(KeyRef("box", "jc", f"p_{n}"), 1, cipher=_NoCipher()) for n in range(3))
    cache.confirmed([one, two], 0.0, may_seal=True)
    cache.opening([(one.ref, 1)])
    cache.confirmed([three], 0.0, may_seal=True)
    found, missing = cache.opening([(key.ref, 1) for key in (one, two, three)])
    assert set(found) == {(one.ref, 1), (three.ref, 1)}
    assert missing == [(two.ref, 1)]


@pytest.mark.parametrize(("life", "sealing_life"), [(301.0, 5.0), (10.0, 11.0), (10.0, -1.0)])
def test_no_cache_outlives_the_protocol(life: float, sealing_life: float) -> None:
    with pytest.raises(ConfigurationError):
        KeyCache(lambda: 0.0, life=life, sealing_life=sealing_life)


@pytest.mark.parametrize(
    ("store", "keys"),
    [
        ("postgresql://a@localhost/hub", "postgresql+psycopg://b@127.0.0.1:5432/hub"),
        ("postgresql:///hub?host=/var/run/postgresql", "postgresql://localhost/hub"),
        ("postgresql://db.example/hub?options=-csearch_path=a", "postgresql://DB.example./hub"),
        ("postgresql://one,two/hub", "postgresql://two/hub"),
        ("postgresql://hub@db", "postgresql://db/hub"),
        ("sqlite:///hub.db", "sqlite:///./folder/../hub.db"),
    ],
)
def test_one_database_for_store_and_keys_is_refused(store: str, keys: str) -> None:
    with pytest.raises(ConfigurationError, match="HUB_KEY_DATABASE_URL"):
        refuse_same_database(store, keys)


@pytest.mark.parametrize(
    ("store", "keys"),
    [
        ("postgresql://localhost/hub", "postgresql://localhost/keys"),
        ("postgresql://localhost:5432/hub", "postgresql://localhost:5433/hub"),
        ("postgresql://one/hub", "postgresql://two/hub"),
        ("sqlite:///hub.db", "sqlite:///keys.db"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///hub.db", "postgresql://localhost/hub"),
    ],
)
def test_two_databases_are_fine(store: str, keys: str) -> None:
    refuse_same_database(store, keys)
    assert store != keys or store == "sqlite://"


def test_two_names_of_one_file_are_one_database(tmp_path: Path) -> None:
    (tmp_path / "hub.db").touch()
    (tmp_path / "keys.db").hardlink_to(tmp_path / "hub.db")
    with pytest.raises(ConfigurationError):
        refuse_same_database(f"sqlite:///{tmp_path}/hub.db", f"sqlite:///{tmp_path}/keys.db")


class _NoCipher:
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        return b""

    decrypt = encrypt
