"""The broker's jars, which Maven fetches into the clone's cache, and beside them an archive of the classes in use."""

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.dev.servers.process import program
from hub.errors import ConfigurationError, ServiceUnavailable

_CLONE = Path(__file__).parents[3]
_CACHE = _CLONE / ".cache" / "kafka-jars"
RECIPE = _CLONE / "deploy" / "kafka"


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Of several processes that start a broker, one fetches what is missing and the others wait for it."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fetch_jars() -> Path:
    """The folder with the broker's jars, fetched once per version of the list of them (about 55 MB)."""
    pom = RECIPE / "pom.xml"
    if not pom.exists():
        raise ConfigurationError(
            "the broker's jar list is not installed", place=str(pom), remedy="work in a clone"
        )
    wanted = _CACHE / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    if not wanted.exists():
        _fetch(pom, wanted)
    return wanted


def class_archive(jars: Path) -> Path:
    """Where the classes of these jars are kept as the JVM has them in memory; `run.sh` looks there."""
    return jars.with_name(f"{jars.name}.jsa")


def _fetch(pom: Path, wanted: Path) -> None:
    maven = program("mvn", remedy="install Maven (Debian: maven)")
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
        shutil.move(jars, wanted)
