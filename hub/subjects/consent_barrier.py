"""Closed until caught up (protocol rule 14).

After a start, and whenever the consents worker lags beyond its limit, admit, disclose and web stay closed: a withdrawal
that nobody has read yet must not be overtaken. The consents worker marks each moment at which it had read all consent
topics and the hub's words (`hub.topology.CONSENTS`) to the end they had at that moment.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from hub import topology
from hub.domain.clock import micros
from hub.errors import TryAgain
from hub.parts import Parts
from hub.ports import TopicState
from hub.store import meta, positions
from hub.store.positions import pass_markers

_STAGE = topology.CONSENTS.stage
_MARK = "consents.words_caught_up"
_MARK_OF_LAST_RELEASE = "consents.caught_up"
"""A worker of the last release sets it without having read `hub.words`, and opens by it: it is kept for those workers,
and opens none of this release."""
AHEAD = 5.0
"""How far another machine's clock may run ahead of this one's, in seconds; `hub doctor` asks for no more."""


def consent_topics(parts: Parts) -> list[str]:
    return list(topology.CONSENTS.topics(parts.agencies))


def mark_if_caught_up(parts: Parts) -> bool:
    """Called by the consents worker after each round: note the time if everything that was there is read."""
    at = micros(parts.clock.now())
    topics = consent_topics(parts)
    ends = parts.log.state(topics)
    with parts.store.transaction() as connection:
        stored = positions.all_of(connection, _STAGE)
    for name, state in ends.items():
        if not _read(stored.get((_STAGE, name), {}), state):
            pass_markers(parts.store, parts.log, _STAGE, state)
    with parts.store.transaction() as connection:
        stored = positions.all_of(connection, _STAGE)
        done = all(_read(stored.get((_STAGE, name), {}), state) for name, state in ends.items())
        if done and len(ends) == len(topics):
            _mark(connection, at)
    return done


def start_closed(parts: Parts) -> None:
    """Called by the consents worker when it starts: nothing counts as read until it has looked."""
    with parts.store.transaction() as connection:
        _mark(connection, 0)


def last_caught_up(connection: Connection) -> int:
    """When all consents were last read to their end (microseconds since 1970 UTC); 0 since a start until then."""
    return meta.get(connection, _MARK) or 0


def is_open(parts: Parts, since: int = 0) -> bool:
    """Whether admit, disclose and web may go on now: consents are kept up, and were read to the end they had at `since`
    (microseconds since 1970 UTC; a worker's own start). A mark from the future is none: a clock that ran ahead tells
    nothing of what was read since."""
    with parts.store.transaction() as connection:
        mark = last_caught_up(connection)
    age = (micros(parts.clock.now()) - mark) / 1_000_000
    return mark >= since and -AHEAD <= age <= parts.stale_after


def require_open(parts: Parts) -> None:
    """Raise TryAgain while consents are behind."""
    if not is_open(parts):
        raise TryAgain("consents are not read to their end yet", place="consents", remedy="it is tried again")


def _mark(connection: Connection, at: int) -> None:
    for name in (_MARK, _MARK_OF_LAST_RELEASE):
        meta.put(connection, name, at)


def _read(stored: Mapping[int, tuple[str, int]], state: TopicState) -> bool:
    return all(stored.get(partition, ("", 0))[1] >= end for partition, end in state.end.items())
