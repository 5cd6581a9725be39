"""Addresses become the code of their area, or nothing: an address that the file does not know is held."""

from pathlib import Path

import pytest

from connectors.pipeline.config.areas import load_areas
from connectors.pipeline.config.values import Style, value_of
from connectors.pipeline.mapping.cells import read
from hub.errors import ConfigurationError, DataError, NoInput

HEAD = "plz;strasse;von;bis;seite;code\n"
FILE = HEAD + (
    "18999;Seestraße;1;20;ungerade;SR01\n"
    "18999;Seestraße;1;20;gerade;SR02\n"
    "18999;Hafenweg;;;;SR03\n"
    "18998;;;;;SR04\n"
    "18998;Am Wall;100;;;SR05\n"
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "areas.csv"
    path.write_text(FILE, encoding="utf-8")
    return path


def code(table: Path, plz: str, street: str, number: str) -> str | None:
    codes = {"areas": load_areas(table, "test")}
    value = value_of({"columns": ["P", "S", "N"], "codes": "areas"}, "test", Style(), codes)
    found: str | None = read(value, {"P": plz, "S": street, "N": number}, "string")
    return found


@pytest.mark.parametrize(
    ("plz", "street", "number", "expected"),
    [
        ("18999", "Seestraße", "7", "SR01"),
        ("18999", "SEESTRASSE", "7a", "SR01"),
        ("18999", "Seestr.", "8", "SR02"),
        ("18999", "Hafenweg", "", "SR03"),
        ("18998", "Irgendwo", "5", "SR04"),
        ("18998", "Am  Wall", "100", "SR05"),
        ("", "", "", None),
    ],
)
def test_known_addresses(table: Path, plz: str, street: str, number: str, expected: str | None) -> None:
    assert code(table, plz, street, number) == expected


@pytest.mark.parametrize(
    ("plz", "street", "number"),
    [
        ("18999", "Seestraße", "21"),
        ("18999", "Seestraße", ""),
        ("18999", "Seeweg", "1"),
        ("18998", "Am Wall", "99"),
        ("18997", "Hafenweg", "1"),
    ],
)
def test_an_unknown_address_is_held_and_not_shown(table: Path, plz: str, street: str, number: str) -> None:
    with pytest.raises(DataError) as error:
        code(table, plz, street, number)
    assert (error.value.reason, error.value.place) == ("unknown_code", "P")
    assert street not in str(error.value)


@pytest.mark.parametrize(
    "lines",
    [
        "18999;Seestraße;1;20;;SR01\n18999;Seestr.;20;30;gerade;SR02\n",
        "18999;Seestraße;1;20;links;SR01\n",
        "18999;Seestraße;eins;;;SR01\n",
        "18999;;1;20;;SR01\n",
        ";Seestraße;;;;SR01\n",
        "18999;Seestraße\n",
    ],
)
def test_a_faulty_file_is_refused_with_its_line(tmp_path: Path, lines: str) -> None:
    path = tmp_path / "areas.csv"
    path.write_text(HEAD + lines, encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_areas(path, "test")
    assert error.value.place.startswith("areas.csv:")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoInput):
        load_areas(tmp_path / "none.csv", "test")
