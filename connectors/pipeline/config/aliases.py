"""Persons who got a new number in the agency's own system and stay who they were, because the agency says so.

A reviewed file (`neu;alt`, UTF-8) beside the configuration. It never leaves the house; the hub sees one pseudonym.
"""

import csv
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from connectors.pipeline.mapping.numbers import number_text
from hub.errors import ConfigurationError, DataError, NoInput

COLUMNS = ["neu", "alt"]
HEADER = ";".join(COLUMNS)


@dataclass(frozen=True)
class Aliases:
    """New local id → the first one that the person had."""

    first: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def numbers(self) -> Mapping[str, tuple[str, ...]]:
        """First local id → all numbers of that person, the first one among them."""
        found: dict[str, list[str]] = {}
        for new, old in self.first.items():
            found.setdefault(old, [old]).append(new)
        return {old: tuple(numbers) for old, numbers in found.items()}

    def of(self, local_id: str) -> str:
        """The id by which the pseudonym is made."""
        return self.first.get(local_id, local_id)

    def all(self, local_ids: Collection[str]) -> set[str]:
        """These and every other number of the same persons: the source is asked for all of them."""
        return {*local_ids, *(new for new, old in self.first.items() if old in local_ids)}


NOBODY = Aliases()


def load_aliases(path: Path) -> Aliases:
    """Read the file; raises NoInput, or ConfigurationError with its line (a number twice, or in a circle)."""
    try:
        return parse_aliases(path.read_bytes(), path.name)
    except OSError:
        raise NoInput("cannot be read", place=path.name, remedy="name the file of aliases") from None


def parse_aliases(content: bytes, name: str) -> Aliases:
    """The same of a file's content."""
    try:
        rows = list(csv.reader(content.decode("utf-8-sig").splitlines(), delimiter=";", strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise ConfigurationError("is no CSV in UTF-8", place=name, remedy="save it as UTF-8") from None
    if not rows or rows[0] != COLUMNS:
        raise ConfigurationError("has another first line", place=f"{name}:1", remedy=";".join(COLUMNS))
    told: dict[str, str] = {}
    for line, row in enumerate(rows[1:], 2):
        cells = [_number(cell, f"{name}:{line}") for cell in row]
        if len(cells) != len(COLUMNS) or not all(cells) or cells[0] in told:
            raise ConfigurationError(
                "is no pair, or this number came before", place=f"{name}:{line}", remedy="correct it"
            )
        told[cells[0]] = cells[1]
    return Aliases({new: _first(new, told, name) for new in told})


def with_alias(content: bytes, new: str, old: str, name: str) -> tuple[bytes, Aliases]:
    """The file's content with one more pair, and what it says then; raises ConfigurationError for a number that is
    there already, a circle, or what is no pair."""
    if not (new + old).isprintable():
        raise ConfigurationError(
            "a number holds a sign that is not printed", place=name, remedy="type it again"
        )
    before = content.decode("utf-8", "surrogateescape").rstrip("\r\n") if content else HEADER
    cells = io.StringIO()
    csv.writer(cells, delimiter=";", lineterminator="\n").writerow([new.strip(), old.strip()])
    after = f"{before}\n{cells.getvalue()}".encode("utf-8", "surrogateescape")
    return after, parse_aliases(after, name)


def _number(cell: str, place: str) -> str:
    try:
        return number_text(cell, place)
    except DataError as error:
        raise ConfigurationError("is no number of a person", place=place, remedy=error.remedy) from None


def _first(new: str, told: Mapping[str, str], place: str) -> str:
    seen, found = {new}, told[new]
    while found in told:
        if found in seen:
            raise ConfigurationError(
                "numbers lead in a circle", place=place, remedy="say which number was first"
            )
        seen.add(found)
        found = told[found]
    if found in seen:
        raise ConfigurationError("numbers lead in a circle", place=place, remedy="say which number was first")
    return found
