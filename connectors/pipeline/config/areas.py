"""Addresses → the code of their area (Sozialraum), by a reviewed file: the code leaves the house, the address stays.

One line per stretch of a street: `plz;strasse;von;bis;seite;code`. Empty `strasse`: the whole postal code; empty `von`
or `bis`: from the first or to the last number; `seite`: `gerade`, `ungerade` or empty for both.
"""

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hub.errors import ConfigurationError, NoInput

COLUMNS = ("plz", "strasse", "von", "bis", "seite", "code")
SIDES = {"": None, "gerade": 0, "ungerade": 1}
LAST = 10**6
SEPARATOR = "\x1f"


class Stretch(NamedTuple):
    """House numbers from `first` to `last`, of one side of the street (0 even, 1 odd) or both (None)."""

    first: int
    last: int
    side: int | None
    code: str

    def holds(self, number: int | None) -> bool:
        if number is None:
            return (self.first, self.last, self.side) == (0, LAST, None)
        return self.first <= number <= self.last and self.side in (None, number % 2)

    def meets(self, other: "Stretch") -> bool:
        """Whether an address could lie in both."""
        apart = self.side is not None and other.side is not None and self.side != other.side
        return not apart and self.first <= other.last and other.first <= self.last


CodeTable = Mapping[str, str | tuple[str, ...]]
"""The agency's code → ours; several of ours only for a field that takes several."""


@dataclass(frozen=True, slots=True)
class Areas(Mapping[str, str]):
    """A code table whose keys are addresses: postal code, street and number, put together by SEPARATOR."""

    stretches: Mapping[tuple[str, str], tuple[Stretch, ...]] = field(repr=False)
    digest: str

    def __getitem__(self, address: str) -> str:
        """The code; raises KeyError for an address in no area. A street's own lines count before the postal code's."""
        plz, street, number = (*address.split(SEPARATOR), "", "")[:3]
        found = re.match(r"\s*(\d+)", number)
        for name in (_street(street), ""):
            for stretch in self.stretches.get((plz.strip(), name), ()):
                if stretch.holds(int(found[1]) if found else None):
                    return stretch.code
            if name and (plz.strip(), name) in self.stretches:
                break
        raise KeyError

    def __iter__(self) -> Iterator[str]:
        return (SEPARATOR.join(place) for place in self.stretches)

    def __len__(self) -> int:
        return len(self.stretches)


def load_areas(path: Path, place: str) -> Areas:
    """Read the file (UTF-8); raises NoInput, or ConfigurationError with its line."""
    try:
        content = path.read_bytes()
        rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines(), delimiter=";", strict=True))
    except OSError:
        raise NoInput("cannot be read", place=place, remedy="name the file of areas") from None
    except (UnicodeDecodeError, csv.Error):
        raise ConfigurationError("is no CSV in UTF-8", place=place, remedy="save it as UTF-8") from None
    stretches: dict[tuple[str, str], tuple[Stretch, ...]] = {}
    for line, row in enumerate(rows, 2):
        where, stretch = _read(row, f"{path.name}:{line}")
        if any(stretch.meets(other) for other in stretches.get(where, ())):
            raise ConfigurationError(
                "an address would lie in two areas", place=f"{path.name}:{line}", remedy="correct the numbers"
            )
        stretches[where] = (*stretches.get(where, ()), stretch)
    return Areas(stretches, hashlib.sha256(content).hexdigest())


def _read(row: Mapping[str, str], place: str) -> tuple[tuple[str, str], Stretch]:
    if set(row) != set(COLUMNS) or None in row.values():
        raise ConfigurationError("has other columns", place=place, remedy=";".join(COLUMNS))
    plz, street, first, last, side, code = (row[name].strip() for name in COLUMNS)
    numbers = all(not text or text.isdecimal() for text in (first, last))
    if not (plz and code and numbers and side in SIDES) or (not street and (first or last or side)):
        raise ConfigurationError("is no stretch of a street", place=place, remedy="see the how-to")
    return (plz, _street(street)), Stretch(int(first or 0), int(last or LAST), SIDES[side], code)


def _street(name: str) -> str:
    """One spelling for "Seestraße", "Seestr." and "SEESTRASSE"; nothing else is made equal."""
    plain = " ".join(name.casefold().split())
    return re.sub(r"str(\.|asse)?$", "str", plain)
