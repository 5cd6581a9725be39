"""Rows of a table as rows of the runtime, each under the version under which it counts. Every page is one query."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

from sqlalchemy import Select, String, and_, cast, or_, select, text

from connectors.contract import Row
from connectors.database.connection import Database, RowsUnreadable
from connectors.database.statements import after, bound, column, exactly, named, ordered, whole
from connectors.database.values import NOT_GIVEN, bindable, shortest, told
from connectors.pipeline.mapping.row_rules import SEPARATOR, identified
from connectors.pipeline.state.renumbering import RowKeys, numbered
from connectors.pipeline.state.state import State
from connectors.sources.cursor import Ordering, Version
from connectors.sources.doubtful import Doubtful, is_twice
from connectors.sources.sql.config import SqlStream
from connectors.sources.sql.remembered import Remembered
from hub.domain.identifiers import AgencyKey
from hub.errors import DataError


def chosen(stream: SqlStream, names: Sequence[str], single: Collection[str] = ()) -> Select[Any]:
    """These columns of the stream's table or query; those of `single` precision with all digits they have."""
    return select(*(whole(name) if name in single else column(name) for name in names)).select_from(
        origin(stream)
    )


def origin(stream: SqlStream) -> Any:
    """Where the stream's rows come from: a table, or a query in parentheses."""
    if stream.query:
        query = stream.query.rstrip("; \t\r\n").replace(":", "\\:")
        return text(f"(\n{query}\n) AS source")
    return named(stream.table, stream.schema)


KEYS_AT_ONCE = 2000
AT_ONCE = 200  # keys named in one statement; MS SQL takes 2,100 values
LIKENESSES_AT_ONCE = 20
UNREADABLE = -1


class Reader:
    """`remembering`: what `on_vanish` asks of a row is kept as it is read."""

    def __init__(
        self,
        database: Database,
        ordering: Ordering,
        state: State,
        key: AgencyKey,
        remembered: Remembered,
        doubtful: Doubtful,
        *,
        remembering: bool,
    ) -> None:
        self._database, self._ordering, self._state, self._key = database, ordering, state, key
        self._remembered, self._remembering, self._doubtful = remembered, remembering, doubtful
        self._row_keys = RowKeys(state)
        self._spellings: dict[str, dict[str, set[tuple[Any, ...]]]] = defaultdict(dict)
        self._single: dict[str, frozenset[str]] = {}  # stream → columns of single precision

    def pages(self, stream: SqlStream, start: Version | None, limit: int) -> Iterator[list[Row]]:
        """Rows from `start` on in order of (version, key), page by page."""
        names = list(dict.fromkeys([stream.version, *stream.stream.key]))
        base = ordered(self._select(stream), names, limit)
        query = base if start is None else base.where(column(stream.version) >= bound(start))
        while page := self._rows(stream, query):
            yield self.counted(stream, page)
            if len(page) < limit:
                return
            query = _following(base, query, names, [row.values for row in page])

    def key_pages(self, stream: SqlStream, *beside: str) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Keys and versions, and what stands in the columns `beside`, of all rows in order of the key, page by page."""
        names = stream.stream.key
        wanted = list(dict.fromkeys([*names, stream.version, *beside]))
        base = ordered(chosen(stream, wanted), names, KEYS_AT_ONCE)
        query = base
        while page := self._database.rows(query, stream.name):
            yield page
            query = _following(base, query, names, page)

    def page_by_key(self, stream: SqlStream, last: Sequence[Any] | None, limit: int) -> list[Row]:
        """The next rows in order of the key, of those that have a version; not yet `counted`."""
        names = stream.stream.key
        query = ordered(self._select(stream), names, limit).where(column(stream.version).is_not(None))
        return self._rows(stream, query if last is None else query.where(after(names, last)))

    def where(self, stream: SqlStream, condition: Any) -> list[Row]:
        """The rows of which this is true."""
        return self.counted(stream, self._rows(stream, self._select(stream).where(condition)))

    def counted(self, stream: SqlStream, rows: Sequence[Row]) -> list[Row]:
        """The rows under the keys under which they count, where persons have newer numbers."""
        self._settle(stream, [(row.values, row.before) for row in rows if row.before])
        found = ((row, self._row_keys.counted(stream.name, row.key, row.before)) for row in rows)
        return [
            row._replace(key=key, before="", place=place_of(stream, self._state.key_hash(key)))
            if row.before
            else row
            for row, key in found
            if key is not None
        ]

    def keys(self, stream: SqlStream, page: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """The keys under which rows count, of these columns of them; None where another row continues the record."""
        read = [{name: told(value) for name, value in given.items()} for given in page]
        found = [identified(stream.stream, values) for values in read]
        touched = ((values, one.before) for values, one in zip(read, found, strict=True) if one.before)
        self._settle(stream, list(touched))
        return [self._row_keys.counted(stream.name, one.key, one.before) for one in found]

    def _settle(self, stream: SqlStream, touched: Sequence[tuple[Mapping[str, Any], str]]) -> None:
        """Look which rows of these persons there are, under whatever number."""
        names = stream.stream.key
        wanted = {
            key
            for values, before in touched
            for key in product(*_spelt(stream, values, before))
            if all(map(bindable, key))
        }
        wanted |= self._spelt_otherwise(stream, touched)
        keys, rows = list(wanted), dict[str, Row]()
        for start in range(0, len(keys), AT_ONCE):
            query = self._select(stream).where(exactly(names, keys[start : start + AT_ONCE]))
            rows |= {row.key: row for row in self._rows(stream, query) if row.before}
        self._row_keys.settle(stream.name, map(numbered, rows.values()))

    def _spelt_otherwise(
        self, stream: SqlStream, touched: Sequence[tuple[Mapping[str, Any], str]]
    ) -> set[tuple[Any, ...]]:
        """Keys of rows of these persons as the table has them, where it writes a number otherwise than it counts
        (blanks, invisible signs, a spreadsheet's guard): looked for once, by characters that every spelling has."""
        names, known = stream.stream.key, self._spellings[stream.name]
        new = [before for before in dict.fromkeys(before for _, before in touched) if before not in known]
        known |= {before: set() for before in new}
        for start in range(0, len(new), LIKENESSES_AT_ONCE):
            likeness = or_(*(_alike(stream, before) for before in new[start : start + LIKENESSES_AT_ONCE]))
            for row in self._rows(stream, self._select(stream).where(likeness)):
                if row.before in known:
                    known[row.before].add(tuple(row.values[name] for name in names))
        for values, before in touched:
            known[before].add(tuple(values[name] for name in names))
        return {key for _, before in touched for key in known[before] if all(map(bindable, key))}

    def apart(self, stream: SqlStream, rows: Sequence[Row]) -> list[Row]:
        """The rows that count; those of which nobody can tell which record they are wait, each in its own place."""
        return [
            row._replace(place=place_of(stream, self._state.key_hash(row.key))) if is_twice(row) else row
            for row in self._doubtful.told_apart(stream.name, rows)
        ]

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
            rows = (row for row, fresh in found if fresh and not is_twice(row))
            self._remembered.keep(stream.name, columns, rows)
        return found

    def _later(self, stream: SqlStream, row: Row, since: int) -> Row:
        """A change within the hour that comes twice in October is later than what was read before it."""
        if UNREADABLE < row.version < since:
            second = self._ordering.second(row.values[stream.version])  # type: ignore[arg-type]
            return row._replace(version=second) if second > since else row
        return row

    def forget_types(self) -> None:
        """Columns may have other types than when they were last looked at."""
        self._single.clear()

    def _select(self, stream: SqlStream) -> Select[Any]:
        return chosen(stream, stream.columns, self._single_of(stream))

    def _single_of(self, stream: SqlStream) -> frozenset[str]:
        if stream.name not in self._single:
            nothing = chosen(stream, stream.columns).where(text("1 = 0"))
            self._single[stream.name] = self._database.single(nothing, stream.name)
        return self._single[stream.name]

    def _rows(self, stream: SqlStream, query: Select[Any]) -> list[Row]:
        try:
            found = self._database.rows(query, stream.name)
        except RowsUnreadable:
            found = [self._alone(stream, key) for key in self._keys(stream, query)]
        return [self._row(stream, values) for values in found]

    def _keys(self, stream: SqlStream, query: Select[Any]) -> Sequence[Mapping[str, Any]]:
        """Keys and versions of a page of which a row cannot be given. Raises RowsUnreadable where it is for them."""
        names = dict.fromkeys([*stream.stream.key, stream.version])
        return self._database.rows(query.with_only_columns(*map(column, names)), stream.name)

    def _alone(self, stream: SqlStream, key: Mapping[str, Any]) -> Mapping[str, Any]:
        """One row; where it cannot be given whole, column by column."""
        mine = exactly(stream.stream.key, [[key[name] for name in stream.stream.key]])
        try:
            if all(bindable(key[name]) for name in stream.stream.key):
                return self._database.rows(self._select(stream).where(mine), stream.name)[0]
        except RowsUnreadable:
            left = (name for name in stream.columns if name not in key)
            return {**{name: self._cell(stream, name, mine) for name in left}, **key}
        except IndexError:
            pass
        return {**dict.fromkeys(stream.columns, NOT_GIVEN), **key}

    def _cell(self, stream: SqlStream, name: str, mine: Any) -> object:
        try:
            found = self._database.rows(
                chosen(stream, [name], self._single_of(stream)).where(mine), stream.name
            )
        except RowsUnreadable:
            return NOT_GIVEN
        return found[0][name] if found else NOT_GIVEN

    def _row(self, stream: SqlStream, given: Mapping[str, Any]) -> Row:
        single = self._single_of(stream)
        values = {name: shortest(value) if name in single else told(value) for name, value in given.items()}
        one = identified(stream.stream, values)
        content = [(name, repr(values[name])) for name in stream.columns if name != stream.version]
        return Row(
            stream=stream.name,
            key=one.key,
            place=place_of(stream, self._state.key_hash(one.key)),
            values=values,
            version=self.version(values[stream.version]),
            content=self._key.row_hash(repr(content).encode()),
            gone=one.gone,
            fault=one.fault,
            timeless=self._ordering.kind(values[stream.version]) == "number",
            hour=self._ordering.hour(values[stream.version]),
            before=one.before,
        )


def _following(
    base: Select[Any], query: Select[Any], names: Sequence[str], page: Sequence[Mapping[str, Any]]
) -> Select[Any]:
    """The page behind this one. Rows whose place no statement can name are counted off."""
    for left, values in enumerate(reversed(page)):
        last = [values[name] for name in names]
        if all(map(bindable, last)):
            following = base.where(after(names, last))
            return following.offset(left) if left else following
    return query.offset((query._offset or 0) + len(page))  # noqa: SLF001  SQLAlchemy names it nowhere else


def place_of(stream: SqlStream, key_hash: bytes) -> str:
    """A row for people, by nothing that it says."""
    return f"{stream.name}/{key_hash.hex()[:12]}"


def key_of(stream: SqlStream, given: Mapping[str, Any]) -> str:
    """The row's own key, of these columns of it."""
    return identified(stream.stream, {name: told(value) for name, value in given.items()}).key


def _spelt(stream: SqlStream, values: Mapping[str, Any], before: str) -> list[list[Any]]:
    """What stands in each column of a key: of a person with several numbers all of them, as the column has it."""
    found: list[list[Any]] = []
    for name, first in zip(stream.stream.key, before.split(SEPARATOR), strict=True):
        numbers = stream.stream.aliases.numbers.get(first) if name in stream.stream.persons else None
        is_number = isinstance(values[name], int | Decimal | float)
        if numbers is None:
            found.append([values[name]])
        elif is_number:
            found.append([int(number) for number in numbers if number.isdigit()])
        else:
            found.append(list(numbers))
    return found


def _alike(stream: SqlStream, before: str) -> Any:
    """Rows that may be the person's under whatever number and spelling; more than those, never fewer."""
    found = []
    for name, first in zip(stream.stream.key, before.split(SEPARATOR), strict=True):
        if name in stream.stream.persons:
            numbers = stream.stream.aliases.numbers.get(first, (first,))
            found.append(or_(*(cast(column(name), String).like(_pattern(number)) for number in numbers)))
    return and_(*found)


def _pattern(number: str) -> str:
    """Letters and digits in order: between them may stand whatever counts for nothing."""
    return "%".join(("", *(sign for sign in number if sign.isascii() and sign.isalnum()), ""))
