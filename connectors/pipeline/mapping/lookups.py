"""Other streams' rows by one column: what a row does not carry itself (a person's case, a withdrawal's person)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from connectors.contract import Row, Unreadable
from connectors.pipeline.config.streams import Lookup
from connectors.pipeline.mapping.cells import cell
from connectors.pipeline.mapping.numbers import number_text
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
