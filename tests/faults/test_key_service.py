"""The key service killed and stopped in the middle of work (fault 28): everything freezes, nothing is skipped."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.adapters.keys.wrapping import as_text, new_master
from hub.dev.servers import LocalKafka, create_database, drop_database
from hub.errors import KeyServiceUnavailable
from tests.support.key_service import ServiceProcess
from tests.support.oracle import assert_each_once
from tests.support.stories import Families
from tests.support.workers import AGENCIES, parts_of, rig


@pytest.fixture
def service(postgres: str, tmp_path: Path) -> Iterator[ServiceProcess]:
    url = create_database(postgres, "keys_of_the_service")
    kinds = {one.id: one.kind for one in AGENCIES}
    service = ServiceProcess(
        tmp_path / "service", kinds, HUB_KEY_DATABASE_URL=url, HUB_KEK=as_text(new_master())
    )
    yield service
    service.stop()
    drop_database(postgres, "keys_of_the_service")


def test_killed_and_stopped_it_freezes_everything_and_loses_nothing(
    hub_kafka: LocalKafka, postgres: str, service: ServiceProcess, tmp_path: Path
) -> None:
    with rig(hub_kafka.bootstrap, postgres, tmp_path, **service.client_env()) as made:
        families = Families(made, 5)
        families.meet()
        families.go_on()
        worker = made.start("all", HUB_PATIENCE="120")
        made.until(lambda: set(made.versions()) == families.told, "every record")
        made.until_quiet()

        later = Families(made, 9)
        later.names = later.names[5:]
        later.meet()
        later.go_on()
        service.kill()
        made.until(lambda: bool(worker.said("worker.waiting")), "word that it waits")
        frozen = made.versions()
        with pytest.raises(KeyServiceUnavailable):  # nobody starts without it
            parts_of(made.env)
        service.start()
        told = families.told | later.told
        made.until(lambda: set(made.versions()) == told, "every record after the kill")

        last = Families(made, 12)
        last.names = last.names[9:]
        last.meet()
        last.go_on()
        waited = len(worker.said("worker.waiting"))
        os.kill(service.pid, signal.SIGSTOP)
        made.until(
            lambda: len(worker.said("worker.waiting")) > waited, "word that it waits for one that hangs"
        )
        os.kill(service.pid, signal.SIGCONT)
        told |= last.told
        made.until(lambda: set(made.versions()) == told, "every record after the stop")
        assert_each_once(made, told)
        assert frozen.keys() <= told
        assert worker.process.poll() is None
    assert "keys.bug" not in service.said()
