"""The system behind the source: it stays as it is, may be away, may be large, and its content is nowhere said."""

import io
import logging
import tracemalloc
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectors.kit.bench import CANARY, Bench, evening, families
from connectors.kit.checks.case import SIZE, Case, names_at_the_end, names_that_may_leave, taken
from hub.errors import HubError, ServiceUnavailable


def source_unchanged(case: Case) -> str:
    """After reading, the system is byte for byte what it was."""
    with case.bench() as bench:
        bench.write(families(SIZE), 0)
        before = bench.trial.content()
        assert before, "the trial shows its content"
        bench.all(0)
        assert bench.trial.content() == before, "reading changed the system"
    return f"{len(before)} bytes"


def source_down(case: Case) -> str:
    """While the system is away nothing is sent and nothing counts as deleted; afterwards all arrives."""
    with case.bench() as bench:
        bench.write(families(SIZE), 0)
        bench.all(0)
        before = bench.facts()
        bench.stop()
        with bench.life() as connector:
            assert _said(bench, connector), "a system that is away is not noticed"
        assert bench.facts() == before, "something was sent while the system was away"
        bench.start()
        more = families(SIZE + 2)
        bench.write(more, 1)
        reports = bench.all(1)
        assert not any(sum(report.vanished.values()) for report in reports), "rows count as deleted"
        assert names_at_the_end(bench) == names_that_may_leave(more), "not everybody arrived afterwards"
    return ""


def bounded_memory(case: Case) -> str:
    """Four times the rows need no more than half as much memory again (Python's own, beside 2 MB)."""
    peaks = []
    for rows in (case.rows // 4, case.rows):
        with case.bench(batch=200) as bench:
            bench.write(families(rows), 0)
            with bench.source() as (source, state):
                tracemalloc.start()
                try:
                    source.refresh(evening(0))
                    count = sum(1 for _ in taken(source, state, limit=200))
                    peaks.append(tracemalloc.get_traced_memory()[1])
                finally:
                    tracemalloc.stop()
            assert count == rows + (rows + 1) // 2, f"{count} rows were read"
    small, large = (peak / 1e6 for peak in peaks)
    assert large < 1.5 * small + 2, f"memory grows with the rows: {small:.1f} MB, {large:.1f} MB"
    return f"{case.rows} rows: {large:.1f} MB"


def no_canary(case: Case) -> str:
    """A planted name is in no log, output, error, quarantine, state file or representation."""
    tables = families(SIZE)
    tables["people"][0]["born"] = f"{CANARY} is no day"
    heard, handler = io.StringIO(), logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(handler)
    try:
        with case.bench() as bench, redirect_stdout(heard), redirect_stderr(heard):
            bench.write(tables, 0)
            told = repr(bench.all(0)) + repr(bench.waiting())
            bench.stop()
            with bench.life() as connector:
                told += _said(bench, connector)
            bench.start()
            files = b"".join(_kept(bench.folder))
            assert bench.waiting(), "the unreadable row waits in quarantine"
            with bench.source() as (source, _state):
                told += repr(source)
    finally:
        logging.getLogger().removeHandler(handler)
    said = told + heard.getvalue() + handler.stream.getvalue()
    assert CANARY not in said, "a name is in what was said"
    assert CANARY.encode() not in files, "a name is in the state file"
    return ""


def _kept(folder: Path) -> Iterator[bytes]:
    """What a connector keeps on disk: its state, and what lies beside it under the state's name."""
    for path in (*folder.glob("state.sqlite*"), *folder.glob("state.sqlite*/**/*")):
        if path.is_file():
            yield path.read_bytes()


def _said(bench: Bench, connector: Any) -> str:
    """What a connector says of a system that is away; empty when it says nothing."""
    try:
        connector.check()
        bench.step(connector, evening(0) + timedelta(hours=1))
    except (ServiceUnavailable, HubError) as error:
        return f"{error} {error!r}"
    return " ".join(bench.waiting())
