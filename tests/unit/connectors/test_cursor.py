"""Where SQL reading goes on: an overlap for late commits, never beyond now, in whatever type the database has."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from connectors.pipeline.config.values import Style
from connectors.sources.cursor import Ordering, Version, loaded, saved, sortable
from hub.domain.clock import micros
from hub.errors import DataError

ORDER = Ordering(Style(), overlap_seconds=3600.0, overlap_numbers=10)
NAIVE = datetime(2026, 11, 16, 10, 30)  # noqa: DTZ001  as a database without zones answers
OLDEST = datetime(1, 1, 1)  # noqa: DTZ001
NOW = datetime(2026, 11, 16, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "version",
    [NAIVE, NOW, "2026-11-16 10:30:00.000000", "2026-11-16 10:30:00", "2026-11-16T10:30:00", 4711],
)
def test_the_start_is_earlier_by_the_overlap_and_survives_saving(version: Version) -> None:
    start = ORDER.start(version)
    assert type(start) is type(version)
    step = 10 if isinstance(version, int) else 3_600_000_000
    assert ORDER.order(version) - ORDER.order(start) == step
    assert loaded(saved(version)) == version
    assert isinstance(start, int) or len(str(start)) == len(str(version))


@pytest.mark.parametrize("version", [NAIVE, "2026-11-16 10:30:00.000000"])
def test_local_times_are_berlin_times(version: Version) -> None:
    assert ORDER.order(version) == micros(NOW)


@pytest.mark.parametrize(
    "version", ["2031-01-01 00:00:00.000000", NAIVE + timedelta(days=900), NOW + timedelta(1)]
)
def test_a_version_of_tomorrow_counts_as_now(version: Version) -> None:
    capped = ORDER.capped(version, NOW)
    assert type(capped) is type(version)
    assert ORDER.order(capped) == micros(NOW)


@pytest.mark.parametrize("overlap", [0.0, 60.0, 3600.0])
def test_the_hour_that_comes_twice_is_read_twice(overlap: float) -> None:
    """Clocks go from 03:00 back to 02:00 on 25 October 2026: what is written then must not lie below the cursor."""
    order = Ordering(Style(), overlap_seconds=overlap, overlap_numbers=0)
    first = datetime(2026, 10, 25, 2, 59)  # noqa: DTZ001  as a database without zones answers
    start = order.start(first)
    assert isinstance(start, datetime)
    assert start <= first.replace(minute=0)
    spring = datetime(2026, 3, 29, 3, 30)  # noqa: DTZ001
    assert order.start(spring) == spring - timedelta(seconds=overlap)
    assert order.second(first) - order.order(first) == 3_600_000_000


@pytest.mark.parametrize("version", [date(1900, 1, 1), OLDEST, "1753-01-01 00:00:00", "0001-01-01"])
def test_never_changed_counts_as_the_first_version(version: Version) -> None:
    assert ORDER.order(version) == 0
    assert loaded(saved(version)) == version
    assert ORDER.order(ORDER.start(version)) == 0


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        (4711, "number"),
        (Decimal(4711), "number"),
        (NAIVE, "time"),
        (NOW, "time with zone"),
        (date(2026, 11, 16), "date"),
        ("2026-11-16", "text"),
        ("16.11.2026", ""),
        (1.5, ""),
        (b"\x00\x01", ""),
        (True, ""),
    ],
)
def test_what_can_be_a_version(version: object, kind: str) -> None:
    german = Ordering(Style(timestamp="%d.%m.%Y"), overlap_seconds=60, overlap_numbers=0)
    assert german.kind(version) == kind


def test_dates_and_whole_decimals_begin_earlier_too() -> None:
    assert ORDER.start(date(2026, 11, 16)) == date(2026, 11, 15)
    assert ORDER.start(Decimal(4711)) == 4701
    assert loaded(saved(Decimal(4711))) == 4711
    with pytest.raises(DataError):
        ORDER.order(Decimal("1.5"))


@pytest.mark.parametrize(
    ("form", "sorts"), [("%Y%m%d%H%M%S", True), ("%Y-%m-%d", True), ("%d.%m.%Y", False), ("%Y%d", False)]
)
def test_only_texts_that_sort_as_times_are_versions(form: str, sorts: bool) -> None:
    assert sortable(form) is sorts


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (datetime(2026, 3, 29, 2, 30), "never"),  # noqa: DTZ001
        ("2026-10-25 02:30:00", "twice"),
        (datetime(2026, 10, 25, 2, 30, tzinfo=UTC), ""),
        ("2026-10-25T02:30:00Z", ""),
        (NAIVE, ""),
        (date(2026, 3, 29), ""),
        (4711, ""),
        (None, ""),
        ("gestern", ""),
    ],
)
def test_a_version_tells_whether_its_hour_is_one(version: object, told: str) -> None:
    assert ORDER.hour(version) == told
