"""Other streams' rows by one column: what a row does not carry itself (a person's case, a withdrawal's person).

A row is translated with what other streams say of it. What was found under a number is kept as keyed hashes alone, in
the connector's state: by stream and lookup, the number and what stood there. So the row is said again once that is
otherwise, and a row that waits because nothing was found goes on as soon as something is.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from connectors.contract import Row, Source, Unreadable
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import Lookup
from connectors.pipeline.mapping.cells import cell
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.mapping.mapper import Mapper
from connectors.pipeline.mapping.numbers import number_text
from connectors.pipeline.mapping.row_rules import looked_number
from connectors.pipeline.state.state import State
from hub.domain.identifiers import Naming
from hub.errors import DataError

Cells = Mapping[str, object]


class _Entry(NamedTuple):
    """One row of a lookup; `said` tells whether it still says the same."""

    number: str
    cells: Cells
    said: str

    def __repr__(self) -> str:
        return "_Entry()"


class LookupIndex:
    """In memory, the cells as the source gives them; kept up with the control rows of each step."""

    def __init__(self, lookups: Mapping[str, Lookup]) -> None:
        self._lookups = lookups
        self.tables: dict[str, dict[str, list[Cells]]] = {name: {} for name in lookups}
        self._rows: dict[str, dict[str, _Entry]] = defaultdict(dict)

    @property
    def streams(self) -> frozenset[str]:
        return frozenset(lookup.stream for lookup in self._lookups.values())

    def take(self, rows: Iterable[Row], *, complete: bool) -> frozenset[str]:
        """Take rows in (`complete`: instead of all known); the numbers under which something changed."""
        if complete:
            self._rows.clear()
            self.tables = {name: {} for name in self._lookups}
        changed: set[str] = set()
        for row in rows:
            for name, lookup in self._lookups.items():
                if lookup.stream == row.stream:
                    changed |= self._put(name, lookup, row)
        return frozenset(changed)

    def said(self, lookup: str, number: str, columns: Collection[str]) -> str:
        """The cells of this number's rows in these columns, as one text; empty where there is no row."""
        told = {repr([each[column] for column in columns]) for each in self.tables[lookup].get(number, ())}
        return "\n".join(sorted(told))

    def _put(self, name: str, lookup: Lookup, row: Row) -> set[str]:
        old = self._rows[name].get(row.key)
        new = None if row.gone or row.fault else _entry(row, lookup)
        if old and new and (old.number, old.said) == (new.number, new.said):
            return set()
        if old:
            there = self.tables[name][old.number]
            there[:] = [each for each in there if each is not old.cells]
            del self._rows[name][row.key]
        if new:
            self.tables[name].setdefault(new.number, []).append(new.cells)
            self._rows[name][row.key] = new
        return {entry.number for entry in (old, new) if entry}


def _entry(row: Row, lookup: Lookup) -> _Entry | None:
    """What the row says; None where its number cannot be read, which holds the row itself, or where there is none."""
    try:
        number = lookup.aliases.of(number_text(cell(row.values, lookup.key), lookup.key))
    except DataError:
        return None
    missing = Unreadable("is not there", "correct the mapping", "column_missing")
    cells = {column: row.values.get(column, missing) for column in lookup.columns}
    return _Entry(number, cells, repr(list(cells.values()))) if number else None


class RowTranslator:
    """One agency's mapping; `lookups` are kept up by what the gate learns."""

    def __init__(self, config: ConnectorConfig, key: Naming) -> None:
        self.lookups = LookupIndex(config.lookups)
        self._mapper = Mapper.of(config, key)

    def events(
        self, rows: Iterable[Row], *, control_only: bool = False
    ) -> tuple[list[MappedEvent], list[Unmapped]]:
        """What the rows say, and what of them cannot be read."""
        events: list[MappedEvent] = []
        unmapped: list[Unmapped] = []
        for row in rows:
            for event in self._mapper.events(row, self.lookups.tables, control_only=control_only):
                if isinstance(event, Unmapped):
                    unmapped.append(event)
                else:
                    events.append(event)
        return events, unmapped


def unmapped_columns(config: ConnectorConfig, source: Source) -> dict[str, tuple[str, ...]]:
    """Stream → columns that are there and that nobody mapped: they are dropped."""
    found = source.discover()
    lookups = {name: {lk.key, *lk.columns} for lk in config.lookups.values() for name in (lk.stream,)}
    left = {
        name: tuple(sorted(set(columns) - config.streams[name].columns - lookups.get(name, set())))
        for name, columns in found.items()
        if name in config.streams
    }
    return {name: columns for name, columns in left.items() if columns}


SCHEMA = """CREATE TABLE IF NOT EXISTS looked (
    stream TEXT, lookup TEXT, number BLOB, said BLOB NOT NULL, PRIMARY KEY (stream, lookup, number)
) WITHOUT ROWID"""
Place = tuple[str, str]
"""A stream and a lookup that its rows need."""


class LookupMemory:
    """In the connector's state. `index`: what the lookups find now."""

    def __init__(self, config: ConnectorConfig, state: State, index: LookupIndex) -> None:
        self._state, self._index, self._lookups = state, index, config.lookups
        self._streams = {name: stream for name, stream in config.streams.items() if stream.joined}
        self._columns = {
            (name, lookup): tuple(sorted({one.column for one in stream.joined if one.lookup == lookup}))
            for name, stream in self._streams.items()
            for lookup in {one.lookup for one in stream.joined}
        }
        self._unsure = {lookup for _, lookup in self._columns}
        self.pending: dict[Place, dict[bytes, bytes]] = defaultdict(dict)
        state.db.execute(SCHEMA)

    def note(self, rows: Iterable[Row]) -> None:
        """Inside the caller's transaction: these rows were mapped with what the lookups find now. What was noted before
        stays until every row that was said with it is said again."""
        found = [entry for row in rows if not row.gone for entry in self._entries(row)]
        self._state.db.executemany("INSERT OR IGNORE INTO looked VALUES (?, ?, ?, ?)", found)

    def compare(self, changed: Collection[str], standing: Collection[str], *, complete: bool) -> None:
        """Owe the rows that were said with something else than is found now. `changed`: the numbers under which
        something else may be found (`complete`: or under any); `standing`: streams that cannot be read, of which
        nothing is concluded."""
        if complete:
            self._unsure = {lookup for _, lookup in self._columns}
        unread = {lookup for _, lookup in self._columns if self._lookups[lookup].stream in standing}
        for place in self._columns:
            lookup = place[1]
            if lookup in unread:
                self.pending.pop(place, None)
                self._unsure.add(lookup)
            elif lookup in self._unsure:
                self._compare(place, self._index.tables[lookup], whole=True)
            elif changed:
                self._compare(place, changed, whole=False)
        self._unsure &= unread

    def paid(self, place: Place, said: Mapping[bytes, bytes], used: Collection[bytes]) -> None:
        """Inside the caller's transaction: all rows of these numbers were said again; those of no row are forgotten."""
        kept = [(*place, number, now) for number, now in said.items() if number in used]
        gone = [(*place, number) for number in said.keys() - set(used)]
        self._state.db.executemany("INSERT OR REPLACE INTO looked VALUES (?, ?, ?, ?)", kept)
        self._state.db.executemany("DELETE FROM looked WHERE stream = ? AND lookup = ? AND number = ?", gone)

    def columns(self, place: Place) -> list[str]:
        """The columns by which rows of the stream are looked up."""
        return sorted({one.by for one in self._streams[place[0]].joined if one.lookup == place[1]})

    def _entries(self, row: Row) -> Iterator[tuple[str, str, bytes, bytes]]:
        for one in self._streams[row.stream].joined if row.stream in self._streams else ():
            try:
                number = looked_number(self._streams[row.stream], one, row.values)
            except DataError:
                continue
            if number:
                place = row.stream, one.lookup
                yield (*place, self._state.key_hash(number), self._said(place, number))

    def _said(self, place: Place, number: str) -> bytes:
        return self._state.key_hash(self._index.said(place[1], number, self._columns[place]))

    def _compare(self, place: Place, numbers: Iterable[str], *, whole: bool) -> None:
        """`whole`: what was noted under a number that is not among these finds nothing now."""
        now = {self._state.key_hash(number): number for number in numbers}
        nothing = self._state.key_hash("")
        for number, before in self._noted(place, None if whole else now):
            said = self._said(place, now[number]) if number in now else nothing
            if said == before:
                self.pending[place].pop(number, None)
            else:
                self.pending[place][number] = said

    def _noted(self, place: Place, numbers: Iterable[bytes] | None) -> Iterator[tuple[bytes, bytes]]:
        query = "SELECT number, said FROM looked WHERE stream = ? AND lookup = ?"
        if numbers is None:
            yield from self._state.db.execute(query, place).fetchall()
            return
        for number in numbers:
            yield from self._state.db.execute(f"{query} AND number = ?", (*place, number)).fetchall()
