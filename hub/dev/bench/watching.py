"""Watching a recipient's topic for the view that an event or a withdrawal leads to."""

import time
from collections.abc import Iterator
from typing import Any

from hub.errors import HubError
from hub.ports import EventLog
from schemas import decode_single, topics

_GIVE_UP = 60.0  # seconds


class ViewWatch:
    """Reads `agency.<id>.views` from its end on."""

    def __init__(self, log: EventLog, agency: str) -> None:
        self._log, self._topic = log, topics()["views"].of(agency)
        self._following = dict(log.state([self._topic])[self._topic].end)

    def wait(self, case_ref: str, *, removed: bool) -> float:
        """Seconds until a view of this case comes."""
        began = time.perf_counter()
        for view in self._views(began):
            if view["case_ref"] == case_ref and view["removed"] is removed:
                return time.perf_counter() - began
        raise HubError("no view came", place=self._topic)

    def wait_without(self, case_ref: str, subject_ref: str) -> float:
        """Seconds until a view of this case comes in which this person is not."""
        began = time.perf_counter()
        for view in self._views(began):
            if view["case_ref"] == case_ref and subject_ref not in {
                part["subject_ref"] for part in view["parts"]
            }:
                return time.perf_counter() - began
        raise HubError("no view came", place=self._topic)

    def _views(self, began: float) -> Iterator[dict[str, Any]]:
        while time.perf_counter() - began < _GIVE_UP:
            for record in self._log.read(self._topic, self._following, 500):
                self._following[record.partition] = record.offset + 1
                yield decode_single(record.value)[1]
