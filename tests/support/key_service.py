"""A key service in threads of this process, behind real mutual TLS, with certificates of a throw-away authority."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from threading import Thread

from hub.adapters.keys.database import KeyDatabase
from hub.adapters.keys.tls import TlsFiles
from hub.adapters.keys.wrapping import Keks
from hub.hosts.keys.server import KeyServer
from hub.hosts.keys.service import KeyService
from hub.ports import Clock


class RunningService:
    """Started at once; `restart` opens the database anew on the same port."""

    def __init__(
        self, database: str, keks: Keks, certificates: Mapping[str, TlsFiles], *, clock: Clock | None = None,
        journal: Path | None = None, controllers: tuple[str, ...] = ("jc", "ja"),
    ) -> None:  # fmt: skip
        self.certificates = certificates
        self._opened = partial(KeyDatabase, database, keks, clock=clock, journal=journal)
        self._controllers = controllers
        self._port = 0
        self._start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    def restart(self) -> None:
        self.stop()
        self._start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._database.close()

    def _start(self) -> None:
        self._database = self._opened()
        service = KeyService(self._database, self._controllers)
        self._server = KeyServer(service, self.certificates["service"], "127.0.0.1", self._port)
        self._port = self._server.port
        serving = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        serving.start()
