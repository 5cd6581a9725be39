"""A real Apache Kafka broker (one KRaft node) as a child process; Maven fetches its jars into the clone's cache."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from hub.errors import ConfigurationError, ServiceUnavailable
from hub.hosts.local.process import Child, Folder, free_port, listening, program

_CLONE = Path(__file__).parents[3]
_RECIPE = _CLONE / "deploy" / "kafka"


class LocalKafka:
    """A broker of one's own. `kill` and `restart` keep data and ports, so that what was confirmed can be checked."""

    def __init__(self, folder: Folder, port: int) -> None:
        self._folder, self._port, self._controller_port = folder, port, free_port()
        self._jars = fetch_jars()
        self._child = self._run()

    @classmethod
    def start(cls, data: Path | None = None, port: int | None = None) -> Self:
        """A broker that answers: ConfigurationError without Java or Maven, ServiceUnavailable if it stays silent."""
        return cls(Folder(data, prefix="hub-kafka-"), port or free_port())

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """For fault tests: SIGSTOP makes it hang, SIGCONT lets it go on."""
        return self._child.pid

    def stop(self) -> None:
        """Shut down in order; a temporary data folder is removed."""
        self._child.stop()
        self._folder.forget()

    def kill(self) -> None:
        self._child.kill()

    def restart(self) -> None:
        """The same broker again, on the same data and port; one that still runs is killed first."""
        self.kill()
        self._child = self._run()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> Child:
        program("java", remedy="install Java 17 (Debian: openjdk-17-jre-headless)")
        data = self._folder.path
        child = Child(
            [_RECIPE / "run.sh", self._jars, data, str(self._port), str(self._controller_port)],
            log=data / "broker.log",
        )
        child.wait_until(self._answers, seconds=60)
        return child

    def _answers(self) -> bool:
        if not listening(self._port):
            return False
        try:
            admin = KafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5_000)
        except KafkaError:
            return False
        try:
            return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False
        finally:
            admin.close()


@contextmanager
def kafka_or_existing() -> Iterator[str]:
    """Bootstrap address of the broker in `HUB_KAFKA_BOOTSTRAP`, else of one that lives as long as the block."""
    if existing := os.environ.get("HUB_KAFKA_BOOTSTRAP"):
        yield existing
        return
    with LocalKafka.start() as broker:
        yield broker.bootstrap


def fetch_jars() -> Path:
    """The folder with the broker's jars, fetched once per version of the list of them (about 55 MB)."""
    pom = _RECIPE / "pom.xml"
    if not pom.exists():
        raise ConfigurationError(
            "the broker's jar list is not installed", place=str(pom), remedy="work in a clone"
        )
    wanted = _CLONE / ".cache" / "kafka-jars" / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    if wanted.exists():
        return wanted
    maven = program("mvn", remedy="install Maven (Debian: maven)")
    wanted.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wanted.parent) as unfinished:
        jars = Path(unfinished, "jars")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        done = subprocess.run(
            [maven, "-q", "-B", "-f", pom, *goal], capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise ServiceUnavailable(
                f"Maven did not fetch the broker:\n{said}", place="mvn", remedy="check the network"
            )
        if not wanted.exists():  # somebody else may have been quicker
            shutil.move(jars, wanted)
    return wanted
