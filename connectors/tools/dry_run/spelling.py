"""Numbers that are one only as we spell them: two rows become one person, one case or one record by normalising alone.

The rules of `numbers` are right nearly always, and a person should look where they decide. Kept as digests in a
database that is thrown away; nothing tells a number.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from connectors.contract import Row
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.person_columns import person_columns
from connectors.pipeline.config.streams import Stream
from connectors.pipeline.mapping.numbers import number_text
from connectors.pipeline.mapping.row_rules import SEPARATOR, identified
from hub.errors import DataError

Kind = Literal["person", "case", "row"]
_TABLES = (
    """CREATE TABLE spelt (
        kind TEXT, number BLOB, stream TEXT, "column" TEXT, spelling BLOB, trimmed BLOB,
        PRIMARY KEY (kind, number, stream, "column", spelling)
    ) WITHOUT ROWID""",
    "CREATE TABLE standing (stream TEXT, before BLOB, key BLOB, PRIMARY KEY (stream, before, key)) WITHOUT ROWID",
)
_ALIKE = """SELECT kind, number FROM spelt GROUP BY kind, number HAVING count(DISTINCT trimmed) > 1
    UNION SELECT kind, number FROM spelt GROUP BY kind, number, stream, "column" HAVING count(*) > 1"""
"""Blanks behind a number are the type of a database's column, unless they differ within it."""
_BESIDE = "SELECT stream, count(*) FROM standing GROUP BY stream, before HAVING count(*) > 1"


class Alike(NamedTuple):
    """How many numbers of a kind are spelt in several ways in these streams and mean one."""

    kind: Kind
    streams: tuple[str, ...]
    numbers: int


class Spellings:
    """Takes rows in; `file` is made."""

    def __init__(self, config: ConnectorConfig, file: Path) -> None:
        self._db = sqlite3.connect(file)
        self._streams = config.streams
        self._columns = dict(_columns(config))
        for statement in _TABLES:
            self._db.execute(statement)

    def note(self, rows: Iterable[Row]) -> None:
        """How these rows spell their numbers."""
        alive = [row for row in rows if not row.gone and row.values]
        spelt = {entry for row in alive for entry in (*self._numbers(row), *self._key(row))}
        self._db.executemany("INSERT OR IGNORE INTO spelt VALUES (?, ?, ?, ?, ?, ?)", spelt)
        standing = [entry for row in alive for entry in self._standing(row)]
        self._db.executemany("INSERT OR IGNORE INTO standing VALUES (?, ?, ?)", standing)

    def alike(self) -> list[Alike]:
        """The numbers that are one only by normalising, by kind and streams."""
        found: Counter[tuple[Kind, tuple[str, ...]]] = Counter()
        query = "SELECT DISTINCT stream FROM spelt WHERE kind = ? AND number = ? ORDER BY stream"
        for kind, number in self._db.execute(_ALIKE).fetchall():
            found[kind, tuple(row[0] for row in self._db.execute(query, (kind, number)))] += 1
        return [Alike(kind, streams, count) for (kind, streams), count in sorted(found.items())]

    def beside(self) -> Mapping[str, int]:
        """Stream → records whose row of an older number and row of a newer one stand at once."""
        found = Counter[str]()
        found.update(stream for stream, _ in self._db.execute(_BESIDE))
        return found

    def close(self) -> None:
        self._db.close()

    def _numbers(self, row: Row) -> Iterator[tuple[Kind, bytes, str, str, bytes, bytes]]:
        for kind, column in self._columns.get(row.stream, ()):
            raw = row.values.get(column)
            try:
                number = number_text(raw, column)
            except DataError:
                continue
            if number:
                spelling = raw if isinstance(raw, str) else number
                yield (
                    kind,
                    _digest(number),
                    row.stream,
                    column,
                    _digest(spelling),
                    _digest(spelling.rstrip(" ")),
                )

    def _key(self, row: Row) -> Iterator[tuple[Kind, bytes, str, str, bytes, bytes]]:
        stream = self._streams[row.stream]
        found = identified(stream, row.values)
        if not found.named:
            return
        parts = zip(stream.key, found.key.split(SEPARATOR), strict=True)
        raws = ((row.values.get(name), part) for name, part in parts)
        spelling = SEPARATOR.join(raw if isinstance(raw, str) else part for raw, part in raws)
        digest = _digest(f"{row.stream}{SEPARATOR}{found.key}")
        yield "row", digest, row.stream, "", _digest(spelling), _digest(spelling)

    def _standing(self, row: Row) -> Iterator[tuple[str, bytes, bytes]]:
        found = identified(self._streams[row.stream], row.values)
        if found.before and not found.gone:
            yield row.stream, _digest(found.before), _digest(found.key)


@contextmanager
def spellings(config: ConnectorConfig) -> Iterator[Spellings]:
    """For one look; nothing of it stays."""
    with TemporaryDirectory() as folder, closing(Spellings(config, Path(folder) / "spelt.sqlite")) as noted:
        yield noted


def _columns(config: ConnectorConfig) -> Iterator[tuple[str, Collection[tuple[Kind, str]]]]:
    """Stream → the columns that hold numbers of persons and cases."""
    persons = person_columns(config.streams, config.lookups)
    for name, stream in config.streams.items():
        own: set[tuple[Kind, str]] = {("person", column) for one, column in persons if one == name}
        yield name, own | {("case", column) for column in _cases(name, stream, config)}


def _cases(name: str, stream: Stream, config: ConnectorConfig) -> Iterator[str]:
    yield from (event.case.by for event in stream.mapped if not event.case.lookup)
    for other in config.streams.values():
        for event in other.mapped:
            case = event.case
            if case.lookup and config.lookups[case.lookup].stream == name:
                yield case.column


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
