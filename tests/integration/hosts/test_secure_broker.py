"""A real broker that asks for certificates or for SCRAM over TLS: every client of hub and connector gets in."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.pipeline.config.connector import log_address
from connectors.pipeline.config.tables import LogTable
from hub.adapters.keys.certs import make_certificates
from hub.adapters.keys.tls import TlsFiles
from hub.adapters.log import groups, settings
from hub.adapters.log.kafka import KafkaLog
from hub.adapters.log.security import BrokerSecurity
from hub.dev.servers import LocalKafka
from hub.dev.servers.process import free_port
from hub.errors import ConfigurationError
from hub.file_models import checked
from hub.ports import Outgoing
from tests.support.stories import Families
from tests.support.workers import rig

PASSWORD = "a-password-of-this-broker-s-one-hour"
_PROPERTIES = """
listeners=PLAINTEXT://127.0.0.1:{plain},SSL://127.0.0.1:{ssl},SASL_SSL://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SSL://127.0.0.1:{ssl},SASL_SSL://127.0.0.1:{sasl}
controller.quorum.voters=1@127.0.0.1:{controller}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


@dataclass(frozen=True)
class Secure:
    """A broker with a door for the test itself and two that are watched."""

    plain: str
    ssl: str
    sasl: str
    certificates: Mapping[str, TlsFiles]
    password_file: Path

    @property
    def ca(self) -> Path:
        return self.certificates["hub"].ca

    def with_certificate(self) -> BrokerSecurity:
        files = self.certificates["hub"]
        return BrokerSecurity(protocol="ssl", ca=files.ca, cert=files.cert, key=files.key)

    def with_password(self, password_file: Path | None = None) -> BrokerSecurity:
        file = password_file or self.password_file
        return BrokerSecurity(protocol="sasl_ssl", ca=self.ca, user="hub", password_file=file)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("secure")
    certificates = make_certificates(folder / "certs", [])
    service, ports = (
        certificates["service"],
        {name: free_port() for name in ("plain", "ssl", "sasl", "controller")},
    )
    (folder / "broker.pem").write_bytes(service.key.read_bytes() + service.cert.read_bytes())
    (folder / "password").write_text(PASSWORD + "\n")
    text = _PROPERTIES.format(keystore=folder / "broker.pem", ca=service.ca, **ports)
    (folder / "more.properties").write_text(text)
    scram = f"--add-scram SCRAM-SHA-512=[name=hub,password={PASSWORD}]"
    env = {"KAFKA_PROPERTIES": str(folder / "more.properties"), "KAFKA_FORMAT": scram}
    with LocalKafka.start(port=ports["plain"], env=env) as broker:
        ssl, sasl = (f"127.0.0.1:{ports[name]}" for name in ("ssl", "sasl"))
        yield Secure(broker.bootstrap, ssl, sasl, certificates, folder / "password")


@pytest.mark.parametrize("door", ["ssl", "sasl"])
def test_the_clients_of_agency_and_operator_get_in(secure: Secure, door: str) -> None:
    address = getattr(secure, door)
    security = (secure.with_certificate() if door == "ssl" else secure.with_password()).clients()
    log = KafkaLog(address, **security)
    try:
        log.create({f"t.{door}": 1})
        log.append(f"t.{door}", [Outgoing(b"k", b"v")])
        assert [record.value for record in log.read(f"t.{door}", {0: 0})] == [b"v"]
    finally:
        log.close()
    assert settings.of_broker(address, [f"t.{door}"], security).keys() == {f"t.{door}"}
    assert groups.forget(address, ["nobody"], security) == []


def test_a_worker_gets_in(secure: Secure, postgres: str, tmp_path: Path) -> None:
    """The batch producer and Faust, by SCRAM over TLS."""
    env = {
        "HUB_KAFKA_BOOTSTRAP": secure.sasl,
        "HUB_KAFKA_SECURITY": "sasl_ssl",
        "HUB_KAFKA_CA": str(secure.ca),
        "HUB_KAFKA_USER": "hub",
        "HUB_KAFKA_PASSWORD_FILE": str(secure.password_file),
    }
    with rig(secure.plain, postgres, tmp_path, **env) as made:
        families = Families(made, 2)
        families.meet()
        families.go_on()
        worker = made.start("all")
        made.until(lambda: set(made.versions()) == families.told, "every record")
        said = worker.log.read_text()
    assert PASSWORD not in said


_KNOCK = """
import sys
from pathlib import Path
from hub.adapters.log.kafka import KafkaLog
from hub.adapters.log.security import BrokerSecurity
from hub.errors import HubError

ssl, sasl, ca, other, wrong = sys.argv[1:]
for address, within, security in (
    (sasl, 30, BrokerSecurity(protocol="sasl_ssl", ca=Path(ca), user="hub", password_file=Path(wrong))),
    (ssl, 1.5, BrokerSecurity(protocol="ssl", ca=Path(ca))),
    (ssl, 1.5, BrokerSecurity(protocol="ssl", ca=Path(other))),
):
    try:
        KafkaLog(address, connect_within=within, **security.clients())
        print("in")
    except HubError as error:
        print("out", error)
"""


def test_strangers_stay_out(secure: Secure, tmp_path: Path) -> None:
    """A wrong password, no certificate, another authority. In a process of its own, because kafka-python leaves the
    sockets of those who were refused to the garbage collector."""
    wrong, other = tmp_path / "wrong", make_certificates(tmp_path / "others", [])["hub"].ca
    wrong.write_text("wrong-password")
    given = [secure.ssl, secure.sasl, str(secure.ca), str(other), str(wrong)]
    command = [sys.executable, "-c", _KNOCK, *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said = done.stdout.splitlines()
    assert [line.split()[0] for line in said] == ["out"] * 3
    assert "the broker refuses the account → check user and password" in said[0]
    assert "wrong-password" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        {"security": "ssl"},
        {"security": "tls", "ca": "ca.pem"},
        {"ca": "ca.pem"},
        {"security": "ssl", "ca": "ca.pem", "cert": "c.pem"},
        {"security": "sasl_ssl", "ca": "ca.pem", "user": "hub"},
        {"security": "sasl_ssl", "ca": "ca.pem", "user": "hub", "password_file": "p", "mechanism": "PLAIN"},
    ],
)
def test_a_connectors_security_is_checked_as_a_whole(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"config\.log"):
        log_address(checked(LogTable, {"bootstrap": "b:1"} | wrong, "config.log"), tmp_path)


def test_the_password_does_not_show(secure: Secure) -> None:
    assert PASSWORD not in repr(secure.with_password())
    assert "hub" not in repr(secure.with_password()).replace("HUB_KAFKA", "").replace(
        str(secure.ca.parent.parent), ""
    )
