"""Moments: microseconds since 1970 UTC on the wire and in the store, aware datetimes in the policy."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC of an aware datetime."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)


def berlin_day(at: datetime) -> date:
    """The calendar day in Berlin: ages, code lists and validity are judged by it."""
    return at.astimezone(BERLIN).date()


def berlin_midnight(day: date) -> datetime:
    """The first moment of that day in Berlin."""
    return datetime.combine(day, time(), tzinfo=BERLIN)
