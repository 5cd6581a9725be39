"""`hub keys certs`, `rotate` and `ledger`, and a hub that is told of a key service: what they write and refuse."""

import os
import ssl
import stat
from pathlib import Path

import pytest

from hub.adapters.keys import journal
from hub.adapters.keys.wrapping import master_key
from hub.ports import KeyRef
from tests.unit.cli.conftest import World, answer, hub

REF = KeyRef("box", "jc-a", "somebody")


def _exit_code(*arguments: str) -> object:
    result = hub(*arguments)
    return getattr(result.exception, "exit_code", result.exit_code)


def test_certificates_for_a_demonstration(configured: Path) -> None:
    made = answer("keys", "certs", str(configured / "certs"), "--host", "keys.example")
    assert made.keys() == {"service", "hub", "connector-jc-a", "connector-ja-a"}
    for files in made.values():
        assert stat.S_IMODE(Path(files["key"]).stat().st_mode) == 0o600
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(files["cert"], files["key"])
    assert not list((configured / "certs").glob("ca*.key"))
    assert _exit_code("keys", "certs", str(configured / "certs")) == 64


def test_a_rotation_from_start_to_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = world.parts.keys.sealing([REF])[REF]
    file, following = world.folder / "master.key", world.folder / "master.key.next"
    file.write_text(os.environ["HUB_KEK"])
    monkeypatch.delenv("HUB_KEK")
    monkeypatch.setenv("HUB_KEK_FILE", str(file))
    assert _exit_code("keys", "rotate") == 78
    assert _exit_code("keys", "controller", "jc-a", "--next") == 66
    answer("keys", "init", str(following))
    before = answer("keys", "controller", "jc-a")["key"]
    assert answer("keys", "controller", "jc-a", "--next")["key"] != before
    assert answer("keys", "rotate")["rewrapped"] >= 2
    assert answer("keys", "rotate")["rewrapped"] == 0
    old = master_key(kek_file=file)
    following.replace(file)
    assert answer("keys", "ledger", "export", str(world.folder / "ledger"))["entries"] == 0
    assert master_key(kek_file=file) != old
    assert key.version == 1


def test_the_ledger_is_exported_and_replayed(world: World) -> None:
    world.parts.keys.sealing([REF])
    proof = world.parts.keys.destroy(REF)
    file = world.folder / "ledger"
    assert answer("keys", "ledger", "export", str(file))["entries"] == 1
    assert journal.read(file) == [proof]
    assert answer("keys", "ledger", "replay", str(file)) == {"entries": 1, "lived": 0}
    file.write_bytes(file.read_bytes().replace(b"somebody", b"somebodx"))
    assert _exit_code("keys", "ledger", "replay", str(file)) == 65


def test_a_hub_that_is_told_of_a_service_needs_certificates_and_no_key(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HUB_KEK")
    monkeypatch.setenv("HUB_KEY_SERVICE_URL", "https://127.0.0.1:1")
    assert _exit_code("keys", "ledger", "export", str(configured / "x")) == 78
    files = answer("keys", "certs", str(configured / "certs"))["hub"]
    monkeypatch.setenv("HUB_TLS_CA", str(configured / "certs" / "ca.pem"))
    monkeypatch.setenv("HUB_TLS_CERT", files["cert"])
    monkeypatch.setenv("HUB_TLS_KEY", files["key"])
    assert _exit_code("keys", "ledger", "export", str(configured / "x")) == 69
    checks = {check["name"]: check for check in answer("doctor", code=1)["checks"]}
    assert checks["key_service"]["ok"] is False
    assert "kek" not in checks
    monkeypatch.setenv("HUB_KEY_SERVICE_URL", "http://127.0.0.1:1")
    assert _exit_code("keys", "ledger", "export", str(configured / "x")) == 78
