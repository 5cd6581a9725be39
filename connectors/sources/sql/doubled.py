"""Rows of a table that share a key, found before they are read: whoever cannot tell which of them is right sends none.

Two keys may also be one only as we spell them (padding, composed characters): the database takes them for two.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from connectors.contract import Row
from connectors.database.connection import Database
from connectors.database.statements import column, exactly
from connectors.database.values import bindable
from connectors.pipeline.state.state import State
from connectors.sources.doubtful import Doubtful, too_many
from connectors.sources.sql.config import SqlStream
from connectors.sources.sql.reader import AT_ONCE, Reader, key_of, origin, place_of

MOST = 10_000
"""Rows with shared keys that are looked at one by one; beyond, it is the key that is wrong."""
_COUNT = "fallbruecke_rows"

Key = tuple[Any, ...]


class Doubled:
    """Tells `doubtful` which keys several rows have."""

    def __init__(self, database: Database, reader: Reader, state: State, doubtful: Doubtful) -> None:
        self._database, self._reader, self._state, self._doubtful = database, reader, state, doubtful

    def examine(self, stream: SqlStream) -> bool:
        """Look at all keys of the stream; whether so many rows contradict each other that its key is wrong."""
        self._doubtful.again(stream.name)
        counts = self._grouped(stream)
        if len(counts) > MOST or sum(counts.values()) > MOST:
            return True
        contradicting = self._tell(stream, [*counts, *self._spelt_alike(stream)])
        return too_many(contradicting, self._rows(stream) if contradicting else 0)

    def meet(self, stream: SqlStream, page: Sequence[Row]) -> None:
        """Rows that changed since all keys were looked at: one that was read before may be another one now."""
        seen = self._state.seen(stream.name, [row.key for row in page])
        last: dict[str, bytes] = {row.key: row.content for row in page}
        other = (
            row
            for row in page
            if last[row.key] != row.content
            or seen.get(self._state.key_hash(row.key), (row.content,))[0] != row.content
        )
        keys = {tuple(row.values[name] for name in stream.stream.key) for row in other}
        self._tell(stream, keys)

    def _tell(self, stream: SqlStream, keys: Collection[Key]) -> int:
        """Look at the rows with these keys; how many of them contradict each other."""
        found: dict[str, list[Row]] = {}
        for row in self._with(stream, keys):
            found.setdefault(row.key, []).append(row)
        contradicting = 0
        for key, rows in found.items():
            hashed = self._state.key_hash(key)
            if len({row.content for row in rows}) > 1:
                contradicting += len(rows)
                apart = (self._state.key_hash(self._doubtful.apart(row)) for row in rows)
                places = [place_of(stream, one) for one in apart]
                self._doubtful.twice(stream.name, stream.stream.key[0], hashed, places)
            elif len(rows) > 1:
                self._doubtful.repeated(stream.name, [hashed])
        return contradicting

    def _with(self, stream: SqlStream, keys: Collection[Key]) -> Iterator[Row]:
        named = [key for key in dict.fromkeys(keys) if all(map(bindable, key))]
        for start in range(0, len(named), AT_ONCE):
            yield from self._reader.where(stream, exactly(stream.stream.key, named[start : start + AT_ONCE]))

    def _grouped(self, stream: SqlStream) -> Mapping[Key, int]:
        """Keys that the database finds in several rows, and in how many."""
        names = stream.stream.key
        columns = [column(name) for name in names]
        query = select(*columns, func.count().label(_COUNT)).select_from(origin(stream))
        query = query.where(*(one.is_not(None) for one in columns)).group_by(*columns)
        rows = self._database.rows(query.having(func.count() > 1).limit(MOST + 1), stream.name)
        return {tuple(row[name] for name in names): int(row[_COUNT]) for row in rows}

    def _spelt_alike(self, stream: SqlStream) -> list[Key]:
        """Keys that are spelt otherwise and mean the same."""
        with self._state.transaction():
            self._state.db.execute("DROP TABLE IF EXISTS temp.spelt")
            self._state.db.execute("CREATE TEMP TABLE spelt (key BLOB NOT NULL)")
            for page in self._reader.key_pages(stream):
                hashed = ((self._state.key_hash(key_of(stream, values)),) for values in page)
                self._state.db.executemany("INSERT INTO spelt VALUES (?)", hashed)
            query = "SELECT key FROM spelt GROUP BY key HAVING count(*) > 1 LIMIT ?"
            twice = {row[0] for row in self._state.db.execute(query, (MOST,))}
            self._state.db.execute("DROP TABLE temp.spelt")
        pages = self._reader.key_pages(stream) if twice else iter(())
        return [
            tuple(values[name] for name in stream.stream.key)
            for page in pages
            for values in page
            if self._state.key_hash(key_of(stream, values)) in twice
        ]

    def _rows(self, stream: SqlStream) -> int:
        query = select(func.count().label(_COUNT)).select_from(origin(stream))
        return int(self._database.rows(query, stream.name)[0][_COUNT])
