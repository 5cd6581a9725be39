"""Two releases side by side on one log and one store, as during a rolling upgrade.

The workers of the last landed release start first, on an empty store. Then this release migrates the store under them,
its workers join the same groups, and both take records, withdrawals among them, until the old ones are stopped.
"""

import io
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from hub.dev.servers import LocalKafka
from hub.operations.rebuild import rebuild
from hub.store import tables
from projections.consent_register.apply import SEPARATOR
from projections.consent_register.tables import consent_row
from tests.support.oracle import assert_each_once, assert_rebuilt_equals_live, assert_views_agree
from tests.support.stories import Families
from tests.support.workers import PATIENT, YOUTH_OFFICE, Rig, Running, report, rig

ROOT = Path(__file__).parents[2]
LAST_RELEASE = (ROOT / "tests/support/last_release.txt").read_text(encoding="ascii").strip()
GIT = shutil.which("git") or "git"
ROLES = ("consents", "cases", "disclose")
FAMILIES = 12


def _shallow() -> bool:
    told = subprocess.run(
        [GIT, "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, check=False
    )
    return told.stdout.strip() == b"true"


@pytest.fixture(scope="module")
def last_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the last landed release, out of the repository's own history."""
    made = subprocess.run([GIT, "archive", LAST_RELEASE], cwd=ROOT, capture_output=True, check=False)
    assert made.returncode == 0, f"the history does not hold {LAST_RELEASE}"
    folder = tmp_path_factory.mktemp("last_release")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as tree:
        tree.extractall(folder, filter="data")
    return folder


@pytest.fixture
def mixed(hub_kafka: LocalKafka, postgres: str, tmp_path: Path, last_release: Path) -> Iterator[Rig]:
    """A rig on which workers of the last release run already."""

    def start(env: Mapping[str, str]) -> Sequence[Running]:
        old = {**env, "PYTHONPATH": str(last_release)}
        workers = [Running.start(["--role", role], old, tmp_path) for role in ROLES]
        give_up = time.monotonic() + PATIENT
        while not all(worker.said("worker.started") for worker in workers):
            assert time.monotonic() < give_up, "\n--\n".join(worker.tail() for worker in workers)
            time.sleep(0.1)
        return workers

    with rig(hub_kafka.bootstrap, postgres, tmp_path, start) as made:
        yield made


@pytest.mark.skipif(_shallow(), reason="the last release is not in a shallow clone: git fetch --unshallow")
def test_both_take_records_and_every_withdrawal_takes_effect(mixed: Rig) -> None:
    old = list(mixed.workers)
    staying, leaving = Families(mixed, FAMILIES), Families(mixed, FAMILIES)
    staying.names, leaving.names = staying.names[::2], leaving.names[1::2]
    both = (staying, leaving)
    for families in both:
        families.jobcenter.schemas = {"MeasureStarted": 1}
        families.meet()
        families.go_on(2)
    mixed.until(lambda: set(mixed.versions()) == staying.told | leaving.told, "records, by the old release")
    for role in ROLES:
        mixed.start(role)
    for families in both:
        families.go_on()
        families.jobcenter.schemas = {}
        families.go_on(2)
        families.say_more()
    mixed.until(lambda: set(mixed.versions()) == staying.told | leaving.told, "records, by both")
    mixed.until_quiet()
    assert all(worker.process.poll() is None for worker in mixed.workers), "a worker left"
    shown = _shown(mixed)
    assert shown >= FAMILIES
    for number, name in enumerate(leaving.names):
        schema = b"nextnext" if number % 2 else b""
        leaving.jobcenter.withdraw(name, name, leaving.consents[name], schema=schema)
    leaving.jobcenter.flush()
    mixed.until(lambda: _shown(mixed) == shown // 2, "every withdrawal")
    for worker in old:
        worker.send(signal.SIGTERM)
    assert [worker.ended() for worker in old] == [0] * len(old)
    staying.go_on()
    mixed.until(lambda: staying.told <= set(mixed.versions()), "records, by this release")
    mixed.until_quiet()
    assert_each_once(mixed, staying.told | (leaving.told & set(mixed.versions())))
    live = _register(mixed)
    rebuild(mixed.parts, "consent_register")
    assert _register(mixed) == live
    assert_rebuilt_equals_live(mixed)
    assert_views_agree(mixed)
    count = len(staying.told) + len(leaving.told)
    report(f"two releases: {count} records, {len(leaving.names)} families withdrew, none lost or shown")


def _register(mixed: Rig) -> list[tuple[object, ...]]:
    """The rows of the register. What narrows has a row of its own only since the last release: of the row's id the
    event's counts."""
    columns = [column for column in consent_row.columns if column.name not in ("generation", "event_id")]
    with mixed.parts.store.transaction() as connection:
        found = connection.execute(select(consent_row.c.event_id, *columns)).all()
    return sorted((row[0].partition(SEPARATOR)[0], *row[1:]) for row in found)


def _shown(mixed: Rig) -> int:
    """How many views of the youth office show something; every family has as many as any other."""
    views = tables.view_state.c
    return mixed.count(tables.view_state, views.recipient == YOUTH_OFFICE, ~views.removed)
