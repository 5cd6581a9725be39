"""A real MariaDB as a child process: the system's binaries, a source for connectors to read in tests.

Where the caller is root it runs as `mysql` or `nobody`. It does not wait for the disk. `hub` may do everything in it,
`reader` may only read.
"""

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from hub.dev.servers.process import Child, DataFolder, free_port, listening, program
from hub.errors import ServiceUnavailable

_REMEDY = "install MariaDB (Debian: mariadb-server)"
_CARELESS = (
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-log-bin",
    "--innodb-buffer-pool-size=64M",
    "--skip-name-resolve",
)
PASSWORD = "local-only"  # noqa: S105  of a server on the loopback address that lives for a test
_ACCOUNTS = f"""
CREATE USER IF NOT EXISTS hub@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO hub@'127.0.0.1' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS reader@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
GRANT SELECT ON *.* TO reader@'127.0.0.1';
"""


class LocalMariaDB:
    """A server of one's own."""

    def __init__(self, folder: DataFolder, port: int) -> None:
        self._folder, self._port, self._user = folder, port, _account()
        self._data = folder.path / "data"
        if not self._data.exists():
            self._initialise()
        self._child = self._run()

    @classmethod
    def start(cls) -> Self:
        """A server that answers. ConfigurationError without binaries, ServiceUnavailable if it does not come up."""
        return cls(DataFolder(None, prefix="hub-mariadb-"), free_port())

    def url(self, database: str, account: str = "hub", password: str = PASSWORD) -> str:
        """SQLAlchemy URL of a database; `reader` may only read."""
        return f"mariadb+pymysql://{account}:{password}@127.0.0.1:{self._port}/{database}"

    def create_database(self) -> str:
        """A new, empty database; its name."""
        name = f"test_{uuid4().hex[:12]}"
        self._say(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name

    def drop_database(self, name: str) -> None:
        self._say(f"DROP DATABASE {name}")

    def stop(self) -> None:
        self._child.stop()
        self._folder.forget()

    def kill(self) -> None:
        self._child.kill()

    def restart(self) -> None:
        """The same server again, on the same data and port."""
        self.kill()
        self._child = self._run()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()

    def _initialise(self) -> None:
        if self._user:
            self._folder.path.chmod(0o755)
            shutil.chown(self._folder.path, self._user)
        command = [
            program("mariadb-install-db", remedy=_REMEDY),
            "--no-defaults",
            f"--datadir={self._data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self._folder.path, user=self._user
        )
        if done.returncode:
            raise ServiceUnavailable(
                f"it said: {done.stdout[-2000:]}", place="mariadb-install-db", remedy="correct what it names"
            )

    def _run(self) -> Child:
        accounts = self._folder.path / "accounts.sql"
        accounts.write_text(_ACCOUNTS, encoding="utf-8")
        folder = self._folder.path
        files = [f"--socket={folder}/s", f"--pid-file={folder}/pid", f"--init-file={accounts}"]
        options = [f"--datadir={self._data}", f"--port={self._port}", "--bind-address=127.0.0.1", *files]
        child = Child(
            [_server(), "--no-defaults", *options, *_CARELESS],
            log=self._folder.path / "server.log",
            user=self._user,
        )
        child.wait_until(lambda: listening(self._port), seconds=60)
        return child

    def _say(self, statement: str) -> None:
        from sqlalchemy import create_engine, text

        engine = create_engine(self.url(""))
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()


def _server() -> Path:
    found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    return Path(found or program("mariadbd", remedy=_REMEDY))


def _account() -> str | None:
    if os.geteuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "mysql" if "mysql" in known else "nobody"
