"""What a connector says of itself to the hub (`schemas/status.v1.avsc`): bounded words, numbers and times. Pure.

Agencies can seldom be scraped, so their connectors speak. Nothing of anybody fits into what they may say: a word has a
pattern and a length, names are those of a configuration, and whatever else arrives is no heartbeat.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from schemas import InvalidPayload, UnknownSchema, decode_single, encode_single, record_schema, topics

RUNNING, WAITING, AUTH, PAUSED = "running", "waiting", "auth", "paused"
HELD, CLOSED, STOPPED = "held", "closed", "stopped"
STATES = (RUNNING, WAITING, AUTH, PAUSED, HELD, CLOSED, STOPPED)
"""What a connector may say; `waiting`: a service is away; `auth`: it refuses us; `held`: an input waits for somebody's
word; `closed`: the register is too old for the gate."""
CERTIFICATES = ("broker_client", "broker_ca", "key_service_client", "key_service_ca")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""A connector's name: of one agency, known to its operators, a label of metrics."""
MOST_QUARANTINED = 50
"""(stream, reason) pairs in one heartbeat; what is beyond counts under OTHER."""
OTHER = "other"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_SCHEMA = "status"
_LATEST = 253_402_300_799_000_000  # the last second of the year 9999


class QuarantineCount(NamedTuple):
    """How many records of a stream wait at the agency for one reason."""

    stream: str
    reason: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Times are microseconds since 1970 UTC; `at` by the connector's own clock. `certificates`: which → its end."""

    agency: str
    connector: str
    kind: str
    role: str
    state: str
    at: int
    last_success: int | None = None
    register_as_of: int | None = None
    closed: str = ""
    software: str = "unknown"
    quarantined: tuple[QuarantineCount, ...] = ()
    certificates: Mapping[str, int] = field(default_factory=dict)


def status_topic(agency: str) -> str:
    """Written by the agency's connectors, read by the hub."""
    return topics()["status"].of(agency)


def word(text: str) -> str:
    """The text if it is a bounded word, else OTHER."""
    return text if _WORD.fullmatch(text) else OTHER


def encode(beat: Heartbeat) -> bytes:
    told = asdict(beat) | {"quarantined": [one._asdict() for one in beat.quarantined]}
    return encode_single(record_schema(_SCHEMA), told)


def decode(value: bytes) -> Heartbeat | None:
    """The heartbeat in these bytes; None when they are none, or say more than one may."""
    try:
        schema, found = decode_single(value)
    except (InvalidPayload, UnknownSchema):
        return None
    if schema.fingerprint != record_schema(_SCHEMA).fingerprint:
        return None
    waiting = tuple(QuarantineCount(**one) for one in found.pop("quarantined"))
    beat = Heartbeat(**found, quarantined=waiting)
    return beat if all(_bounded(beat)) else None


def _bounded(beat: Heartbeat) -> Iterator[bool]:
    yield NAME.fullmatch(beat.connector) is not None
    yield beat.role in ("source", "sink")
    yield beat.state in STATES
    yield all(one == word(one) for one in (beat.agency, beat.kind, beat.software, beat.closed or OTHER))
    times = (beat.at, beat.last_success, beat.register_as_of, *beat.certificates.values())
    yield all(at is None or 0 <= at <= _LATEST for at in times)
    yield set(beat.certificates) <= set(CERTIFICATES)
    yield len(beat.quarantined) <= MOST_QUARANTINED
    yield all(one == word(one) for entry in beat.quarantined for one in entry[:2])
    yield all(entry.number >= 0 for entry in beat.quarantined)
