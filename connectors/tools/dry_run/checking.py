"""What there is to say of a source before it runs: what stands still, which codes are in no table, which rows cannot be
read. The whole of it is read as in a first run, and nothing is kept; no value is told."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from connectors.contract import Incident
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.publish.keyring import Keys
from connectors.tools.dry_run.offline import offline
from connectors.tools.dry_run.protections import Effect, effect_of
from connectors.tools.dry_run.spelling import Alike, spellings

UNKNOWN_CODE, TWICE = "unknown_code", "hour_comes_twice"


class Fault(NamedTuple):
    """Records of one event that cannot be read for one reason in one column; `place` is the first of them."""

    event_type: str
    column: str
    reason: str
    place: str
    remedy: str
    records: int


class Asked(NamedTuple):
    """Rows of a stream that a lookup was asked for, and those for which it found nothing."""

    stream: str
    lookup: str
    rows: int
    nothing: int


@dataclass(slots=True)
class Found:
    """`incidents`: streams or deliveries that stand still; `codes`: codes in no table; `faults`: the rest;
    `asked`: what lookups found; `replaced`: the same of cells for which a default stands; `twice`: times that
    come twice on a local clock; `unmapped`: stream → columns that nobody mapped; `consents`: how many count; `alike`:
    numbers that are one only as we spell them; `beside`: stream → records whose rows of an older and of a newer number
    of a person stand at once."""

    read: int = 0
    incidents: list[Incident] = field(default_factory=list)
    codes: list[Fault] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    replaced: list[Asked] = field(default_factory=list)
    twice: list[Fault] = field(default_factory=list)
    unmapped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    consents: Effect = field(default_factory=Effect)
    alike: list[Alike] = field(default_factory=list)
    beside: Mapping[str, int] = field(default_factory=dict)


def examine(
    config: ConnectorConfig,
    keys: Keys,
    now: datetime,
    policy_files: Sequence[Path] = (),
    rows: int | None = None,
) -> Found:
    """Read the source (up to about `rows` rows) and say what is wrong. Raises ConfigurationError and what it raises."""
    found, first, counts = Found(), dict[tuple[str, str, str], Unmapped](), Counter[tuple[str, str, str]]()
    twice: dict[tuple[str, str], Fault] = {}
    with offline(config, keys, policy_files) as house, spellings(config) as noted:
        house.spellings = noted
        for one in house.judged(now):
            if isinstance(one, Incident):
                if one not in found.incidents:
                    found.incidents.append(one)
            elif isinstance(one, Unmapped):
                kind = (one.event_type, one.column, one.reason)
                first.setdefault(kind, one)
                counts[kind] += 1
            elif isinstance(one, Judged):
                _note_hours(one.event, twice)
            if rows is not None and house.read >= rows:
                break
        found.read = house.read
        found.asked, found.replaced = list(_asked(house.asked)), list(_asked(house.replaced))
        found.unmapped = house.unmapped()
        found.consents = effect_of(house.consents(now), now)
        found.alike, found.beside = noted.alike(), noted.beside()
    found.twice = [fault for _, fault in sorted(twice.items())]
    for (event_type, column, reason), one in sorted(first.items()):
        fault = Fault(event_type, column, reason, one.place, one.remedy, counts[event_type, column, reason])
        (found.codes if reason == UNKNOWN_CODE else found.faults).append(fault)
    return found


def _note_hours(event: MappedEvent, twice: dict[tuple[str, str], Fault]) -> None:
    """Count the columns in which a local time comes twice; the place is the first of them."""
    name = event.schema.event_type
    for column in event.twice:
        before = twice.get((name, column)) or Fault(name, column, TWICE, event.place, "", 0)
        twice[name, column] = before._replace(records=before.records + 1)


def _asked(counts: Counter[tuple[str, str, bool]]) -> Iterator[Asked]:
    for stream, lookup in sorted({(stream, lookup) for stream, lookup, _ in counts}):
        nothing = counts[stream, lookup, False]
        yield Asked(stream, lookup, counts[stream, lookup, True] + nothing, nothing)
