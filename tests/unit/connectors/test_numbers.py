"""One number is one number, however it is written; what lost digits is nobody's."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from connectors.contract import OutOfRange, Single
from connectors.pipeline.mapping.numbers import key_text, number_text
from hub.errors import DataError

UNIQUE = "12345678-1234-5678-1234-567812345678"


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("4711", "4711"),
        (" 004711\t", "004711"),
        ("\u00a04711\u00a0", "4711"),
        ("47\u200b11", "4711"),
        ("\ufeff4711", "4711"),
        ("47\u00ad11", "4711"),
        ('="004711"', "004711"),
        ("'004711", "004711"),
        ("A\u00a01", "A 1"),
        ("12\u201134", "12-34"),
        ("Mu\u0308-1", "M\u00fc-1"),
        (4711, "4711"),
        (Decimal("4711.00"), "4711"),
        (4711.0, "4711"),
        (Single(4711.0), "4711"),
        (UUID(UNIQUE), UNIQUE),
        ("123E456789", "123E456789"),
        ("51.2", "51.2"),
        (None, ""),
        ("\u200b", ""),
    ],
)
def test_it_is_spelt_in_one_way(raw: Any, number: str) -> None:
    assert number_text(raw, "c") == number


@pytest.mark.parametrize(
    "raw",
    [
        "1,23457E+11",
        "1.2E11",
        "1E11",
        "4711.0",
        "4711,00",
        "['P1']",
        "{P1,P2}",
        "b'4711'",
        '"4711"',
        "=4711",
        "nan",
        "NULL",
        "#WERT!",
        "####",
        "47\x0011",
        "47\ud83d",
        "\u0664\u0667",
        b"4711",
        memoryview(b"4711"),
        ["4711"],
        True,
        Decimal("4711.5"),
        Decimal("1E+11"),
        Decimal("NaN"),
        4711.5,
        float("inf"),
        1.2345678901234568e17,
        Single(123456792.0),
        date(2026, 4, 1),
        OutOfRange("infinity"),
    ],
)
def test_what_cannot_be_relied_on_is_refused_and_not_shown(raw: Any) -> None:
    with pytest.raises(DataError) as caught:
        number_text(raw, "c")
    assert (caught.value.reason, caught.value.place) == ("unreadable_value", "c")
    assert "4711" not in f"{caught.value} {caught.value.remedy}"


def test_a_key_may_be_a_day_or_an_amount_too() -> None:
    assert key_text(date(2026, 4, 1), "c") == "2026-04-01"
    assert key_text("12,00", "c") == "12,00"
    with pytest.raises(DataError):
        key_text("4711.0", "c")
