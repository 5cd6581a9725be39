"""Other streams' rows by one column: what a row does not carry itself (a person's case, a withdrawal's person)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from connectors.runtime.cells import cell, plain_text
from connectors.runtime.numbers import number_text
from connectors.runtime.ports import Row
from connectors.runtime.streams import Lookup
from hub.errors import DataError


class LookupIndex:
    """In memory, local ids only; kept up with the control rows of each step."""

    def __init__(self, lookups: Mapping[str, Lookup]) -> None:
        self._lookups = lookups
        self.tables: dict[str, dict[str, list[Mapping[str, str]]]] = {name: {} for name in lookups}
        self._rows: dict[str, dict[str, tuple[str, Mapping[str, str]]]] = defaultdict(dict)

    @property
    def streams(self) -> frozenset[str]:
        return frozenset(lookup.stream for lookup in self._lookups.values())

    def take(self, rows: Iterable[Row], *, complete: bool) -> frozenset[str]:
        """Take rows in (`complete`: instead of all known); the keys under which something changed."""
        if complete:
            self._rows.clear()
            self.tables = {name: {} for name in self._lookups}
        changed: set[str] = set()
        for row in rows:
            for name, lookup in self._lookups.items():
                if lookup.stream == row.stream:
                    changed |= self._put(name, lookup, row)
        return frozenset(changed)

    def _put(self, name: str, lookup: Lookup, row: Row) -> set[str]:
        old = self._rows[name].get(row.key)
        new = None if row.gone or row.fault else _entry(row, lookup)
        if old == new:
            return set()
        if old:
            self.tables[name][old[0]].remove(old[1])
            del self._rows[name][row.key]
        if new:
            self.tables[name].setdefault(new[0], []).append(new[1])
            self._rows[name][row.key] = new
        return {entry[0] for entry in (old, new) if entry}


def _entry(row: Row, lookup: Lookup) -> tuple[str, Mapping[str, str]] | None:
    """What the row says; None where its number cannot be read, which holds the row itself."""
    try:
        return number_text(cell(row.values, lookup.key), lookup.key), {
            column: _text(row, column) for column in lookup.columns
        }
    except DataError:
        return None


def _text(row: Row, column: str) -> str:
    value = cell(row.values, column)
    return "" if value is None else plain_text(value, column)
