"""Where SQL reading goes on: an overlap for late commits, never beyond now, in whatever type the database has."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.runtime.values import Style
from connectors.sql.cursor import Ordering, Version, loaded, saved
from hub.domain.clock import micros

ORDER = Ordering(Style(), overlap_seconds=3600.0, overlap_numbers=10)
NAIVE = datetime(2026, 11, 16, 10, 30)  # noqa: DTZ001  as a database without zones answers
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
