"""Where reading goes on: the newest version read, less the time that a transaction may take to commit. Pure."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.runtime.values import Style
from hub.domain.clock import micros
from hub.errors import DataError

Version = str | int | datetime


@dataclass(frozen=True, slots=True)
class Ordering:
    """How the database writes versions: times (with or without zone, or as text) or rising numbers."""

    style: Style
    overlap_seconds: float
    overlap_numbers: int

    def order(self, version: Version) -> int:
        """Microseconds since 1970 UTC, or the number itself."""
        return version if isinstance(version, int) else micros(self._aware(self._time(version)))

    def start(self, version: Version) -> Version:
        """Where to begin again so that a late commit is not missed."""
        if isinstance(version, int):
            return version - self.overlap_numbers
        earlier = self._time(version) - timedelta(seconds=self.overlap_seconds)
        return earlier if isinstance(version, datetime) else self._written(earlier, version)

    def capped(self, version: Version, now: datetime) -> Version:
        """No later than now: a clock that runs ahead would hide what comes after it."""
        if isinstance(version, int) or self._aware(self._time(version)) <= now:
            return version
        local = (
            now
            if self._time(version).tzinfo
            else now.astimezone(ZoneInfo(self.style.zone)).replace(tzinfo=None)
        )
        return local if isinstance(version, datetime) else self._written(local, version)

    def _time(self, version: Version) -> datetime:
        if isinstance(version, datetime):
            return version
        for read in (datetime.fromisoformat, self._parsed):
            try:
                return read(str(version))
            except ValueError:
                continue
        raise DataError(
            "is no time", reason="unreadable_version", remedy="correct defaults.timestamp or the row"
        )

    def _parsed(self, text: str) -> datetime:
        return datetime.strptime(text, self.style.timestamp)  # noqa: DTZ007  the zone is the configuration's

    def _aware(self, time: datetime) -> datetime:
        return time if time.tzinfo else time.replace(tzinfo=ZoneInfo(self.style.zone)).astimezone(UTC)

    def _written(self, time: datetime, like: Version) -> str:
        text = str(like)
        if text[4:5] != "-":
            return time.strftime(self.style.timestamp)
        return time.isoformat(
            sep="T" if "T" in text else " ", timespec="microseconds" if "." in text else "seconds"
        )


def saved(version: Version) -> str:
    """The cursor as text."""
    kind = "n" if isinstance(version, int) else "t" if isinstance(version, datetime) else "s"
    return json.dumps([kind, version.isoformat() if isinstance(version, datetime) else version])


def loaded(text: str) -> Version:
    """The cursor that `saved` wrote."""
    kind, value = json.loads(text)
    return datetime.fromisoformat(value) if kind == "t" else value
