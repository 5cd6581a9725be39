"""A broker of these tests' own: they delete topics and records."""

from collections.abc import Iterator

import pytest

from hub.hosts.local import LocalKafka


@pytest.fixture(scope="session")
def hosts_kafka() -> Iterator[LocalKafka]:
    with LocalKafka.start() as broker:
        yield broker
