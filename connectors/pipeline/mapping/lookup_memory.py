"""Which rows were said with what other streams said, so that they are said again once that is otherwise.

What was found under a number is kept as keyed hashes alone, in the connector's state: by stream and lookup, the number
and what stood there. A row that waits because nothing was found is among them, so it goes on as soon as something is.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from connectors.contract import Row
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.mapping.lookups import LookupIndex
from connectors.pipeline.mapping.row_rules import looked_number
from connectors.pipeline.state.state import State
from hub.errors import DataError

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
