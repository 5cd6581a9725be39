"""A key service behind real mutual TLS, in threads of this process or in one of its own."""

import os
import sys
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from threading import Thread

from hub.adapters.keys.certs import make_certificates
from hub.adapters.keys.database import KeyDatabase
from hub.adapters.keys.tls import TlsFiles
from hub.adapters.keys.wrapping import Keks
from hub.dev.servers.process import Child, free_port, listening
from hub.hosts.keys.connections import Connection, ConnectionLimits
from hub.hosts.keys.server import KeyServer
from hub.hosts.keys.service import KeyService
from hub.hosts.keys.shares import Shares
from hub.ports import Clock


class RunningService:
    """Started at once; `restart` opens the database anew on the same port."""

    def __init__(
        self,
        database: str,
        keks: Keks,
        certificates: Mapping[str, TlsFiles],
        *,
        clock: Clock | None = None,
        journal: Path | None = None,
        controllers: tuple[str, ...] = ("jc", "ja"),
        limits: ConnectionLimits | None = None,
        shares: Shares | None = None,
    ) -> None:
        self.certificates = certificates
        self._opened = partial(KeyDatabase, database, keks, clock=clock, journal=journal)
        self._controllers, self._limits, self._shares = controllers, limits, shares
        self.closed: list[str] = []
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def connections(self) -> Collection[Connection]:
        return self._server.connections.now()

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._database.close()

    def start(self) -> None:
        self._database = self._opened()
        service = KeyService(self._database, self._controllers, self._shares)
        self._server = KeyServer(
            service,
            self.certificates["service"],
            "127.0.0.1",
            self._port,
            limits=self._limits,
            closed=self.closed.append,
        )
        self._port = self._server.port
        serving = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        serving.start()


class ServiceProcess:
    """`hub keys serve` as a process of its own, with certificates for it: it may be killed and started again."""

    def __init__(self, folder: Path, agencies: Mapping[str, str], **env: str) -> None:
        """`agencies`: id → kind. `env`: settings besides agencies and certificates, such as HUB_KEY_DATABASE_URL."""
        folder.mkdir(parents=True, exist_ok=True)
        self.certificates = make_certificates(folder / "certs", agencies)
        said = "".join(f'[[agency]]\nid = "{name}"\nkind = "{kind}"\n' for name, kind in agencies.items())
        (folder / "agencies.toml").write_text(said)
        self._folder, self._port = folder, free_port()
        files = self.certificates["service"]
        self._env = {
            "HUB_AGENCIES": str(folder / "agencies.toml"),
            "HUB_LEDGER_FILE": str(folder / "apart" / "ledger"),
            "HUB_TLS_CA": str(files.ca),
            "HUB_TLS_CERT": str(files.cert),
            "HUB_TLS_KEY": str(files.key),
            **env,
        }
        self.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        return self._child.pid

    def client_env(self, name: str = "hub") -> dict[str, str]:
        """The settings with which a process comes as the hub; it has no key-encryption key."""
        files = self.certificates[name]
        return {
            "HUB_KEY_SERVICE_URL": self.url,
            "HUB_TLS_CA": str(files.ca),
            "HUB_TLS_CERT": str(files.cert),
            "HUB_TLS_KEY": str(files.key),
            "HUB_KEK": "",
            "HUB_KEY_DATABASE_URL": "",
        }

    def start(self) -> None:
        self._child = Child(
            [sys.executable, "-m", "hub", "keys", "serve", "--port", str(self._port)],
            log=self._folder / "service.log",
            env=os.environ | self._env,
        )
        self._child.wait_until(lambda: listening(self._port), seconds=60)

    def kill(self) -> None:
        self._child.kill()

    def stop(self) -> None:
        self._child.stop()

    def said(self) -> str:
        return (self._folder / "service.log").read_text()
