"""Rows as the events that they are, with what other streams say of them."""

from collections.abc import Iterable

from connectors.contract import Row, Source
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.mapping.lookups import LookupIndex
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.mapping.mapper import Mapper
from hub.domain.identifiers import Naming


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
        for name, columns in found.items() if name in config.streams
    }  # fmt: skip
    return {name: columns for name, columns in left.items() if columns}
