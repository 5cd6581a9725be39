"""Families that the desk has just read."""

from datetime import datetime, timedelta
from threading import Lock

from cachetools import FIFOCache

from hub.desk.desk import Desk, Family

FRESH = timedelta(seconds=60)
KEPT = 50


class Families:
    """Families that were just read, for a minute, in memory only: every tick would read the agency's system again."""

    def __init__(self) -> None:
        self._kept: FIFOCache[tuple[str, str], tuple[datetime, Family]] = FIFOCache(KEPT)
        self._lock = Lock()

    def get(self, desk: Desk, case: str, now: datetime) -> Family | None:
        key = desk.config.agency, case
        with self._lock:
            kept = self._kept.get(key)
        if kept and kept[0] <= now < kept[0] + FRESH:
            return kept[1]
        found = desk.family(case, now)
        with self._lock:
            self._kept.pop(key, None)
            if found:
                self._kept[key] = now, found
        return found

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()
