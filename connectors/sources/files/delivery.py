"""A delivery: the files that came together, as of when, and what is said about their completeness. Pure."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from connectors.contract import Fault, Held, Incident

SEPARATOR = "\x1f"
STREAM = "delivery"
"""In place of a stream's name, where a delivery as a whole is meant."""
BAD_ROW = "bad_row"
"""The reason of a `BadRow`."""


class Position(int):
    """Where a row stands among the rows of its file, shown as its line; a second one on the same line as `line.2`."""

    shown: str

    @classmethod
    def of(cls, number: int, line: int, same: int) -> "Position":
        """`number`: counted from 1; `same`: which row of that line it is."""
        made = cls(number)
        made.shown = f"{line}.{same}" if same > 1 else str(line)
        return made

    def __str__(self) -> str:
        return self.shown


class HeldRow(list[str]):
    """The cells of the wanted columns of a row that is held, and why. It keeps its key."""

    fault: Fault

    @classmethod
    def of(cls, cells: Iterable[str], fault: Fault) -> Self:
        made = cls(cells)
        made.fault = fault
        return made


class BadRow(HeldRow):
    """The text of a row that does not fit its stream (too many columns, no object): nobody can tell its cells apart,
    and so its key."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. `place` names it for people, `as_of` in microseconds since 1970 UTC.

    `rows`, `sha256`: what a manifest says of it; None where another sign tells that it is complete.
    """

    path: Path
    place: str
    as_of: int
    rows: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """`files`: stream → the files that hold it, in order: parts of one stock, or files of which each holds changes;
    `digest` names the content, whatever the files are called."""

    name: str
    as_of: int
    files: Mapping[str, tuple[Entry, ...]]
    digest: str


class Shelf(Protocol):
    """Where deliveries lie, which is next, and which were read."""

    def candidates(self, now: datetime) -> tuple[list[Delivery], list[Incident]]:
        """Deliveries that are complete and not read yet, in order, and what can be none."""
        ...

    def kept(self) -> Delivery | None:
        """Everything that was read and still counts, if it still lies there."""
        ...

    def missing(self) -> str | None:
        """The name of what was read last and lies there no longer."""
        ...

    def adopt(self, delivery: Delivery) -> None:
        """It was read to its end and is confirmed."""
        ...

    def refuse(self, delivery: Delivery, incident: Incident) -> None:
        """It cannot be taken; the shelf puts it aside if that is its way."""
        ...

    def hold(self, delivery: Delivery, stream: str, share: float, reason: str = "") -> None: ...

    def held(self) -> Held | None: ...

    def accept(self, name: str = "") -> Held | None: ...

    def accepted(self, delivery: Delivery) -> bool: ...


class Reader(Protocol):
    """Reads one file once: (position, cells of the wanted columns, or a HeldRow) of every row; raises DataError with
    reason and place. Positions rise; a row's line is one, where no two rows share it."""

    rows: int

    def cells(self) -> Iterator[tuple[int, list[str]]]: ...

    def header(self) -> tuple[str, ...]:
        """All columns, as far as they are known without reading on."""
        ...

    def verify(self) -> None:
        """After the last row: compare with what was said about the file; raises DataError."""
        ...


def digest_of(parts: Iterable[str]) -> str:
    """The name of a content."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
