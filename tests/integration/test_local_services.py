"""The real broker and the real database do what the fault tests rely on."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from sqlalchemy import create_engine, text

from hub.dev.servers import LocalKafka, LocalPostgres, postgres
from hub.dev.servers.process import Child, free_port, listening
from hub.errors import ConfigurationError, ServiceUnavailable


def send(bootstrap: str, topic: str, value: bytes) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    admin.close()
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    producer.send(topic, value).get(timeout=30)
    producer.close()


def read_all(bootstrap: str, topic: str) -> list[bytes]:
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        group_id=None,
    )
    polled = consumer.poll(timeout_ms=30_000)
    consumer.close()
    return [record.value for records in polled.values() for record in records]


def test_a_record_sent_is_read(kafka: str, topic_prefix: str) -> None:
    send(kafka, f"{topic_prefix}greeting", b"moin")
    assert read_all(kafka, f"{topic_prefix}greeting") == [b"moin"]


def test_a_confirmed_record_survives_the_brokers_death(own_kafka: LocalKafka, topic_prefix: str) -> None:
    send(own_kafka.bootstrap, f"{topic_prefix}kept", b"confirmed")
    first = own_kafka.pid
    own_kafka.kill()
    own_kafka.restart()
    assert own_kafka.pid != first
    assert read_all(own_kafka.bootstrap, f"{topic_prefix}kept") == [b"confirmed"]


def test_a_fresh_database_is_empty(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        tables = connection.scalar(
            text("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
        )
    engine.dispose()
    assert tables == 0


def test_a_commit_survives_the_servers_death_and_an_open_transaction_does_not(
    own_postgres: LocalPostgres,
) -> None:
    engine = create_engine(own_postgres.create_database("kept"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (what text)"))
        connection.execute(text("INSERT INTO kept VALUES ('committed')"))
    unfinished = engine.connect()
    unfinished.execute(text("INSERT INTO kept VALUES ('open')"))

    own_postgres.kill()
    own_postgres.restart()

    unfinished.invalidate()
    unfinished.close()
    engine.dispose()
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT what FROM kept")).all() == ["committed"]
        assert connection.scalar(text("SHOW fsync")) == "on"
    engine.dispose()


def test_without_system_binaries_the_wheel_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_SYSTEM", Path("/nowhere"))
    monkeypatch.setenv("PATH", "/nowhere")
    with LocalPostgres.start() as server:
        engine = create_engine(server.url)
        with engine.connect() as connection:
            version = connection.scalar(text("SHOW server_version"))
        engine.dispose()
    assert version.startswith("18.")


def test_without_maven_or_java_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigurationError, match="Debian"):
        LocalKafka.start()


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = Child([sys.executable, "-c", "print('no room left')"], log=tmp_path / "log")
    with pytest.raises(ServiceUnavailable, match="no room left"):
        child.wait_until(lambda: False, seconds=30)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the account running PostgreSQL can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="hub-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_server_dies_with_the_process_that_started_it(open_folder: Path) -> None:
    parent = (
        "import os, pathlib, signal, sys; from hub.dev.servers import LocalPostgres\n"
        "server = LocalPostgres.start(pathlib.Path(sys.argv[1], 'server'), int(sys.argv[2]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    port = free_port()
    done = subprocess.run([sys.executable, "-c", parent, open_folder, str(port)], check=False)
    assert done.returncode == -signal.SIGKILL
    give_up = time.monotonic() + 10
    while listening(port) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not listening(port)
