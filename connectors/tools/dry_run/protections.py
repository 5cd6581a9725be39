"""What protects at an agency: circumstances that narrow a release, and consents that have effect.

A circumstance that is never mapped never narrows: entrusted data (§ 65 SGB VIII) then look like any other. So every
event of a youth welfare office answers each of them, by a column or by the word `none`, and no column that looks like
one is left unmapped by oversight.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.protecting import protects
from connectors.pipeline.config.streams import ANSWERING
from connectors.pipeline.config.tables import CIRCUMSTANCES
from hub.domain.consent import Consent


class Unanswered(NamedTuple):
    """An event whose mapping leaves circumstances open."""

    stream: str
    event_type: str
    circumstances: tuple[str, ...]


class Lookalike(NamedTuple):
    """An unmapped column whose name is that of a circumstance, or of a block (`BLOCKED`)."""

    stream: str
    column: str
    circumstance: str


@dataclass(slots=True)
class Effect:
    """`flawed`: reason → consents without effect for it; one consent may have several reasons."""

    effective: int = 0
    without: int = 0
    flawed: Counter[str] = field(default_factory=Counter)


def unanswered(config: ConnectorConfig) -> Iterator[Unanswered]:
    """Events about persons or families for which a circumstance is neither mapped, nor answered by `none`, nor by an
    event of its own (`ObjectionRaised`)."""
    if config.agency_kind not in ANSWERING:
        return
    events = {event.schema.event_type for stream in config.streams.values() for event in stream.events}
    elsewhere = {"objected_76"} if "ObjectionRaised" in events else set()
    for name, stream in config.streams.items():
        for event in stream.events:
            left = tuple(
                one for one in CIRCUMSTANCES if not {one} & {*event.facts, *event.absent, *elsewhere}
            )
            if left and not event.control:
                yield Unanswered(name, event.schema.event_type, left)


def lookalikes(config: ConnectorConfig, unmapped: Mapping[str, Iterable[str]]) -> Iterator[Lookalike]:
    """Unmapped columns that look like a circumstance or a block, but for those that the stream calls unrelated."""
    for name, columns in sorted(unmapped.items()):
        for column in columns:
            if column not in config.streams[name].unrelated and (found := protects(column)):
                yield Lookalike(name, column, found)


def withdrawable(config: ConnectorConfig) -> bool:
    """Whether a consent that is recorded here can be withdrawn here: its end is an event, or a column of its row, or
    its vanishing."""
    events = [event for stream in config.streams.values() for event in stream.events]
    grants = [event for event in events if event.schema.event_type == "ConsentGranted"]
    ends = [event.schema.event_type for event in events] + [
        stream.on_vanish.schema.event_type for stream in config.streams.values() if stream.on_vanish
    ]
    return "ConsentWithdrawn" in ends or all("withdrawn_at" in event.fields for event in grants)


def effect_of(consents: Iterable[tuple[Consent, bool]], at: datetime) -> Effect:
    """How many consents count at `at`, and why the others do not; the flag says whether all signed who must."""
    found = Effect()
    for consent, signed in consents:
        flaws = tuple(_flaws(consent, signed=signed, at=at))
        found.flawed.update(flaws)
        found.without += bool(flaws)
        found.effective += not flaws
    return found


def _flaws(consent: Consent, *, signed: bool, at: datetime) -> Iterator[str]:
    """Why a consent does not count (§ 67b(2) SGB X; Art. 7 GDPR; § 36 SGB I)."""
    yield from consent.flaws()
    if not signed:
        yield "signers"
    if not consent.in_force(at):
        yield "not_in_force"
