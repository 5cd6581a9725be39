"""What the kit asks of a connector's author: a small system of that kind that can be filled or read, and broken."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Rows = Sequence[Mapping[str, str]]
Tables = Mapping[str, Rows]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "people": ("number", "family", "name", "born", "since", "remark"),
    "consents": ("number", "person", "family", "granted"),
}
"""The two streams that the kit has read. All values are texts: days as 1990-02-28, times as 2026-11-16 20:00:00."""


class Trial(Protocol):
    """One system in `folder`. The kit makes many, so making one is cheap; servers are closed in `stop`."""

    settings: Mapping[str, Any]
    """The [settings] of a connector that reads it. Paths in it are relative to `folder`."""

    streams: Mapping[str, Mapping[str, Any]]
    """For each stream what the kind wants in [streams.<name>] beside key and events (a file, a table, `gone`)."""

    def __init__(self, folder: Path) -> None: ...

    def write(self, tables: Tables, at: datetime, stamped: datetime) -> None:
        """From now on (`at`) the system holds exactly these rows.

        Those that are new or other carry `stamped` as the time of their change, where the system has such a time.
        Raises ValueError when it cannot hold a value.
        """
        ...

    def stop(self) -> None:
        """The system does not answer, or is not there. Each trial ends with this."""
        ...

    def start(self) -> None:
        """It is back, as it was."""
        ...

    def content(self) -> bytes:
        """Everything in it, to see whether reading changed it."""
        ...


class Shown(NamedTuple):
    """One field of a view as the agency's people find it: `case` by their own number, `worker` "" for everybody."""

    case: str
    worker: str
    field: str
    value: str


class SinkTrial(Protocol):
    """One target in `folder`, as a `Trial` is one system."""

    settings: Mapping[str, Any]
    """The [settings] of a sink that writes to it. Paths in it are relative to `folder`."""

    def __init__(self, folder: Path) -> None: ...

    def shown(self, at: datetime) -> Sequence[Shown]:
        """Everything that the agency's people find there at this moment, through whatever they look."""
        ...

    def stop(self) -> None:
        """The target does not answer, or is not there. Each trial ends with this."""
        ...

    def start(self) -> None:
        """It is back, as it was."""
        ...


def written(name: str, rows: Rows) -> bytes:
    """A stream as CSV; raises ValueError for what cp1252 cannot say."""
    text = io.StringIO(newline="")
    sheet = csv.DictWriter(text, COLUMNS[name], delimiter=";")
    sheet.writeheader()
    sheet.writerows(rows)
    return text.getvalue().encode("cp1252")
