"""The same stories over a real broker and a real PostgreSQL: what a view shows does not depend on the host."""

import pytest
from kafka import KafkaAdminClient

from hub.rehearse.parse import parse_story
from hub.rehearse.run import rehearsals
from tests.rehearse.conftest import FOLDER

STORIES = ("05", "09", "15", "19", "23", "39")


def test_stories_over_broker_and_database(kafka: str, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_KAFKA_BOOTSTRAP", kafka)
    monkeypatch.setenv("HUB_DATABASE_URL", postgres)
    with rehearsals("kafka") as play:
        for name in STORIES:
            (file,) = FOLDER.glob(f"{name}-*.json")
            played = play(parse_story(file.read_bytes()))
            assert played.host == "kafka"
            assert [(name, one.step, one.differs) for one in played.answers if one.differs] == []
            assert played.hits
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    try:
        assert not [topic for topic in admin.list_topics() if topic.startswith("rehearse_")]
    finally:
        admin.close()
