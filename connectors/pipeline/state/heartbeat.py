"""What a running connector says of itself, and whether it was asked to pause: a small file beside its state.

Sources and sinks have it alike, whatever their state is kept in. It holds times, counts and places, never a value.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from connectors.pipeline.state.sqlite_files import open_file
from hub.errors import AccessRefused, HubError

SCHEMA = "CREATE TABLE IF NOT EXISTS pulse (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
RUNNING, WAITING, AUTH, PAUSED, STOPPED = "running", "waiting", "auth", "paused", "stopped"


class Pause(NamedTuple):
    """Since when, and why in somebody's words."""

    since: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatus:
    """One step's end. `state`: running, waiting (a service is away), auth (it refuses us), paused, stopped.

    `last_success`: when a step last ended well. `totals`: what all steps since the start did, name → count.
    """

    at: datetime
    state: str
    last_success: datetime | None = None
    register_as_of: datetime | None = None
    closed: str = ""
    more: bool = False
    place: str = ""
    cause: str = ""
    remedy: str = ""
    totals: dict[str, int] = field(default_factory=dict)


class Pulse:
    """Written by the process that runs, and read (and asked to pause) beside it."""

    def __init__(self, state: Path) -> None:
        """Raises ServiceUnavailable when it cannot be opened."""
        self._db = open_file(pulse_of(state), SCHEMA)

    def beat(self, beat: StepStatus) -> None:
        times = {name: value and value.isoformat() for name, value in asdict(beat).items() if name in _TIMES}
        self._put("beat", asdict(beat) | times)

    def last(self) -> StepStatus | None:
        """The newest word; None when it never ran."""
        found = self._get("beat")
        if found is None:
            return None
        times = {name: datetime.fromisoformat(found[name]) for name in _TIMES if found[name]}
        return StepStatus(**(found | times))

    def pause(self, since: datetime, why: str) -> None:
        self._put("pause", [since.isoformat(), why])

    def resume(self) -> bool:
        """Whether it was paused."""
        with self._db:
            return self._db.execute("DELETE FROM pulse WHERE name = 'pause'").rowcount > 0

    def paused(self) -> Pause | None:
        found = self._get("pause")
        return Pause(datetime.fromisoformat(found[0]), found[1]) if found else None

    def close(self) -> None:
        self._db.close()

    def _put(self, name: str, value: Any) -> None:
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO pulse VALUES (?, ?)", (name, json.dumps(value)))

    def _get(self, name: str) -> Any:
        row = self._db.execute("SELECT value FROM pulse WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None


def pulse_of(state: Path) -> Path:
    """The file, there or not."""
    return state.with_name(f"{state.name}.pulse")


_TIMES = ("at", "last_success", "register_as_of")


def troubled(error: HubError) -> dict[str, str]:
    """What an error says of a beat: its state, place, cause and remedy."""
    state = AUTH if isinstance(error, AccessRefused) else WAITING
    return {"state": state, "place": error.place, "cause": error.message, "remedy": error.remedy}
