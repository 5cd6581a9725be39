"""The hub's own certificates: those of its files, and the one that the key service shows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.adapters.keys.certs import make_certificates
from hub.adapters.keys.expiry import not_after, server_not_after
from hub.config import Settings, load_settings
from hub.errors import KeyServiceUnavailable
from hub.metrics.certificates import ASKED_EVERY, OwnCertificates
from tests.support.key_service import RunningService

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    made = make_certificates(tmp_path / "certs", [])
    running = RunningService(f"sqlite:///{tmp_path / 'keys.sqlite'}", lambda: [bytes(range(32))], made)
    yield running
    running.stop()


def settings(service: RunningService) -> Settings:
    hub = service.certificates["hub"]
    return load_settings(
        key_service_url=service.url,
        tls_ca=hub.ca,
        tls_cert=hub.cert,
        tls_key=hub.key,
        kafka_security="ssl",
        kafka_ca=hub.ca,
        kafka_cert=hub.cert,
        kafka_key=hub.key,
    )


def test_every_certificate_is_told_with_its_end(service: RunningService) -> None:
    hub, shown = service.certificates["hub"], service.certificates["service"]
    assert OwnCertificates(settings(service))(NOW) == {
        "broker_ca": not_after(hub.ca).timestamp(),
        "broker_client": not_after(hub.cert).timestamp(),
        "key_service_ca": not_after(hub.ca).timestamp(),
        "key_service_client": not_after(hub.cert).timestamp(),
        "key_service_server": not_after(shown.cert).timestamp(),
    }


def test_a_service_that_is_away_is_left_out_and_asked_again_later(service: RunningService) -> None:
    own = OwnCertificates(settings(service))
    service.stop()
    assert "key_service_server" not in own(NOW)
    service.start()
    assert "key_service_server" not in own(NOW + ASKED_EVERY - timedelta(seconds=1))
    assert "key_service_server" in own(NOW + ASKED_EVERY)


def test_a_file_that_is_no_certificate_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("nothing")
    given = load_settings(kafka_ca=tmp_path / "broken.pem", tls_ca=tmp_path / "absent.pem")
    assert OwnCertificates(given)(NOW) == {}


def test_nobody_there_is_unavailable(service: RunningService) -> None:
    with pytest.raises(KeyServiceUnavailable, match="shows no certificate"):
        server_not_after("https://127.0.0.1:1", service.certificates["hub"])
