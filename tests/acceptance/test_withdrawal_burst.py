"""A withdrawal in the middle of a burst: nothing about the person is delivered after its commit (promise 1).

"After" is told by one clock, this machine's: PostgreSQL says when the transaction that took the withdrawal was
committed, the broker stamps each view when it is appended. Whoever delivers holds locks on the person's epoch that the
withdrawal's transaction must have, so what was appended under them is stamped before the commit, and what is appended
later was cut with the withdrawal in sight. One view about the person stamped later than the commit is a leak.
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import pytest
from sqlalchemy import select, text

from hub.dev.bench.workload import JA, Workload, agencies
from hub.dev.servers import LocalKafka, LocalPostgres
from hub.ports import Record
from hub.store import tables
from projections.consent_register.tables import consent_row
from schemas import decode_single
from tests.support.workers import Rig, report, rig

EVENTS = int(os.environ.get("HUB_BURST_EVENTS", "10000"))
PATIENCE = 300 + EVENTS / 500  # seconds for the whole burst on a busy machine
CHUNK = max(100, EVENTS // 100)  # after each of these the mother's family has its turn
FAMILY, MOTHERS_LINES = 0, 3
MILLISECOND = 1000  # microseconds; the broker's stamps are whole ones
TOML = "".join(f'[[agency]]\nid = "{one.id}"\nkind = "{one.kind}"\n' for one in agencies())


@dataclass(frozen=True, slots=True)
class Delivery:
    """One view on its topic: when it was appended (microseconds), and whether it shows the person."""

    at: int
    shows: bool


class Watch:
    """Follows the views of one person's family, once each."""

    def __init__(self, hub: Rig, case_ref: str, subject_ref: str) -> None:
        self._log, self._topic = hub.parts.log, f"agency.{JA}.views"
        self._following = dict(self._log.state([self._topic])[self._topic].first)
        self._case, self._subject = case_ref, subject_ref
        self.deliveries: list[Delivery] = []

    def look(self) -> list[Delivery]:
        """Every view of the family so far."""
        while batch := self._log.read(self._topic, self._following, 2000):
            self._following |= {record.partition: record.offset + 1 for record in batch}
            found = ((record, decode_single(record.value)[1]) for record in batch)
            self.deliveries += [
                self._delivery(record, view) for record, view in found if view["case_ref"] == self._case
            ]
        return self.deliveries

    def _delivery(self, record: Record, view: Mapping[str, Any]) -> Delivery:
        return Delivery(record.timestamp, self._subject in {part["subject_ref"] for part in view["parts"]})


class Burst:
    """Payment lines of all families, in between always some of the mother who will withdraw."""

    def __init__(self, hub: Rig) -> None:
        self.hub, self.sent, self.fifth = hub, 0, Event()
        self.work = Workload(hub.parts.keys, max(40, EVENTS // 24))
        self._thread = Thread(target=self._publish, name="burst")

    def watch(self) -> Watch:
        return Watch(self.hub, self.work.case_ref(JA, FAMILY), self.work.subject_ref(JA, FAMILY, "mother"))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def running(self) -> bool:
        return self._thread.is_alive()

    def _publish(self) -> None:
        """`Workload` numbers its lines: month by month, family by family; the mother's come from months far ahead."""
        per_month, log = 6 * self.work.families, self.hub.parts.log
        for first in range(0, EVENTS, CHUNK):
            month = EVENTS // per_month + 2 + first // CHUNK
            self.sent += self.work.publish_events(log, min(CHUNK, EVENTS - first), first)
            self.sent += self.work.publish_events(log, MOTHERS_LINES, month * per_month)
            if self.sent >= EVENTS / 5:
                self.fifth.set()


@pytest.fixture
def hub(hub_kafka: LocalKafka, server: LocalPostgres, tmp_path: Path) -> Iterator[Rig]:
    """Nothing runs yet; the broker's clock stamps the views."""
    offices = tmp_path / "offices.toml"
    offices.write_text(TOML)
    with rig(
        hub_kafka.bootstrap, server.url, tmp_path, HUB_AGENCIES=str(offices), HUB_PATIENCE="120"
    ) as made:
        yield made


def committed(hub: Rig) -> int:
    """When the withdrawal's transaction was committed, in microseconds since 1970 UTC; 0 while it is not."""
    when = text("(EXTRACT(EPOCH FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint")
    wanted = select(when).select_from(consent_row).where(consent_row.c.event_type == "ConsentWithdrawn")
    with hub.parts.store.transaction() as connection:
        return int(connection.execute(wanted).scalar() or 0)


def test_nothing_is_delivered_after_a_withdrawal(hub: Rig) -> None:
    """With HUB_BURST_EVENTS=200000 as long as the task names it; CI takes a shorter one."""
    for role in ("consents", "cases", "cases", "disclose"):
        hub.start(role)
    burst = Burst(hub)
    burst.work.publish_control(hub.parts.log)
    hub.until_quiet(PATIENCE)
    watch = burst.watch()
    with burst:
        hub.until(burst.fifth.is_set, "a fifth of the burst", PATIENCE)
        hub.until(lambda: any(one.shows for one in watch.look()), "a view of the mother", PATIENCE)
        in_time, published = burst.running(), time.time_ns() // 1000
        burst.work.publish_withdrawal(hub.parts.log, FAMILY)
    hub.until(lambda: committed(hub) > 0, "the withdrawal's commit", PATIENCE)
    hub.until_quiet(PATIENCE)

    commit, deliveries = committed(hub), watch.look()
    before = sum(one.shows for one in deliveries if one.at <= commit)
    after = sum(one.shows for one in deliveries if one.at > commit)
    gone = min(one.at for one in deliveries if one.at >= commit - MILLISECOND and not one.shows)
    report(
        f"{burst.sent} events: {before} views with the mother before her withdrawal's commit, {after} after it; "
        f"committed {(commit - published) / 1000:.0f} ms and gone {(gone - published) / 1000:.0f} ms after it was sent"
    )
    assert in_time, "the burst was over before the withdrawal"
    assert before > 0
    assert after == 0
    assert hub.count(tables.decision) + hub.count(tables.held) == burst.sent
    assert all(worker.process.poll() is None for worker in hub.workers)
