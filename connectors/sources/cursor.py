"""Where reading goes on: the newest version read, less the time that a transaction may take to commit. Pure."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connectors.contract import Hour
from connectors.pipeline.config.values import Style
from connectors.pipeline.mapping.clock_changes import hour
from hub.domain.clock import micros
from hub.errors import DataError

Version = str | int | Decimal | date | datetime
HOUR = timedelta(hours=1)
_DIRECTIVES = ("Y", "m", "d", "H", "M", "S", "f")


@dataclass(frozen=True, slots=True)
class Ordering:
    """How the database writes versions: times (with or without zone, as dates or as text) or rising numbers."""

    style: Style
    overlap_seconds: float
    overlap_numbers: int

    def order(self, version: Version) -> int:
        """Microseconds since 1970 UTC, or the number itself; a time before 1970 ("never changed") counts as 1970.

        Raises DataError.
        """
        if isinstance(version, int | Decimal):
            return _whole(version)
        return max(0, micros(self._aware(self._time(version))))

    def second(self, version: Version) -> int:
        """The same, if a local time that comes twice in October is meant the second time."""
        if isinstance(version, int | Decimal):
            return _whole(version)
        return max(0, micros(self._aware(self._time(version).replace(fold=1))))

    def hour(self, version: object) -> Hour:
        """Whether a version is a local time that never comes, or that comes twice."""
        if not isinstance(version, str | datetime):
            return ""
        try:
            return hour(self._time(version), self.style.zone)
        except (DataError, OverflowError):
            return ""

    def start(self, version: Version) -> Version:
        """Where to begin again so that a late commit is not missed."""
        if isinstance(version, int | Decimal):
            return _whole(version) - self.overlap_numbers
        newest = self._time(version)
        try:
            earlier = newest - timedelta(seconds=self.overlap_seconds)
            earlier -= self._turned_back(earlier, newest)
        except OverflowError:
            earlier = newest
        return self._like(earlier, version)

    def capped(self, version: Version, now: datetime) -> Version:
        """No later than now: a clock that runs ahead would hide what comes after it."""
        if isinstance(version, int | Decimal) or self._aware(self._time(version)) <= now:
            return version
        local = (
            now
            if self._time(version).tzinfo
            else now.astimezone(ZoneInfo(self.style.zone)).replace(tzinfo=None)
        )
        return self._like(local, version)

    def kind(self, version: object) -> str:
        """What sort of version this is; empty when it can be none. Text must sort as the times it stands for."""
        if isinstance(version, bool) or not isinstance(version, Version):
            return ""
        if isinstance(version, int | Decimal):
            return "number"
        if isinstance(version, str):
            return "text" if version[4:5] == "-" or sortable(self.style.timestamp) else ""
        if not isinstance(version, datetime):
            return "date"
        return "time with zone" if version.tzinfo else "time"

    def _turned_back(self, earlier: datetime, newest: datetime) -> timedelta:
        """How far local clocks may have gone back since: they write the same hour twice in October."""
        if earlier.tzinfo:
            return timedelta(0)
        zone = ZoneInfo(self.style.zone)
        before = earlier.replace(tzinfo=zone, fold=0).utcoffset()
        now = (newest + HOUR).replace(tzinfo=zone, fold=1).utcoffset()
        return max(timedelta(0), before - now) if before is not None and now is not None else timedelta(0)

    def _time(self, version: str | date | datetime) -> datetime:
        if isinstance(version, datetime):
            return version
        if isinstance(version, date):
            return datetime.combine(version, time())
        for read in (datetime.fromisoformat, self._parsed):
            try:
                return read(str(version))
            except ValueError:
                continue
        raise _unreadable("correct defaults.timestamp or the row")

    def _parsed(self, text: str) -> datetime:
        return datetime.strptime(text, self.style.timestamp)  # noqa: DTZ007  the zone is the configuration's

    def _aware(self, found: datetime) -> datetime:
        if found.tzinfo:
            return found
        try:
            return found.replace(tzinfo=ZoneInfo(self.style.zone)).astimezone(UTC)
        except OverflowError:
            return found.replace(tzinfo=UTC)

    def _like(self, found: datetime, like: Version) -> Version:
        if isinstance(like, datetime):
            return found
        return found.date() if isinstance(like, date) else self._written(found, str(like))

    def _written(self, found: datetime, text: str) -> str:
        if text[4:5] != "-":
            return found.strftime(self.style.timestamp)
        if len(text) == len("2026-11-16"):
            return found.date().isoformat()
        return found.isoformat(
            sep="T" if "T" in text else " ", timespec="microseconds" if "." in text else "seconds"
        )


def sortable(form: str) -> bool:
    """Whether texts of this form sort as the times they stand for: from the year down, each part in full width."""
    found = tuple(re.findall(r"%(.)", form))
    return bool(found) and found == _DIRECTIVES[: len(found)]


def saved(version: Version) -> str:
    """The cursor as text."""
    if isinstance(version, datetime):
        return json.dumps(["t", version.isoformat()])
    if isinstance(version, date):
        return json.dumps(["d", version.isoformat()])
    return json.dumps(["s", version] if isinstance(version, str) else ["n", _whole(version)])


def loaded(text: str) -> Version:
    """The cursor that `saved` wrote."""
    kind, value = json.loads(text)
    read: dict[str, Any] = {"t": datetime.fromisoformat, "d": date.fromisoformat, "n": int, "s": str}
    version: Version = read[kind](value)
    return version


def _whole(number: int | Decimal) -> int:
    if number != int(number):
        raise _unreadable("a version that is a number must be whole")
    return int(number)


def _unreadable(remedy: str) -> DataError:
    return DataError("is no time", reason="unreadable_version", remedy=remedy)
