"""What an agency's machine needs: comparing a full snapshot with the last one, reading a large table, in seconds and in
memory.

Each figure comes from a process of its own, so that its peak of memory is its own.
"""

import hashlib
import json
import multiprocessing
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.contract import Source
from connectors.pipeline.config.connector import load_config
from connectors.pipeline.state.state import State
from connectors.sources.files.source import FilesSource
from connectors.sources.snapshot import build
from connectors.sources.sql import build as build_sql
from hub.domain.identifiers import AgencyKey

ROWS, CHANGED_EVERY = 100_000, 100
TABLE_ROWS = 1_000_000
SMALL = 10  # the same table with a tenth of the rows: memory that grew with them would show
_KEY = AgencyKey(b"b" * 32)
_CONFIG = """
[agency]
id = "ja-bench"
kind = "youth_welfare"
[connector]
kind = "snapshot_csv"
state = "state.sqlite"
pseudonyms = "pseudonyms.sqlite"
[settings]
folder = "export"
encoding = "cp1252"
delimiter = ";"
[streams.helps]
file = "helps.csv"
key = "nr"
"""
_SQL_CONFIG = """
[agency]
id = "ja-bench"
kind = "youth_welfare"
[connector]
kind = "sql"
state = "state.sqlite"
pseudonyms = "pseudonyms.sqlite"
[settings]
url = "sqlite:///source.sqlite"
[streams.helps]
table = "helps"
key = "nr"
version = "stand"
"""
_EVENTS = """[[streams.helps.events]]
type = "HelpStarted"
subject = "person"
case = "akte"
occurred_at = "beginn"
[streams.helps.events.fields]
paragraph = "art"
provider = "traeger"
start = "beginn"
end = "ende"
"""


def bench_connectors(rows: int = ROWS, table_rows: int = TABLE_ROWS) -> dict[str, Any]:
    """The figures of one run on this machine."""
    return {
        "snapshot_diff": _alone(_snapshot_diff, rows),
        "sql_table_tenth": _alone(_sql_table, table_rows // SMALL),
        "sql_table": _alone(_sql_table, table_rows),
    }


def _alone(measure: Callable[[int], dict[str, Any]], rows: int) -> dict[str, Any]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (rows,))


def _snapshot_diff(rows: int) -> dict[str, Any]:
    """Examine a snapshot of which one row in a hundred changed since the last one, to its last byte."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder, _source(Path(folder)) as (source, state):
        first = datetime(2026, 11, 1, tzinfo=UTC)
        _export(Path(folder), first, rows, mark="a")
        _take(source, state, first)
        second = first + timedelta(days=1)
        _export(Path(folder), second, rows, mark="b")
        before, started, worked = _peak_mb(), time.perf_counter(), time.process_time()
        incidents = source.refresh(second)
        seconds, worked = time.perf_counter() - started, time.process_time() - worked
        changed = sum(len(batch.rows) for batch in source.read(["helps"], 1000))
    return {
        "rows": rows,
        "changed": changed,
        "refused": len(incidents),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(worked, 2),
        "rows_per_s": round(rows / seconds),
        "peak_rss_mb": _peak_mb(),
        "of_which_before_mb": before,
    }


def _sql_table(rows: int) -> dict[str, Any]:
    """Read a table from nothing, page by page, and compare all its keys; mapping and sealing are not in it."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
        _fill(Path(folder) / "source.sqlite", rows)
        (Path(folder) / "source.toml").write_text(_SQL_CONFIG + _EVENTS, encoding="utf-8")
        config = load_config(Path(folder) / "source.toml")
        state = State(config.state, lambda key: _KEY.row_hash(key.encode()))
        source = build_sql(config, state, _KEY)
        before, started, worked = _peak_mb(), time.perf_counter(), time.process_time()
        taken = _take(source, state, datetime(2026, 11, 20, tzinfo=UTC))
        seconds, worked = time.perf_counter() - started, time.process_time() - worked
        source.close()
        state.close()
    return {
        "rows": taken,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(worked, 2),
        "rows_per_s": round(taken / seconds),
        "peak_rss_mb": _peak_mb(),
        "of_which_before_mb": before,
    }


def _fill(file: Path, rows: int) -> None:
    columns = "nr TEXT PRIMARY KEY, akte TEXT, person TEXT, art TEXT, traeger TEXT, beginn TEXT, ende TEXT, stand TEXT"
    database = sqlite3.connect(file)
    database.execute(f"CREATE TABLE helps ({columns})")
    database.execute("CREATE INDEX helps_stand ON helps (stand, nr)")
    entries = (
        (
            f"{n:010}",
            f"{n % 40_000:07}",
            f"{n % 60_000:08}",
            "31",
            f"Träger {n % 97}",
            "2026-02-01",
            "9999-12-31",
            f"2026-11-{1 + n * 15 // rows:02} {n % 24:02}:00:00",
        )
        for n in range(rows)
    )
    with database:
        database.executemany("INSERT INTO helps VALUES (?, ?, ?, ?, ?, ?, ?, ?)", entries)
    database.close()


@contextmanager
def _source(folder: Path) -> Iterator[tuple[FilesSource, State]]:
    (folder / "source.toml").write_text(_CONFIG + _EVENTS, encoding="utf-8")
    config = load_config(folder / "source.toml")
    state = State(config.state, lambda key: _KEY.row_hash(key.encode()))
    source = build(config, state, _KEY)
    try:
        yield source, state
    finally:
        source.close()
        state.close()


def _take(source: Source, state: State, at: datetime) -> int:
    taken = 0
    source.refresh(at)
    for batch in source.read(["helps"], 1000):
        taken += len(batch.rows)
        with state.transaction():
            state.advance(batch.stream, batch.rows, batch.cursor, set())
    source.finished()
    return taken


def _export(folder: Path, day: datetime, rows: int, mark: str) -> None:
    """One day's snapshot with its manifest, as a youth welfare system writes it."""
    place = folder / "export" / f"{day:%Y-%m-%d}"
    place.mkdir(parents=True)
    with (place / "helps.csv").open("w", encoding="cp1252", newline="") as file:
        file.write("nr;akte;person;art;traeger;beginn;ende;notiz\r\n")
        for number in range(rows):
            provider = f"Träger {mark if number % CHANGED_EVERY == 0 else 'x'} {number % 97}"
            file.write(
                f"{number:010};{number % 40_000:07};{number % 60_000:08};31;{provider};01.02.2026;31.12.9999;…\r\n"
            )
    with (place / "helps.csv").open("rb") as written:
        told = {
            "file": "helps.csv",
            "rows": rows,
            "sha256": hashlib.file_digest(written, "sha256").hexdigest(),
        }
    (place / "manifest.json").write_text(
        json.dumps({"as_of": f"{day:%Y-%m-%d}", "files": [told]}), encoding="utf-8"
    )


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 if sys.platform == "linux" else 1024 * 1024), 1)
