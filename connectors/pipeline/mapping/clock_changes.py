"""The two hours a year that a local clock cannot tell: one that never comes in spring, one that comes twice in autumn.
Pure; whatever reads a local time asks here."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

from connectors.contract import Hour
from hub.errors import DataError

NO_SUCH_HOUR = "no_such_hour"


def hour(told: datetime, zone: str) -> Hour:
    """Whether a time without zone never comes on the clock of `zone`, or comes twice; the first of both is what it is
    read as. Midnight stands for the first moment of its day."""
    if told.tzinfo is not None or told.time() == time():
        return ""
    clock = ZoneInfo(zone)
    first, second = (told.replace(tzinfo=clock, fold=fold).utcoffset() for fold in (0, 1))
    if first is None or second is None or first == second:
        return ""
    return "never" if first < second else "twice"


def never(zone: str, column: str) -> DataError:
    """Why a time that never comes holds its row."""
    return DataError(
        f"never comes on the clock of {zone}",
        reason=NO_SUCH_HOUR,
        place=column,
        remedy=f"it never comes on the clock of {zone}, which is put forward then: correct it, or name its zone",
    )
