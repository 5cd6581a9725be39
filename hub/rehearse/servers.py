"""The same story over a broker and PostgreSQL: topics and databases of its own, removed when it ends.

The stages are driven one after the other, as on files, so that each step is processed completely before the next; log
and store are the real ones. Topics carry a prefix, so a broker that is in use keeps its own apart.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from kafka import KafkaAdminClient

from hub.adapters.keys.wrapping import new_master
from hub.adapters.log.kafka import KafkaLog
from hub.bootstrap import Given, build_parts
from hub.dev.servers import create_database, drop_database, kafka_or_existing, postgres_or_existing
from hub.parts import Parts
from hub.ports import EventLog, Outgoing, Record, TopicState
from hub.rehearse.run import build_scene, story_settings
from hub.rehearse.scene import Scene
from hub.rehearse.story import Story

SceneOf = Callable[[Story, Path], AbstractContextManager[Scene]]


@contextmanager
def servers() -> Iterator[SceneOf]:
    """`HUB_KAFKA_BOOTSTRAP` and `HUB_DATABASE_URL`, else a broker and a database that live as long as the block."""
    with ExitStack() as stack:
        bootstrap = stack.enter_context(kafka_or_existing())
        database = stack.enter_context(postgres_or_existing())
        yield lambda story, folder: _scene(bootstrap, database, story, folder)


@contextmanager
def _scene(bootstrap: str, server: str, story: Story, folder: Path) -> Iterator[Scene]:
    name, master = f"rehearse_{token_hex(6)}", new_master()
    with ExitStack() as stack:
        urls = [_database(stack, server, one) for one in (name, f"{name}_keys")]
        settings = story_settings(
            folder,
            master,
            host="kafka",
            kafka_bootstrap=bootstrap,
            partitions=2,
            topic_timestamps="create",
            database_url=urls[0],
            key_database_url=urls[1],
        )
        security = settings.broker_security().clients()

        def build(given: Given) -> Parts:
            log = PrefixedLog(KafkaLog(bootstrap, clock=given.clock, **security), f"{name}.")
            return build_parts(settings, replace(given, log=log))

        stack.callback(_forget_topics, bootstrap, f"{name}.", security)
        scene = build_scene(story, folder, master, settings.key_url, build)
        stack.enter_context(closing(scene))
        yield scene


def _database(stack: ExitStack, server: str, name: str) -> str:
    url = create_database(server, name)
    stack.callback(drop_database, server, name)
    return url


def _forget_topics(bootstrap: str, prefix: str, security: Mapping[str, Any]) -> None:
    """Delete the story's topics: on a broker that stays, nothing of it is left."""
    admin: Any = KafkaAdminClient(bootstrap_servers=bootstrap.split(","), **security)
    try:
        admin.delete_topics([topic for topic in admin.list_topics() if topic.startswith(prefix)])
    finally:
        admin.close()


class PrefixedLog:
    """An `EventLog` whose topics begin with a prefix that nobody behind it sees."""

    def __init__(self, log: EventLog, prefix: str) -> None:
        self._log, self._prefix = log, prefix

    def create(
        self, topics: Mapping[str, int], config: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        named = {self._prefix + name: of for name, of in (config or {}).items()}
        self._log.create({self._prefix + name: partitions for name, partitions in topics.items()}, named)

    def append(self, topic: str, records: Sequence[Outgoing], *, deadline: float = 30.0) -> None:
        self._log.append(self._prefix + topic, records, deadline=deadline)

    def read(self, topic: str, positions: Mapping[int, int], limit: int = 1000) -> Sequence[Record]:
        found = self._log.read(self._prefix + topic, positions, limit)
        return [record._replace(topic=topic) for record in found]

    def state(self, topics: Sequence[str]) -> Mapping[str, TopicState]:
        found = self._log.state([self._prefix + topic for topic in topics])
        plain = {name.removeprefix(self._prefix): state for name, state in found.items()}
        return {name: replace(state, name=name) for name, state in plain.items()}

    def close(self) -> None:
        self._log.close()
