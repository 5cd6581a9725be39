"""Nobody can keep others from their keys: silent, slow and too many connections, and the reasons that each hears."""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from threading import Thread

import pytest

from hub.adapters.keys.certs import make_certificates
from hub.adapters.keys.remote import KeyServiceClient
from hub.adapters.keys.tls import TlsFiles, client_context
from hub.errors import KeyServiceUnavailable, TryAgain
from hub.hosts.keys.connections import ConnectionLimits
from hub.hosts.keys.shares import ALL_AT_ONCE, AT_ONCE, Shares
from hub.ports import KeyRef
from tests.support.key_service import RunningService

QUICK = ConnectionLimits(
    handshakes_per_address=8, per_agency=4, handshake_seconds=0.5, idle_seconds=30.0, question_seconds=0.5
)
Certificates = Mapping[str, TlsFiles]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certs"), ["jc", "ja"])


@pytest.fixture
def started(tmp_path: Path, certificates: Certificates) -> Iterator[Callable[..., RunningService]]:
    with ExitStack() as stack:

        def start(limits: ConnectionLimits = QUICK, shares: Shares | None = None) -> RunningService:
            url = f"sqlite:///{tmp_path / 'keys.db'}"
            made = RunningService(url, lambda: [bytes(32)], certificates, limits=limits, shares=shares)
            stack.callback(made.stop)
            return made

        yield start


def ask(service: RunningService, name: str, controller: str = "jc", keys: int = 1) -> int:
    """Seal as somebody, on a connection of its own; how many keys came."""
    with closing(KeyServiceClient(service.url, service.certificates[name])) as client:
        return len(client.newest([KeyRef("box", controller, f"p_{number}") for number in range(keys)]))


def connect(service: RunningService, name: str) -> ssl.SSLSocket:
    """A connection of somebody, agreed on by both sides."""
    plain = socket.create_connection(service.address, timeout=10)
    return client_context(service.certificates[name]).wrap_socket(plain, server_hostname="127.0.0.1")


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def ended(connection: socket.socket) -> bool:
    """Whether the other side has ended it; waits for that."""
    connection.settimeout(30)
    with suppress(ConnectionResetError, ssl.SSLError):
        return connection.recv(1) == b""
    return True


def test_silent_connections_without_a_certificate_keep_nobody_out(
    started: Callable[..., RunningService],
) -> None:
    service = started(ConnectionLimits(handshakes_per_address=8, handshake_seconds=600))
    with ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(service.address, timeout=5)) for _ in range(205)
        ]
        assert ask(service, "hub") == ask(service, "connector-jc") == 1
        assert ended(silent[0])
        assert service.closed.count("handshake") >= len(silent) - 8


def test_a_handshake_that_drips_ends(started: Callable[..., RunningService]) -> None:
    service = started()
    hello = bytes([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]) + bytes(500)
    with socket.create_connection(service.address, timeout=5) as dripping:

        def drip() -> None:
            with suppress(OSError):
                for number in range(len(hello)):
                    dripping.send(hello[number : number + 1])
                    time.sleep(0.1)

        Thread(target=drip, daemon=True).start()
        until(lambda: "handshake" in service.closed)


def test_one_agency_with_many_idle_connections_keeps_nobody_out(
    started: Callable[..., RunningService],
) -> None:
    service = started()
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(service, "connector-jc")) for _ in range(40)]
        until(lambda: service.closed.count("crowded") >= 36)
        assert ask(service, "hub") == ask(service, "connector-ja", "ja") == ask(service, "connector-jc") == 1
        assert ended(idle[0])


def test_an_agency_whose_connections_all_work_is_told_that_it_has_too_many(
    started: Callable[..., RunningService],
) -> None:
    service = started(ConnectionLimits(per_agency=4, question_seconds=600))
    with ExitStack() as stack:
        for _ in range(4):
            half = stack.enter_context(connect(service, "connector-jc"))
            half.sendall(b"POST /v1/seal HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        until(lambda: _working(service) == 4)
        with pytest.raises(KeyServiceUnavailable, match="too many connections of jc") as refusal:
            ask(service, "connector-jc")
        assert "HUB_KEY_CONNECTIONS" in refusal.value.remedy
        assert ask(service, "hub") == ask(service, "connector-ja", "ja") == 1


def _working(service: RunningService) -> int:
    return sum(one.phase.value == "asking" for one in list(service.connections()))


def test_a_question_that_drips_ends(started: Callable[..., RunningService]) -> None:
    service = started()
    with connect(service, "connector-jc") as slow:
        slow.sendall(b"POST /v1/seal HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{")
        assert ended(slow)
    assert service.closed == ["slow"]


def test_an_idle_connection_ends_and_its_owner_does_not_notice(
    started: Callable[..., RunningService],
) -> None:
    service = started(ConnectionLimits(idle_seconds=0.2))
    with closing(KeyServiceClient(service.url, service.certificates["hub"])) as client:
        client.secret()
        until(lambda: "idle" in service.closed)
        assert len(client.secret()) == 32


def test_an_agency_that_seals_too_fast_is_told_so_and_the_hub_goes_on(
    started: Callable[..., RunningService],
) -> None:
    service = started(shares=Shares(rate=100.0))
    assert ask(service, "connector-jc", keys=1000) == 1000  # what it had saved up
    with pytest.raises(KeyServiceUnavailable, match="more than 100 keys a second") as refusal:
        ask(service, "connector-jc", keys=1000)
    assert "HUB_KEY_SEALS_PER_SECOND" in refusal.value.remedy
    assert ask(service, "hub", keys=1000) == ask(service, "connector-ja", "ja", keys=1000) == 1000


def test_one_agency_does_not_take_the_turns_of_all() -> None:
    shares = Shares()
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            stack.enter_context(shares.turn("jc", 1))
        with pytest.raises(TryAgain, match="too many questions of this agency"):
            stack.enter_context(shares.turn("jc", 1))
        for number in range(ALL_AT_ONCE - AT_ONCE):
            stack.enter_context(shares.turn(f"other {number}", 1))
        with pytest.raises(TryAgain, match="too many questions of all agencies"):
            stack.enter_context(shares.turn("one more", 1))
    with shares.turn("jc", 1):
        pass


def _answering(said: bytes | None) -> tuple[socket.socket, int]:
    """Something else that listens: it says this to whoever comes and ends, or says nothing at all."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                accepted, _ = listening.accept()
                if said is None:
                    time.sleep(10)
                accepted.sendall(said or b"")
                accepted.close()

    Thread(target=serve, daemon=True).start()
    return listening, listening.getsockname()[1]


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS"),
        (b"", "ended the connection before it answered"),
        (None, "did not answer in time"),
    ],
)
def test_the_cause_is_named(said: bytes | None, cause: str, certificates: Certificates) -> None:
    listening, port = _answering(said)
    client = KeyServiceClient(f"https://127.0.0.1:{port}", certificates["hub"], timeout=1.0)
    with listening, pytest.raises(KeyServiceUnavailable, match=cause) as error:
        client.secret()
    assert error.value.remedy


def test_nobody_listening_and_an_unknown_host_are_told_apart(certificates: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(KeyServiceUnavailable, match="nobody listens"):
        KeyServiceClient(f"https://127.0.0.1:{port}", certificates["hub"]).secret()
    with pytest.raises(KeyServiceUnavailable, match="host name is not known"):
        KeyServiceClient("https://keys.invalid:8443", certificates["hub"]).secret()


def test_a_refused_certificate_is_named_whatever_was_sent_behind_it(
    started: Callable[..., RunningService], tmp_path: Path
) -> None:
    service = started()
    theirs, ours = make_certificates(tmp_path / "theirs", ["jc"]), service.certificates["hub"]
    stranger = TlsFiles(ours.ca, theirs["hub"].cert, theirs["hub"].key)
    with pytest.raises(KeyServiceUnavailable, match=r"does not accept this certificate \(unknown ca\)"):
        KeyServiceClient(service.url, stranger).newest([KeyRef("box", "jc", f"p_{n}") for n in range(1000)])


def test_a_question_that_is_too_large_is_refused_unread(started: Callable[..., RunningService]) -> None:
    service = started()
    with connect(service, "connector-jc") as large:
        large.sendall(b"POST /v1/seal HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
        response = http.client.HTTPResponse(large)
        response.begin()
        assert response.status == 413
