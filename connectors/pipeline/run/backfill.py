"""The second reading of whole streams on request, beside what changes: a page now and then, and never before it.

It is a second position beside the stream's own, by key and not by version. Its rows take the same way out as any other;
what the state calls unchanged leaves once more under its own id and number, which the hub drops where it has it.
"""

from collections.abc import Iterator
from datetime import datetime

from connectors.contract import Batch, NothingKept, Rereading, Source
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.run.commit import BatchCommit
from connectors.pipeline.run.report import Tally
from connectors.pipeline.state.backfill_requests import Backfills, Request
from connectors.pipeline.state.state import State
from hub.domain.clock import micros
from hub.errors import DataError

PAGES_AT_ONCE = 10
"""As long as live changes wait, at most, when the rate would allow more."""

NOT_OFFERED, NOT_KEPT = "not_offered", "nothing_kept"


class Pace:
    """How many rows a second, on average over `longest` seconds."""

    def __init__(self, longest: float) -> None:
        self._longest = max(longest, 1.0)
        self._spare, self._last = self._longest, None  # type: float, datetime | None

    def tick(self, now: datetime) -> None:
        """Time has passed since the last call."""
        passed = max(0.0, (now - self._last).total_seconds()) if self._last else 0.0
        self._spare, self._last = min(self._longest, self._spare + passed), now

    def page(self, rate: int, largest: int) -> int:
        """How many rows to read at once."""
        return max(1, min(largest, int(rate * self._longest)))

    def allows(self, rows: int, rate: int) -> bool:
        return self._spare * rate >= rows

    def took(self, rows: int, rate: int) -> None:
        self._spare -= rows / rate


class Backfilling:
    """Streams one after another, those first that say who may be spoken of."""

    def __init__(self, config: ConnectorConfig, source: Source, state: State, commit: BatchCommit) -> None:
        self._source = source if isinstance(source, Rereading) else None
        self._state, self._commit, self._requests = state, commit, Backfills(state.db)
        self._batch, self._rate = config.batch, config.backfill_rows_per_second
        self._order = (*config.control, *(name for name in config.streams if name not in config.control))
        self._pace = Pace(config.interval_seconds)

    def step(self, now: datetime, tally: Tally) -> bool:
        """As many pages as the rate allows; whether it allows more at once."""
        self._pace.tick(now)
        standing: set[str] = set()
        for _ in range(PAGES_AT_ONCE):
            request = next((one for one in self._open() if one.stream not in standing), None)
            if request is None:
                return False
            rate = request.rate or self._rate
            size = self._pace.page(rate, self._batch)
            if not self._pace.allows(size, rate):
                return False
            page = self._page(request, size)
            if page is None:
                standing.add(request.stream)
                continue
            self._publish(request, page, now, tally)
            self._pace.took(len(page.rows), rate)
        return True

    def _open(self) -> Iterator[Request]:
        asked = {request.stream: request for request in self._requests.open()}
        return (asked[name] for name in self._order if name in asked)

    def _page(self, request: Request, size: int) -> Batch | None:
        """The next rows; None when the source cannot give them now, and why is noted."""
        try:
            if self._source is not None:
                return self._source.rows_after(request.stream, request.cursor, size)
            why = NOT_OFFERED
        except NothingKept:
            why = NOT_KEPT
        except DataError as error:
            why = f"{error.reason} {error.place}"
        if why != request.waits:
            with self._state.transaction():
                self._requests.wait(request, why)
        return None

    def _publish(self, request: Request, page: Batch, now: datetime, tally: Tally) -> None:
        def moved() -> None:
            self._requests.moved(request, len(page.rows), page.cursor, micros(now))

        self._commit.publish(page, now, tally, is_open=True, moved=moved)
        tally.backfilled += len(page.rows)
