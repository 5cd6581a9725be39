"""A real Apache Kafka broker (one KRaft node) as a child process."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from hub.dev.servers.jars import RECIPE, class_archive, fetch_jars, one_at_a_time
from hub.dev.servers.process import Child, DataFolder, free_port, listening, program

_DUMP = 180.0  # seconds that a JVM may take to write its classes down


class LocalKafka:
    """A broker of one's own. `kill` and `restart` keep data and ports, so that what was confirmed can be checked."""

    def __init__(
        self,
        folder: DataFolder,
        port: int,
        jars: Path,
        archive: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._folder, self._port, self._controller_port = folder, port, free_port()
        self._jars = jars
        self._env = {**(env or {}), **({"KAFKA_LEAVES_ARCHIVE": str(archive)} if archive else {})}
        self._child = self._run()

    @classmethod
    def start(
        cls, data: Path | None = None, port: int | None = None, env: Mapping[str, str] | None = None
    ) -> Self:
        """A broker that answers: ConfigurationError without Java or Maven, ServiceUnavailable if it stays silent.
        `env` is for run.sh, which says what it reads."""
        with one_at_a_time():
            jars = fetch_jars()
            if not class_archive(jars).exists():
                cls._leave_archive(jars)
        return cls(DataFolder(data, prefix="hub-kafka-"), port or free_port(), jars, env=env)

    @classmethod
    def _leave_archive(cls, jars: Path) -> None:
        """Once for these jars: a broker writes down the classes it used, so that later ones start in half the time."""
        unfinished = class_archive(jars).with_suffix(".unfinished")
        broker = cls(DataFolder(None, prefix="hub-kafka-"), free_port(), jars, unfinished)
        broker.stop(seconds=_DUMP)
        unfinished.touch()  # a JVM that cannot write one does without, and is not asked again
        unfinished.replace(class_archive(jars))

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """For fault tests: SIGSTOP makes it hang, SIGCONT lets it go on."""
        return self._child.pid

    def stop(self, seconds: float = 30.0) -> None:
        """Shut down in order within that time; a temporary data folder is removed."""
        self._child.stop(seconds=seconds)
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
            [RECIPE / "run.sh", self._jars, data, str(self._port), str(self._controller_port)],
            log=data / "broker.log",
            env=os.environ | self._env,
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
