"""The agency's part of an event's story, from the state of connectors on this machine: read, and judged at the gate."""

from collections.abc import Sequence
from pathlib import Path

from connectors.pipeline.config.connector import ConnectorConfig, load_config
from connectors.pipeline.gate.journal import GateJournal, JournalEntry
from connectors.pipeline.state.state import State
from hub.rights.event_history.steps import HistoryStep, Trail, in_order


def configs(paths: Sequence[Path]) -> list[ConnectorConfig]:
    """Raises NoInput or ConfigurationError; a connector that never ran has nothing to tell."""
    return [config for path in paths if (config := load_config(path)).state.exists()]


def at_the_agency(connectors: Sequence[ConnectorConfig], event_id: str) -> Trail:
    """What these connectors know of the event; no steps when they know nothing."""
    found = [one for config in connectors for one in _verdicts(config, event_id)]
    read = {(one.at, one.place): _read(one) for one in found}
    return Trail(
        event_id, found[0].event_type if found else None, in_order((*read.values(), *map(_judged, found)))
    )


def _verdicts(config: ConnectorConfig, event_id: str) -> Sequence[JournalEntry]:
    try:
        wanted = bytes.fromhex(event_id)
    except ValueError:
        return ()
    state = State(config.state, lambda _: b"", alone=False)
    try:
        return GateJournal(state.db).of(wanted)
    finally:
        state.close()


def _read(one: JournalEntry) -> HistoryStep:
    """Reading and judging are one moment: nothing lies between them."""
    return HistoryStep(at=one.at, point="read", where=one.place, outcome="read")


def _judged(one: JournalEntry) -> HistoryStep:
    outcome = "withheld" if one.rule else "narrowed_down" if one.dropped else "passed"
    rules = tuple(sorted({one.rule} - {""} | set(one.dropped.values())))
    return HistoryStep(
        at=one.at,
        point="egress",
        where=one.place,
        outcome=outcome,
        rules=rules,
        kept=one.kept,
        dropped=one.dropped,
    )
