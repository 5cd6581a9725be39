"""The same stories over a real broker and PostgreSQL: few, for each needs topics and a database of its own."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.protocol.homes import Servers
from tests.protocol.test_state_machine import STORIES, Stories


def test_stories_over_kafka_and_postgresql(kafka: str, postgres: str) -> None:
    class OverServers(Stories):
        """The hub beside the oracle, on servers."""

        @staticmethod
        def at_home() -> Servers:
            return Servers(kafka, postgres)

    few = settings(Stories.TestCase.settings, max_examples=max(3, STORIES // 8), stateful_step_count=15)
    run_state_machine_as_test(OverServers, settings=few)
