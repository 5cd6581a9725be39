"""The topics table: who writes and who reads what under which key, and how long it is kept."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from schemas.limits import RECORD_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row of ``topics.toml``; ``retention_hours`` None = for ever, unless ``cleanup`` is ``compact``."""

    name: str
    pattern: str
    key: str
    written_by: str
    read_by: str
    cleanup: str
    timestamp: str
    retention_hours: int | None = None
    segment_hours: int | None = None

    @property
    def per_agency(self) -> bool:
        """Whether every agency has one of its own."""
        return "{agency}" in self.pattern

    def of(self, agency: str = "") -> str:
        """The topic's name at the broker; raises ValueError if an agency is needed and missing."""
        if self.per_agency and not agency:
            raise ValueError(f"topic {self.name}: needs an agency id")
        return self.pattern.format(agency=agency)

    def settings(self) -> dict[str, str]:
        """The topic's configuration as Kafka names it."""
        keep = -1 if self.retention_hours is None else self.retention_hours * 3_600_000
        segment = {} if self.segment_hours is None else {"segment.ms": str(self.segment_hours * 3_600_000)}
        return segment | {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(keep),
            "retention.bytes": "-1",
            "message.timestamp.type": self.timestamp,
            "compression.type": "producer",
            "max.message.bytes": str(RECORD_BYTES),
        }


@cache
def topics() -> Mapping[str, Topic]:
    """Short name (``consents``, ``events``, ...) → topic."""
    table = tomllib.loads((files("schemas") / "topics.toml").read_text(encoding="utf-8"))
    return MappingProxyType({name: Topic(name=name, **row) for name, row in table.items()})
