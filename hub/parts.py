"""What every stage is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.domain.agencies import Agency
from hub.policy.gate import Gate
from hub.policy.retention import Retention, default_retention
from hub.ports import Clock, EventLog, HubKeyStore, Projection
from hub.sealed.decode import HeaderCache
from hub.store import Store
from hub.subjects.knowledge import KnowledgeCache
from schemas import topics

CASES = topics()["cases"].of()


@dataclass(frozen=True, slots=True)
class Parts:
    """The hub's adapters and settings, made once by the composition root.

    `secret` keys what the hub itself hashes: pairing codes, recipient pseudonyms, view contents. `read_models` are
    those that are installed. `lease` is how long a staging row may stand without renewal, in seconds.
    """

    store: Store
    log: EventLog
    keys: HubKeyStore
    clock: Clock
    gate: Gate
    agencies: Mapping[str, Agency]
    secret: bytes = field(repr=False)
    read_models: tuple[Projection[Any], ...] = field(repr=False)
    knowledge: KnowledgeCache = field(default_factory=KnowledgeCache, repr=False)
    heads: HeaderCache = field(default_factory=HeaderCache, repr=False)
    lease: int = 24 * 3600
    hold_days: int = 7
    stale_after: float = 60.0
    retention: Retention = field(default_factory=default_retention, repr=False)
