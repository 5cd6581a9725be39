"""Rows of a table as rows of the runtime, each under the version under which it counts. Every page is one query."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Select

from connectors.runtime.cursor import Ordering, Version
from connectors.runtime.ports import Row
from connectors.runtime.rows import applies
from connectors.runtime.state import HIDDEN, State
from connectors.sql.config import SqlStream
from connectors.sql.database import Database
from connectors.sql.remembered import Remembered
from connectors.sql.tables import after, bound, chosen, column, ordered
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError

SEPARATOR = "\x1f"
KEYS_AT_ONCE = 2000
UNREADABLE = -1
_BITS = {b"\x00": 0, b"\x01": 1}


class Reader:
    """`remembering`: what `on_vanish` asks of a row is kept as it is read."""

    def __init__(
        self, database: Database, ordering: Ordering, state: State, key: AgencyKey, remembered: Remembered, *,
        remembering: bool,
    ) -> None:  # fmt: skip
        self._database, self._ordering, self._state, self._key = database, ordering, state, key
        self._remembered, self._remembering = remembered, remembering

    def pages(self, stream: SqlStream, start: Version | None, limit: int) -> Iterator[list[Row]]:
        """Rows from `start` on in order of (version, key), page by page."""
        names = list(dict.fromkeys([stream.version, *stream.stream.key]))
        base = ordered(self._select(stream), names, limit)
        query = base if start is None else base.where(column(stream.version) >= bound(start))
        while page := self._rows(stream, query):
            yield page
            if len(page) < limit:
                return
            query = base.where(after(names, [page[-1].values[name] for name in names]))

    def key_pages(self, stream: SqlStream) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Keys and versions of all rows in order of the key, page by page."""
        names = stream.stream.key
        base = ordered(chosen(stream, list(dict.fromkeys([*names, stream.version]))), names, KEYS_AT_ONCE)
        query = base
        while page := self._database.rows(query, stream.name):
            yield page
            query = base.where(after(names, [page[-1][name] for name in names]))

    def page_by_key(self, stream: SqlStream, last: Sequence[Any] | None, limit: int) -> list[Row]:
        """The next rows in order of the key, of those that have a version."""
        names = stream.stream.key
        query = ordered(self._select(stream), names, limit).where(column(stream.version).is_not(None))
        return self._rows(stream, query if last is None else query.where(after(names, last)))

    def where(self, stream: SqlStream, condition: Any) -> list[Row]:
        """The rows of which this is true."""
        return self._rows(stream, self._select(stream).where(condition))

    def news(self, stream: SqlStream, page: Sequence[Row]) -> list[Row]:
        """Rows that say something else than when they were read last."""
        return [row for row, fresh in self._compared(stream, page) if fresh]

    def again(self, stream: SqlStream, page: Sequence[Row]) -> list[Row]:
        """All of them; what says the same under the version under which it was read."""
        return [row for row, _ in self._compared(stream, page)]

    def as_read(self, stream: SqlStream, rows: Sequence[Row]) -> Iterator[Row]:
        """Rows under the version under which they were read, if they still say the same."""
        seen = self._state.seen(stream.name, [row.key for row in rows])
        for row in rows:
            content, since = seen.get(self._state.key_hash(row.key), (b"", UNREADABLE))
            yield row._replace(version=since) if content == row.content else row

    def version(self, version: Any) -> int:
        try:
            return self._ordering.order(version)
        except DataError:
            return UNREADABLE

    def _compared(self, stream: SqlStream, page: Sequence[Row]) -> list[tuple[Row, bool]]:
        seen = self._state.seen(stream.name, [row.key for row in page])
        found = []
        for row in page:
            content, since = seen.get(self._state.key_hash(row.key), (b"", UNREADABLE))
            same = content == row.content
            found.append((row._replace(version=since) if same else self._later(stream, row, since), not same))
        if stream.stream.on_vanish and self._remembering:
            columns = {*stream.stream.key, *stream.stream.on_vanish.columns}
            self._remembered.keep(stream.name, columns, (row for row, fresh in found if fresh))
        return found

    def _later(self, stream: SqlStream, row: Row, since: int) -> Row:
        """A change within the hour that comes twice in October is later than what was read before it."""
        if UNREADABLE < row.version < since:
            second = self._ordering.second(row.values[stream.version])  # type: ignore[arg-type]
            return row._replace(version=second) if second > since else row
        return row

    def _select(self, stream: SqlStream) -> Select[Any]:
        return chosen(stream, stream.columns)

    def _rows(self, stream: SqlStream, query: Select[Any]) -> list[Row]:
        return [self._row(stream, _told(values)) for values in self._database.rows(query, stream.name)]

    def _row(self, stream: SqlStream, values: Mapping[str, Any]) -> Row:
        key = key_of(stream, values)
        content = [(name, repr(values[name])) for name in stream.columns if name != stream.version]
        gone = _gone(stream, values)
        version = UNREADABLE if gone is None else self.version(values[stream.version])
        return Row(
            stream=stream.name, key=key, place=place_of(stream, self._state.key_hash(key)), values=values,
            version=version,
            content=self._key.row_hash(repr(content).encode()), gone=bool(gone),
        )  # fmt: skip


def _told(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A BIT of one place, which MariaDB's driver gives as a byte, is the number it means."""
    return {
        name: _BITS.get(value, value) if isinstance(value, bytes) else value for name, value in values.items()
    }


def _gone(stream: SqlStream, values: Mapping[str, Any]) -> bool | None:
    """Whether the row says that it was deleted; None: that cannot be told, and nothing is."""
    try:
        return stream.stream.gone is not None and applies(stream.stream.gone, values)
    except DataError:
        return None


def place_of(stream: SqlStream, key_hash: bytes) -> str:
    """A row for people, by nothing that it says."""
    return f"{stream.name}/{key_hash.hex()[:12]}"


def key_of(stream: SqlStream, values: Mapping[str, Any]) -> str:
    """A row's key as text."""
    return SEPARATOR.join(str(values[name]) for name in stream.stream.key).replace(HIDDEN, "\\0")
