"""What the checks share: benches as many as one needs, a reading by hand, and who arrived."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.contract import Row, Source
from connectors.kit.bench import Bench, Candidate, evening
from connectors.kit.trial import COLUMNS, Tables
from connectors.pipeline.state.state import State

SIZE, MANY = 8, 40  # one of 40 may vanish without a question


@dataclass
class Case:
    """Makes as many benches as a check needs, each in a folder of its own. `rows`: how many the large reading has."""

    candidate: Candidate
    folder: Path
    rows: int
    _made: int = 0

    @contextmanager
    def bench(self, *, batch: int = 3) -> Iterator[Bench]:
        self._made += 1
        bench = Bench(self.candidate, self.folder / str(self._made), batch=batch)
        try:
            yield bench
        finally:
            bench.close()


def taken(source: Source, state: State, limit: int = 3) -> Iterator[Row]:
    """Read all and save the position after each batch, as the runtime does."""
    for batch in source.read(list(COLUMNS), limit):
        assert len(batch.rows) <= limit, "a batch is larger than asked for"
        with state.transaction():
            state.advance(batch.stream, batch.rows, batch.cursor, set())
        yield from batch.rows


def read(bench: Bench, day: int = 0) -> list[Row]:
    with bench.source() as (source, state):
        assert not source.refresh(evening(day)), "sound input is no incident"
        rows = list(taken(source, state))
        source.finished()
        return rows


def names_at_the_end(bench: Bench) -> set[str]:
    """Names as they stand at the end, where somebody reads them."""
    found = [content for kind, content in bench.newest().values() if kind == "PersonRegistered"]
    names = (re.search(r"\('names', (.*)\)\]$", content) for content in found)
    return {match[1] for match in names if match}


def names_that_may_leave(tables: Tables) -> set[str]:
    """The names that may leave: of those who consented."""
    who = {row["person"] for row in tables["consents"]}
    return {repr(row["name"]) for row in tables["people"] if row["number"] in who}
