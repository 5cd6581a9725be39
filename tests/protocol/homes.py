"""Where the world of a story lives, how it is saved and how an older state of it is put back.

`Files` is the embedded hub. `Servers` drives the same stages over a broker and PostgreSQL, with topics and a database
of each story's own.
"""

import base64
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.log.kafka import KafkaLog
from hub.dev.servers import create_database, drop_database
from hub.rehearse.servers import PrefixedLog
from tests.support.world import MASTER, World


class Home(Protocol):
    """`folder` holds what is on disk; `save` and `put_back` are called while nothing is open."""

    folder: Path

    def open(self, now: datetime) -> World: ...

    def save(self) -> None: ...

    def put_back(self, *, store: bool, keys: bool) -> None: ...

    def remove(self) -> None: ...


class Files:
    """Log, store and keys in three SQLite files, in memory where there is a place for it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))  # noqa: S108

    def open(self, now: datetime) -> World:
        return World.at(self.folder, now=now)

    def save(self) -> None:
        self._copy("store", self.folder, self._saved())
        self._copy("keys", self.folder, self._saved())

    def put_back(self, *, store: bool, keys: bool) -> None:
        if store:
            self._copy("store", self._saved(), self.folder)
        if keys:
            self._copy("keys", self._saved(), self.folder)
            self._replay()

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def _saved(self) -> Path:
        saved = self.folder / "saved"
        saved.mkdir(exist_ok=True)
        return saved

    def _copy(self, name: str, source: Path, target: Path) -> None:
        for old in target.glob(f"{name}.sqlite*"):
            old.unlink()
        for file in source.glob(f"{name}.sqlite*"):
            shutil.copy(file, target / file.name)

    def _replay(self) -> None:
        """As `hub restore` does: what the ledger beside the key database knows is destroyed again."""
        keys = SqlKeyStore(
            f"sqlite:///{self.folder}/keys.sqlite", base64.b64decode(MASTER), journal=self.folder / "ledger"
        )
        keys.replay(())
        keys.close()


class Servers(Files):
    """The log on a broker and the store in PostgreSQL; the keys stay in a file."""

    def __init__(self, bootstrap: str, server: str) -> None:
        super().__init__()
        self._bootstrap, self._server, self._name = bootstrap, server, f"story_{uuid4().hex[:12]}"
        self._url = create_database(server, self._name)

    def open(self, now: datetime) -> World:
        return World.at(
            self.folder,
            self._url,
            now,
            host="kafka",
            kafka_bootstrap=self._bootstrap,
            partitions=2,
            topic_timestamps="create",
            key_database_url=f"sqlite:///{self.folder}/keys.sqlite",
            log=lambda clock: PrefixedLog(KafkaLog(self._bootstrap, clock=clock), f"{self._name}."),
        )

    def save(self) -> None:
        self._copy("keys", self.folder, self._saved())
        self._replace(f"{self._name}_saved", self._name)

    def put_back(self, *, store: bool, keys: bool) -> None:
        if store:
            self._replace(self._name, f"{self._name}_saved")
        super().put_back(store=False, keys=keys)

    def remove(self) -> None:
        for name in (self._name, f"{self._name}_saved"):
            drop_database(self._server, name)
        super().remove()

    def _replace(self, name: str, template: str) -> None:
        drop_database(self._server, name)
        create_database(self._server, name, template=template)
