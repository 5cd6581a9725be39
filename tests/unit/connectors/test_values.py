"""One value of an export, read as configured: exactly, or not at all."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.pipeline.config.values import Style, value_of
from connectors.pipeline.mapping.cells import comes_twice, read
from hub.domain.clock import BERLIN
from hub.errors import ConfigurationError, DataError

GERMAN = Style(
    date="%d.%m.%Y",
    timestamp="%d.%m.%Y %H:%M",
    decimal=",",
    thousands=".",
    true=("ja",),
    false=("nein",),
    open_end=("31.12.9999",),
)
MOMENT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
INSTANT = "%Y-%m-%dT%H:%M:%S.%f%z"
CODES = {"sex": {"w": "f", "m": "m"}}


def take(raw: Any, row: dict[str, object], kind: str) -> Any:
    return read(value_of(raw, "test", GERMAN, CODES), row, kind)


@pytest.mark.parametrize(
    ("raw", "cell", "kind", "expected"),
    [
        ("c", "0012345", "string", "0012345"),
        ("c", "  ", "string", None),
        ("c", "31.12.9999", "date", None),
        ("c", date(9999, 12, 31), "date", None),
        ("c", "07.06.2015", "date", date(2015, 6, 7)),
        ("c", "01.01.1900", "date", date(1900, 1, 1)),
        ("c", datetime(2015, 6, 7, 12, tzinfo=UTC), "date", date(2015, 6, 7)),
        ("c", "1.234,56", "decimal", Decimal("1234.56")),
        ("c", Decimal("7.10"), "decimal", Decimal("7.10")),
        ("c", "ja", "boolean", True),
        ("c", "nein", "boolean", False),
        ("c", "7", "int", 7),
        ("c", "a,b, c", "strings", ["a", "b", "c"]),
        ("c", "16.11.2026 10:30", "timestamp-micros", datetime(2026, 11, 16, 9, 30, tzinfo=UTC)),
        ("c", "16.07.2026 10:30", "timestamp-micros", datetime(2026, 7, 16, 8, 30, tzinfo=UTC)),
        ({"column": "c", "codes": "sex"}, "w", "string", "f"),
        ({"column": "c", "suffix": " h/Woche"}, "2,50", "string", "2,50 h/Woche"),
        ({"column": "c", "date": "%Y%m", "out": "%Y-%m"}, "202611", "string", "2026-11"),
        ({"constant": True}, "", "boolean", True),
        ({"column": "c", "default": "u"}, " ", "string", "u"),
        ({"column": "c", "codes": "sex", "otherwise": "u"}, "?", "string", "u"),
        ({"column": "c", "factor": 0.01, "thousands": ""}, "12345", "decimal", Decimal("123.45")),
        ({"column": "c", "pattern": "§ *([0-9]+)"}, "Hilfe nach § 31 SGB VIII", "string", "31"),
        ({"column": "c", "pattern": "^([0-9.]{10})"}, "07.06.2015 Uhrzeit", "date", date(2015, 6, 7)),
        ({"column": "c", "empty": ["NULL", "00.00.0000"]}, "00.00.0000", "date", None),
        ("c", "1.234,56-", "decimal", Decimal("-1234.56")),
        ("c", "7,00 +", "decimal", Decimal("7.00")),
        ({"column": "c", "factor": 0.01}, "1250-", "decimal", Decimal("-12.50")),
        ({"column": "c", "date": "%Y%j"}, "1991032", "date", date(1991, 2, 1)),
        ({"column": "c", "date": "%d-%b-%Y"}, "01-APR-2026", "date", date(2026, 4, 1)),
        ({"column": "c", "date": "epoch_days"}, "20000", "date", date(2024, 10, 4)),
        ({"column": "c", "date": "epoch_days"}, -1, "date", date(1969, 12, 31)),
        ({"column": "c", "timestamp": "epoch_seconds"}, "1700000000", "timestamp-micros", MOMENT),
        ({"column": "c", "timestamp": "epoch_milliseconds"}, 1700000000000, "timestamp-micros", MOMENT),
        ({"column": "c", "date": "epoch_seconds"}, "1433628000", "date", date(2015, 6, 7)),
        ({"column": "c", "date": "%Y-%m-%d%z"}, "2015-06-07+02:00", "date", date(2015, 6, 7)),
        ("c", datetime(2015, 6, 6, 22, tzinfo=UTC), "date", date(2015, 6, 7)),
        ({"column": "c", "date": "%Y%m%d"}, Decimal("20150607.00"), "date", date(2015, 6, 7)),
        ({"column": "c", "date": "%Y%m%d"}, 20150607.0, "date", date(2015, 6, 7)),
        ({"column": "c", "date": "%Y%m", "out": "%Y-%m"}, Decimal(202611), "string", "2026-11"),
        ({"column": "c", "timestamp": INSTANT}, "2023-11-14T22:13:20Z", "timestamp-micros", MOMENT),
        ({"column": "c", "timestamp": INSTANT}, "2023-11-14T22:13:20.000Z", "timestamp-micros", MOMENT),
        ({"column": "c", "join": " "}, ["Ayşe", "Lale"], "string", "Ayşe Lale"),
        ("c", ["Demir, A.", "Öz"], "strings", ["Demir, A.", "Öz"]),
        ({"column": "c", "out": "%Y-%m"}, datetime(2026, 10, 31, 23, tzinfo=UTC), "string", "2026-11"),
    ],
)
def test_it_is_read(raw: Any, cell: object, kind: str, expected: object) -> None:
    assert take(raw, {"c": cell}, kind) == expected


@pytest.mark.parametrize(
    ("raw", "cell", "kind", "reason"),
    [
        ("c", "2015-06-07", "date", "unreadable_value"),
        ("c", "30.02.2026", "date", "unreadable_value"),
        ("c", "12.50", "decimal", "unreadable_value"),
        ("c", "zwölf", "decimal", "unreadable_value"),
        ("c", "-5-", "decimal", "unreadable_value"),
        ("c", "-", "decimal", "unreadable_value"),
        ({"column": "c", "date": "epoch_days"}, "99999999999", "date", "unreadable_value"),
        ({"column": "c", "date": "%d-%b-%Y"}, "01-DEZ-2026", "date", "unreadable_value"),
        ("c", "vielleicht", "boolean", "unreadable_value"),
        ("c", "7,5", "int", "unreadable_value"),
        ({"column": "c", "codes": "sex"}, "W", "string", "unknown_code"),
        ("fehlt", "x", "string", "column_missing"),
        ({"column": "c", "date": "%Y%m%d"}, Decimal("20150607.5"), "date", "unreadable_value"),
        ({"column": "c", "date": "%Y%m%d"}, Decimal("1e999999"), "date", "unreadable_value"),
        ({"column": "c", "date": "%Y%m%d"}, Decimal("1e9999999"), "date", "unreadable_value"),
        ({"column": "c", "date": "%Y%m%d"}, float("nan"), "date", "unreadable_value"),
        ("c", Decimal("1e9999999"), "long", "unreadable_value"),
        ("c", "[1e99999999999999999999]", "strings", "unreadable_value"),
        ("c", Decimal("1e999999999999"), "string", "unreadable_value"),
        ("c", Decimal("1e-999999999999"), "decimal", "unreadable_value"),
        ("c", Decimal(2**63), "long", "unreadable_value"),
        (
            {"column": "c", "timestamp": INSTANT},
            "2023-11-14T22:13:20.Z",
            "timestamp-micros",
            "unreadable_value",
        ),
        ("c", ["P1", "P2"], "string", "unreadable_value"),
        ({"column": "c", "join": "-", "person": True}, ["P1", "P2"], "string", "unreadable_value"),
    ],
)
def test_it_is_never_guessed(raw: Any, cell: object, kind: str, reason: str) -> None:
    with pytest.raises(DataError) as error:
        take(raw, {"c": cell}, kind)
    assert error.value.reason == reason
    assert str(cell) not in str(error.value)


def test_several_columns_make_one_text_or_a_list() -> None:
    row: dict[str, object] = {"a": "Demir", "b": "", "c": "Ayşe"}
    assert take({"columns": ["a", "b", "c"], "join": ", "}, row, "string") == "Demir, Ayşe"
    assert take({"columns": ["a", "b", "c"]}, row, "strings") == ["Demir", "Ayşe"]


@pytest.mark.parametrize("raw", ["P1,,P3", ",P1", "P1, ,P3", ["P1", ""], ["P1", " ", "P3"], '["P1", ""]'])
def test_an_empty_member_among_persons_may_be_somebody(raw: object) -> None:
    """Who holds custody has to sign: one who is not named must not be left out."""
    persons = {"column": "a", "person": True}
    with pytest.raises(DataError, match="without a number"):
        take(persons, {"a": raw}, "strings")
    assert take({"column": "a"}, {"a": raw}, "strings") in (["P1"], ["P1", "P3"])


@pytest.mark.parametrize("raw", ["P1,P3,", "P1, P3 ,", ["P1", "P3"]])
def test_a_separator_at_the_end_of_a_list_separates_nothing(raw: object) -> None:
    assert take({"column": "a", "person": True}, {"a": raw}, "strings") == ["P1", "P3"]


@pytest.mark.parametrize("raw", [["A", ""], ["", "A"], ["A"]])
def test_an_element_that_stands_there_empty_too_is_one_text(raw: object) -> None:
    assert take({"column": "a"}, {"a": raw}, "string") == "A"
    with pytest.raises(DataError):
        take({"column": "a"}, {"a": ["A", "B"]}, "string")


def test_a_joined_number_is_one_number_in_a_list_too() -> None:
    row: dict[str, object] = {"region": "044", "nr": "12"}
    raw = {"columns": ["region", "nr"], "join": "-"}
    assert take(raw, row, "strings") == ["044-12"]


@pytest.mark.parametrize("kind", ["string", "strings"])
def test_half_a_persons_number_is_nobodys(kind: str) -> None:
    raw = {"columns": ["region", "nr"], "join": "-", "person": True}
    assert take(raw, {"region": "044", "nr": " "}, kind) is None
    assert take({**raw, "person": False}, {"region": "044", "nr": " "}, "string") == "044"


def test_flags_make_a_list() -> None:
    row: dict[str, object] = {"a": "ja", "b": "nein"}
    assert take({"flags": {"purpose": "a", "refusal": "b"}}, row, "strings") == ["purpose"]


@pytest.mark.parametrize(
    "raw", [{}, {"column": "a", "constant": 1}, {"column": "a", "codes": "x"}, {"column": "a", "oops": 1}]
)
def test_a_wrong_description_is_refused(raw: Any) -> None:
    with pytest.raises(ConfigurationError):
        value_of(raw, "test", GERMAN, CODES)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"column": "c", "date": "%d.%m.%y"}, "two digits"),
        ({"column": "c", "pattern": "31"}, "one group"),
        ({"column": "c", "pattern": "("}, "regular expression"),
        ({"column": "c", "factor": "x"}, "number"),
    ],
)
def test_a_doubtful_way_of_reading_is_refused(raw: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        value_of(raw, "test", GERMAN, CODES)


def test_what_does_not_match_the_pattern_is_held() -> None:
    with pytest.raises(DataError) as caught:
        take({"column": "c", "pattern": "§ *([0-9]+)"}, {"c": "Beratung"}, "string")
    assert caught.value.reason == "unreadable_value"


SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


@pytest.mark.parametrize("kind", ["timestamp-micros", "date"])
@pytest.mark.parametrize("told", ["29.03.2026 02:00", "29.03.2026 02:59", datetime(2026, 3, 29, 2, 30)])  # noqa: DTZ001
def test_an_hour_that_never_comes_holds_its_row(told: object, kind: str) -> None:
    with pytest.raises(DataError) as error:
        take("c", {"c": told}, kind)
    assert (error.value.reason, error.value.place) == ("no_such_hour", "c")
    assert "Europe/Berlin" in error.value.remedy
    assert take({"column": "c", "zone": "UTC"}, {"c": told}, kind)


def test_every_minute_of_both_nights_is_read_as_it_is_or_told() -> None:
    """Against the truth: local times made of every minute of UTC."""
    for day in (SPRING, AUTUMN):
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=3)
        moments = [begin + timedelta(minutes=n) for n in range(8 * 60)]
        meant: dict[str, list[datetime]] = {}
        for moment in moments:
            meant.setdefault(f"{moment.astimezone(BERLIN):%d.%m.%Y %H:%M}", []).append(moment)
        value = value_of("c", "test", GERMAN, CODES)
        for minute in range(24 * 60):
            text = f"{day:%d.%m.%Y} {minute // 60:02d}:{minute % 60:02d}"
            if text in meant:
                assert read(value, {"c": text}, "timestamp-micros") == meant[text][0]
                assert comes_twice(value, {"c": text}) is (len(meant[text]) == 2)
            elif minute // 60 == 2:
                with pytest.raises(DataError):
                    read(value, {"c": text}, "timestamp-micros")


def test_a_day_is_its_first_moment_where_clocks_change_at_midnight() -> None:
    sao_paulo = {"column": "c", "zone": "America/Sao_Paulo"}
    assert take(sao_paulo, {"c": "04.11.2018"}, "timestamp-micros") == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert take(sao_paulo, {"c": "04.11.2018"}, "date") == date(2018, 11, 4)


def test_a_zone_that_nobody_knows_is_refused() -> None:
    for zone in ("Europe/Lünen", "../etc", ""):
        with pytest.raises(ConfigurationError) as error:
            value_of({"column": "c", "zone": zone}, "test", GERMAN, CODES)
        assert error.value.place == "test.zone"
