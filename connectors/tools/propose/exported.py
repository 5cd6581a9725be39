"""Looks at a folder of exported files: which there are, how their names carry a day, and a sample of each.

Reads only, keeps nothing. Encoding, delimiter, lines before the header and the last line's form are said by a person.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from connectors.sources.files.settings import Dialect
from connectors.tools.propose.profile import Table, Unread, left_out, table
from hub.errors import ConfigurationError, NoInput

SAMPLE = 500
SUFFIXES = frozenset({".csv", ".txt", ".tsv", ".dat", ".asc"})
INBOX, MANIFEST = "inbox", "manifest.json"
_DAY = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2}|\d{8})(?!\d)")
_WRITTEN = ("%Y-%m-%d", "%Y%m%d", "%d%m%Y")
_YEARS = range(2000, 2101)
_UNREADABLE = (
    0.05  # share of sampled rows that may be unreadable before the file counts as written differently
)


class Dated(NamedTuple):
    """How the day stands in files' names: a regular expression with one group, and its strptime format."""

    pattern: str
    written: str


def newest(folder: Path) -> Path:
    """The folder that holds the files: its inbox, this one, or the last by name of those in it; raises NoInput."""
    if not folder.is_dir():
        raise NoInput("is no folder", place="--folder", remedy="name the folder of the export")
    if (folder / INBOX).is_dir():
        return folder / INBOX
    within = sorted(each for each in folder.iterdir() if each.is_dir() and (_files(each) or _documents(each)))
    return folder if _files(folder) or _documents(folder) or not within else within[-1]


def is_snapshot(folder: Path) -> bool:
    """Whether a manifest lies beside the files, as with full snapshots."""
    return (newest(folder) / MANIFEST).is_file()


def holds_tables(folder: Path) -> bool:
    """Whether there are files of rows in it; raises NoInput."""
    return bool(_files(newest(folder)))


def dated(folder: Path, files: Iterable[Path] = ()) -> Dated | None:
    """How the names of the files carry their day, of the folder's files of rows or of these; None when they carry
    none."""
    for file in files or _files(newest(folder)):
        if found := _day(file.name):
            day, written = found
            return Dated(r"(\d{4}-\d{2}-\d{2})" if "-" in day else r"(\d{8})", written)
    return None


def folder_of_files(folder: Path, dialect: Dialect, sample: int = SAMPLE) -> Iterator[Table]:
    """Every kind of file of the newest export, a dated one by its last day; one that cannot be read has no columns.
    Raises NoInput where there is no file, and ConfigurationError naming file and line where none can be read."""
    kinds = {pattern(file.name): file for file in _files(newest(folder))}
    if not kinds:
        endings = " ".join(sorted(SUFFIXES))
        raise NoInput(
            "holds no file of an export",
            place="--folder",
            remedy=f"name a folder with files that end with {endings} .xml",
        )
    refused: list[ConfigurationError] = []
    for name, file in kinds.items():
        try:
            found = _read(file, dialect, sample)
        except ConfigurationError as error:
            refused.append(error)
            if len(refused) == len(kinds):
                raise refused[0] from None
            yield left_out(name, error)
        else:
            yield table(name, found.header, found.rows, unreadable=found.unreadable)


def pattern(name: str) -> str:
    """A file's name without the day in it."""
    found = _day(name)
    return name.replace(found[0], "*", 1) if found else name


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_file() and each.suffix.lower() in SUFFIXES)


def _documents(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_file() and each.suffix.lower() == ".xml")


def _day(name: str) -> tuple[str, str] | None:
    for found in _DAY.finditer(name):
        for written in _WRITTEN:
            if _reads(found[1], written):
                return found[1], written
    return None


def _reads(text: str, written: str) -> bool:
    try:
        return datetime.strptime(text, written).year in _YEARS  # noqa: DTZ007  only whether it can be read
    except ValueError:
        return False


class _Sample(NamedTuple):
    header: Sequence[str]
    rows: list[list[str]]
    unreadable: list[Unread]


def _read(file: Path, dialect: Dialect, sample: int) -> _Sample:
    """A sample of the file's rows. A row that cannot be read is named; a file of which few rows can be read is refused:
    then it is written differently than was said."""
    found = _Sample([], [], [])
    number = 0
    try:
        with file.open(encoding=dialect.encoding, errors="surrogateescape", newline="") as lines:
            reader = dialect.parsed(_lines(lines, dialect))
            header = _sound(next(reader, []))
            found = _Sample(header, [], list(_faults(header, file, dialect)))
            for row in islice(reader, sample):
                number = reader.line_num
                if cause := _fault(row, header, dialect):
                    found.unreadable.append(Unread(f"{file.name}:{number + dialect.skip}", cause))
                elif row:
                    found.rows.append(row)
    except (LookupError, UnicodeError, ValueError, csv.Error):
        raise _refused(file, dialect, number + dialect.skip + 1) from None
    if len(found.unreadable) > max(1, _UNREADABLE * (len(found.rows) + len(found.unreadable))):
        raise _refused(file, dialect, int(re.split(":|, line ", found.unreadable[0].place)[-1]))
    return found


def _faults(header: Sequence[str], file: Path, dialect: Dialect) -> Iterator[Unread]:
    """Why the header names no columns, or the same one twice: a delivery of it is refused, whichever is meant."""
    place = f"{file.name}, line {1 + dialect.skip}"
    if not any(header):
        yield Unread(place, cause="holds no header", remedy="have the export written again")
    for name in sorted({one for one in header if header.count(one) > 1}):
        yield Unread(
            place, cause=f"column {name} stands twice", remedy="have one of them renamed in the export"
        )


def _fault(row: Sequence[str], header: Sequence[str], dialect: Dialect) -> str:
    """Why a row cannot be read; empty where it can, or where the line is empty."""
    cause = ""
    if row and len(row) != len(header):
        cause = f"{len(row)} columns, the header has {len(header)}"
    elif not _decoded(row):
        cause = f"holds bytes that are not {dialect.encoding}"
    return cause


def _sound(header: list[str]) -> list[str]:
    """The header, if it was written in the encoding; raises ValueError."""
    if not _decoded(header):
        raise ValueError
    return header


def _decoded(cells: Sequence[str]) -> bool:
    """Whether every byte was one of the encoding."""
    return not any("\udc80" <= sign <= "\udcff" for cell in cells for sign in cell)


def _refused(file: Path, dialect: Dialect, line: int) -> ConfigurationError:
    return ConfigurationError(
        f"cannot be read as {dialect.encoding} with the delimiter {dialect.delimiter!r}",
        place=f"{file.name}, line {line}",
        remedy="ask how the export is written, and say so by --encoding, --delimiter, --skip and --trailer",
    )


def _lines(lines: Iterator[str], dialect: Dialect) -> Iterator[str]:
    """What is to be parsed: without the lines before the header, and without the trailer."""
    for line in islice(lines, dialect.skip, None):
        if dialect.trailer is None or not dialect.trailer.fullmatch(line.rstrip("\r\n")):
            yield line
