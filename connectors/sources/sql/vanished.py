"""Which keys are no longer there: all keys of a table beside those that were read, and what waits for a person."""

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from connectors.contract import Held
from connectors.pipeline.state.state import State
from hub.domain.clock import micros

HELD, ACCEPTED, SCANNED = "held", "accepted", "reconciled"

_KNOWN = """SELECT key FROM seen WHERE stream = :stream UNION
    SELECT key FROM quarantine WHERE stream = :stream AND key <> x'' UNION
    SELECT key FROM remembered WHERE stream = :stream"""
"""What was remembered counts too: a process may have died after it published a row and before it saved that."""


class Vanished:
    """One scan at a time: keys that are there in a temporary table, keys that were read in the state."""

    def __init__(self, state: State) -> None:
        self._state, self._db = state, state.db

    def begin(self) -> None:
        """Forget the last scan."""
        with self._state.transaction():
            self._db.execute("DROP TABLE IF EXISTS temp.there")
            self._db.execute("CREATE TEMP TABLE there (key BLOB NOT NULL)")

    def there(self, keys: Iterable[bytes]) -> None:
        """These are still there."""
        with self._state.transaction():
            self._db.executemany("INSERT INTO there VALUES (?)", [(key,) for key in keys])

    def keys(self, stream: str) -> list[bytes]:
        """Hashes of the keys that were read and are gone."""
        query = f"SELECT key FROM ({_KNOWN}) WHERE key NOT IN (SELECT key FROM temp.there)"  # noqa: S608
        return [row[0] for row in self._db.execute(query, {"stream": stream})]

    def known(self, stream: str) -> int:
        """How many keys were read and are remembered."""
        query = f"SELECT count(*) FROM ({_KNOWN})"  # noqa: S608  our own text
        return int(self._db.execute(query, {"stream": stream}).fetchone()[0])


class Waiting:
    """Streams from which too many keys vanished; their deletions wait until somebody says that it is true."""

    def __init__(self, state: State, limit: float, rows: int) -> None:
        self._state, self._limit, self._rows = state, limit, rows

    def may_go(self, stream: str, gone: int, known: int) -> bool:
        """Whether that many may vanish now; if not, they are held. What was accepted covers as many as were held.

        An emptied table is always asked about: a load that failed looks like that.
        """
        accepted = self._read(ACCEPTED).get(stream, 0)
        beyond, emptied = gone - accepted, gone == known > 1
        if beyond <= 0 or (not emptied and (beyond <= self._rows or beyond <= known * self._limit)):
            return True
        left = {name: count for name, count in self._read(ACCEPTED).items() if name != stream}
        with self._state.transaction():
            self._put(HELD, self._read(HELD) | {stream: [gone, known]})
            self._put(ACCEPTED, left)
        return False

    def settled(self, streams: Collection[str]) -> None:
        """Inside the caller's transaction: nothing of these streams waits any more."""
        for name in (HELD, ACCEPTED):
            left = {stream: found for stream, found in self._read(name).items() if stream not in streams}
            self._put(name, left)

    def streams(self) -> dict[str, float]:
        """Stream → share of its keys that vanished."""
        return {stream: gone / known for stream, (gone, known) in self._read(HELD).items()}

    def accepted(self, stream: str) -> bool:
        return stream in self._read(ACCEPTED)

    def held(self) -> Held | None:
        """The stream that lost most."""
        found = self.streams()
        worst = max(found, key=lambda name: found[name], default=None)
        return None if worst is None else Held(f"database/{worst}", worst, found[worst])

    def accept(self) -> Held | None:
        """Confirm all that is held, and no more than was held."""
        worst = self.held()
        if worst:
            counts = {stream: gone for stream, (gone, _) in self._read(HELD).items()}
            with self._state.transaction():
                self._put(ACCEPTED, self._read(ACCEPTED) | counts)
        return worst

    def _read(self, name: str) -> dict[str, Any]:
        found = self._state.meta(name)
        return dict(json.loads(found)) if found else {}

    def _put(self, name: str, value: object) -> None:
        if value:
            self._state.set_meta(name, json.dumps(value))
        else:
            self._state.drop_meta(name)


class Schedule:
    """When each stream's keys were compared last."""

    def __init__(self, state: State, seconds: float) -> None:
        self._state, self._seconds = state, seconds

    @property
    def on(self) -> bool:
        return self._seconds > 0

    def due(self, stream: str, now: datetime) -> bool:
        last = self._state.meta(f"{SCANNED}:{stream}")
        passed = micros(now) - int(last) if last else -1
        return self.on and (passed < 0 or passed >= self._seconds * 1_000_000)

    def done(self, streams: Iterable[str], now: datetime) -> None:
        """Inside the caller's transaction."""
        for stream in streams:
            self._state.set_meta(f"{SCANNED}:{stream}", str(micros(now)))
