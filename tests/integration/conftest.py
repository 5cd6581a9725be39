"""Servers of one's own, for tests that kill them; each is shared by one module."""

from collections.abc import Iterator

import pytest

from hub.dev.servers import LocalKafka, LocalPostgres


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[LocalKafka]:
    with LocalKafka.start() as broker:
        yield broker


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[LocalPostgres]:
    with LocalPostgres.start() as server:
        yield server
