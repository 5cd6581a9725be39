"""A worker whose stage only counts: what the transport itself delivers, and how fast.

`python -m tests.support.counting TOPIC COUNT` reads the topic to COUNT records and prints what it saw as JSON.
"""

import sys
import time
from collections.abc import Sequence
from typing import Any

import orjson

from hub.bootstrap import build_parts
from hub.config import load_settings
from hub.hosts.worker.options import Options
from hub.hosts.worker.process import Worker
from hub.hosts.worker.roles import ReadingTask, RoleTasks, WorkerRole
from hub.parts import Parts
from hub.ports import Record
from hub.store import positions

STAGE = "count"


class Count:
    """Sees every record once and in order, or says where not."""

    def __init__(self, wanted: int) -> None:
        self._wanted, self.seen, self.disorder, self.batches = wanted, 0, 0, 0
        self._next: dict[int, int] = {}
        self._began = 0.0

    def take(self, parts: Parts, topic_id: str, batch: Sequence[Record]) -> int:
        self._began = self._began or time.monotonic()
        for record in batch:
            self.disorder += record.offset != self._next.get(record.partition, 0)
            self._next[record.partition] = record.offset + 1
        with parts.store.transaction() as connection:
            positions.save(connection, STAGE, batch[0].topic, topic_id, dict(self._next))
        self.seen, self.batches = self.seen + len(batch), self.batches + 1
        return len(batch)

    def observe(self, _stage: str, _topic: str, _outcome: Any, _seconds: float) -> None:
        if self.seen >= self._wanted:
            rate = self.seen / (time.monotonic() - self._began)
            figures = {
                "seen": self.seen,
                "disorder": self.disorder,
                "batches": self.batches,
                "rate": int(rate),
            }
            sys.stdout.write(orjson.dumps(figures).decode() + "\n")
            sys.stdout.flush()
            self._wanted = sys.maxsize


def main(topic: str, wanted: int) -> None:
    settings = load_settings(host="kafka")
    count = Count(wanted)
    tasks = RoleTasks(readings=(ReadingTask(STAGE, (topic,), count.take),))
    options = Options(bootstrap=settings.kafka_bootstrap, session_timeout=6.0, group=f"count-{topic}")
    Worker(build_parts(settings), WorkerRole.ALL, options, count.observe, tasks).run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
