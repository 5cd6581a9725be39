"""Keys per second over the wire: a key service in a process of its own, real mutual TLS, one caller without a cache."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hub.adapters.keys.cache import KeyCache
from hub.adapters.keys.certs import make_certificates
from hub.adapters.keys.remote import RemoteKeyStore
from hub.adapters.keys.tls import TlsFiles
from hub.adapters.keys.wrapping import as_text, new_master
from hub.dev.servers.process import Child, free_port, listening
from hub.ports import KeyRef

KEYS, BATCH, SINGLES = 5000, 1000, 300
JC = "jc-bench"


def keys_per_s() -> dict[str, float]:
    """`provision`: made, wrapped and stored; `seal` and `open`: read, unwrapped and sent, in batches of `BATCH`;
    `open_single`: one key a question."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-keys-") as folder, key_service(Path(folder)) as at:
        files = TlsFiles(*(Path(at[name]) for name in ("tls_ca", "tls_cert", "tls_key")))
        cache = KeyCache(life=0.0, sealing_life=0.0)
        store = RemoteKeyStore(at["key_service_url"], files, cache=cache)
        try:
            return _measured(store)
        finally:
            store.close()


@contextmanager
def key_service(folder: Path) -> Iterator[Mapping[str, str]]:
    """A key service in a process of its own, on a database in this folder: the settings with which the hub asks it."""
    port = free_port()
    files = make_certificates(folder / "certs", [JC])
    (folder / "agencies.toml").write_text(f'[[agency]]\nid = "{JC}"\nkind = "jobcenter"\n')
    own, hub = files["service"], files["hub"]
    env = {
        "HUB_AGENCIES": str(folder / "agencies.toml"),
        "HUB_KEK": as_text(new_master()),
        "HUB_DATA": str(folder),
        "HUB_KEY_DATABASE_URL": f"sqlite:///{folder / 'keys.sqlite'}",
        "HUB_LEDGER_FILE": str(folder / "ledger"),
        "HUB_METRICS_PORT": "0",
        "HUB_TLS_CA": str(own.ca),
        "HUB_TLS_CERT": str(own.cert),
        "HUB_TLS_KEY": str(own.key),
    }
    command = [sys.executable, "-m", "hub", "keys", "serve", "--port", str(port)]
    service = Child(command, log=folder / "service.log", env=os.environ | env)
    try:
        service.wait_until(lambda: listening(port), seconds=60)
        yield {
            "key_service_url": f"https://127.0.0.1:{port}",
            "tls_ca": str(hub.ca),
            "tls_cert": str(hub.cert),
            "tls_key": str(hub.key),
        }
    finally:
        service.stop()


def _measured(store: RemoteKeyStore) -> dict[str, float]:
    refs = [KeyRef("box", JC, f"p_{number}") for number in range(KEYS)]
    parts = [refs[start : start + BATCH] for start in range(0, KEYS, BATCH)]
    store.sealing([KeyRef("box", JC, "first")])  # connects
    rates = {}
    for name in ("provision", "seal"):
        began = time.perf_counter()
        for part in parts:
            store.sealing(part)
        rates[name] = KEYS / (time.perf_counter() - began)
    began = time.perf_counter()
    for part in parts:
        store.opening([(ref, 1) for ref in part])
    rates["open"] = KEYS / (time.perf_counter() - began)
    began = time.perf_counter()
    for ref in refs[:SINGLES]:
        store.opening([(ref, 1)])
    rates["open_single"] = SINGLES / (time.perf_counter() - began)
    return {name: round(rate, 1) for name, rate in rates.items()}
