"""Finds the row that waits in quarantine, for whoever must correct it: the state knows it by a keyed hash alone.

The source is read for it, on the agency's own machine; nothing is sent, moved or kept.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from connectors.contract import Row
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.publish.keyring import Keys, first_of
from connectors.pipeline.run.pipeline import key_hash, source_to_look_at
from connectors.pipeline.state.quarantine import QuarantinedRow
from connectors.pipeline.state.state import State
from connectors.sources.files.source import FilesSource
from connectors.tools.dry_run.offline import offline
from hub.domain.clock import berlin_day, moment


class Located(NamedTuple):
    """`key`: the stream's key columns → what stands there; `file` and `day` of the delivery, where it came by one."""

    key: Mapping[str, str]
    file: str = ""
    day: date | None = None


def locate(config: ConnectorConfig, keys: Keys, entry: QuarantinedRow, now: datetime) -> Located | None:
    """The row of this entry as it stands in what was read last, else in what the source holds now; None where it is no
    longer. Raises what the source raises."""
    wanted = key_hash(first_of(keys))
    found: Row | None = None
    for row in _rows(config, keys, entry.stream, now):
        if row.stream == entry.stream and wanted(row.key) == entry.key:
            found = row
            if row.place == entry.place:
                break
    return _located(config, found) if found else None


def _rows(config: ConnectorConfig, keys: Keys, stream: str, now: datetime) -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "state.sqlite"
        with (
            closing(sqlite3.connect(f"{config.state.as_uri()}?mode=ro", uri=True)) as read,
            closing(sqlite3.connect(copy)) as written,
        ):
            read.backup(written)
        local = first_of(keys)
        with closing(State(copy, key_hash(local))) as state:
            source = source_to_look_at(config, state, local)
            with closing(source):
                if isinstance(source, FilesSource):
                    yield from source.control([stream]).rows
    with offline(config, keys) as house:
        yield from house.rows(now)


def _located(config: ConnectorConfig, row: Row) -> Located:
    columns = config.streams[row.stream].key
    key = {name: str(value) for name in columns if (value := row.values.get(name)) is not None}
    file, _, line = row.place.rpartition(":")
    if not (file and line):
        return Located(key)
    return Located(key, file, berlin_day(moment(row.version)))
