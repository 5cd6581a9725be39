"""Clocks: the machine's, one that tests set, and one that several processes of a story share through a file."""

from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from hub.errors import ConfigurationError


class SystemClock:
    """The machine's time in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is set; safe to share between threads."""

    def __init__(self, now: datetime) -> None:
        self._lock = Lock()
        self.set(now)

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def set(self, now: datetime) -> None:
        """Raises ConfigurationError for a time without an offset."""
        with self._lock:
            self._now = _aware(now, "the manual clock")


class FileClock:
    """Reads an RFC 3339 time from a file at every call, so that several processes play one story in its own time."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def now(self) -> datetime:
        """Raises ConfigurationError when the file is missing or holds no time with an offset."""
        try:
            return _aware(datetime.fromisoformat(self._path.read_text().strip()), "the clock file")
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                "no time can be read",
                place="the clock file",
                remedy="write one such as 2026-11-22T08:00:00+01:00",
            ) from error


def _aware(moment: datetime, place: str) -> datetime:
    if moment.utcoffset() is None:
        raise ConfigurationError("the time has no offset", place=place, remedy="add one, such as +01:00")
    return moment
