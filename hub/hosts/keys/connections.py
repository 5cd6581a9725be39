"""Who may hold how many connections to the key service, and for how long: nobody can keep everybody else from it.

Before the handshake only the address is known: of an address (and of all) with too many handshakes under way the oldest
is ended, because whoever means it is through within milliseconds. After it the certificate is known: each agency has
its own number, those of the hub are counted apart, and the connection that has been idle longest makes room. A
connection that is not idle is never ended for another one; then the new one is refused and told why.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from socket import SHUT_RDWR, socket
from threading import Lock

from hub.adapters.keys.tls import Peer

Closed = Callable[[str], object]
"""Hears why a connection was ended: `handshake`, `idle`, `slow`, `crowded` or `refused`."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Numbers of connections, and seconds. A question's seconds are for sending it, an answer's for taking it."""

    handshakes: int = 256
    handshakes_per_address: int = 32
    per_agency: int = 16
    agencies: int = 256
    hub: int = 64
    refused: int = 8
    handshake_seconds: float = 5.0
    idle_seconds: float = 60.0
    question_seconds: float = 10.0
    answer_seconds: float = 30.0


class Phase(Enum):
    """What a connection is at; `WORKING` has no limit of its own, for the database has one."""

    HANDSHAKE = "handshake"
    IDLE = "idle"
    ASKING = "asking"
    WORKING = "working"
    TAKING = "taking"


@dataclass(slots=True, eq=False)
class Connection:
    """One connection; `refused` where it is only to be told why it cannot stay."""

    socket: socket
    address: str
    phase: Phase
    since: float
    owner: str | None = None
    refused: bool = False
    ended: bool = field(default=False)


def _unheard(_: str) -> None:
    pass


class Connections:
    """The connections there are. Safe to share between threads; `monotonic` gives seconds."""

    def __init__(
        self,
        limits: ConnectionLimits,
        closed: Closed = _unheard,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits, self._closed, self._monotonic = limits, closed, monotonic
        self._lock = Lock()
        self._all: set[Connection] = set()
        self._seconds = {
            Phase.HANDSHAKE: limits.handshake_seconds,
            Phase.IDLE: limits.idle_seconds,
            Phase.ASKING: limits.question_seconds,
            Phase.TAKING: limits.answer_seconds,
        }

    def arrived(self, accepted: socket, address: str) -> Connection:
        """Somebody connected; whose handshake has lasted longest makes room."""
        new = Connection(accepted, address, Phase.HANDSHAKE, self._monotonic())
        with self._lock:
            waiting = [one for one in self._all if one.phase is Phase.HANDSHAKE and not one.ended]
            same = [one for one in waiting if one.address == address]
            if len(same) >= self._limits.handshakes_per_address:
                self._end(_oldest(same), "handshake")
            elif len(waiting) >= self._limits.handshakes:
                crowd, _ = Counter(one.address for one in waiting).most_common(1)[0]
                self._end(_oldest(one for one in waiting if one.address == crowd), "handshake")
            self._all.add(new)
        return new

    def secured(self, connection: Connection, by: socket) -> bool:
        """The socket that stands for the connection from now on; False when it was ended meanwhile."""
        with self._lock:
            connection.socket = by
            return not connection.ended

    def known(self, connection: Connection, peer: Peer | None, agencies: Iterable[str]) -> None:
        """The handshake told who it is. Where its owner has too many and all of them work, it is `refused`."""
        owner = _owner(peer, agencies)
        with self._lock:
            connection.refused = not self._room_for(owner)
            connection.owner = owner
            self._enter(connection, Phase.IDLE)
            if connection.refused:
                self._closed("refused")
                lingering = [one for one in self._of(owner) if one.refused]
                if len(lingering) > self._limits.refused:
                    self._end(_oldest(lingering), "crowded")

    def enter(self, connection: Connection, phase: Phase) -> None:
        """It goes on to another phase, which has a time of its own."""
        with self._lock:
            self._enter(connection, phase)

    def left(self, connection: Connection) -> None:
        """Call it before the socket is closed: its number may be another connection's at once."""
        with self._lock:
            connection.ended = True
            self._all.discard(connection)

    def now(self) -> list[Connection]:
        """Those that there are."""
        with self._lock:
            return [one for one in self._all if not one.ended]

    def end_overdue(self) -> None:
        """End every connection that has been in its phase for longer than that may last."""
        now = self._monotonic()
        causes = {Phase.HANDSHAKE: "handshake", Phase.IDLE: "idle"}
        with self._lock:
            for one in self._all:
                allowed = self._seconds.get(one.phase)
                if not one.ended and allowed is not None and now - one.since > allowed:
                    self._end(one, causes.get(one.phase, "slow"))

    def _room_for(self, owner: str) -> bool:
        """Whether one more of this owner fits; an idle one may have to go for it."""
        mine = [one for one in self._of(owner) if not one.refused]
        limits = self._limits
        if owner == _HUB:
            return len(mine) < limits.hub or self._end_idle(mine)
        if len(mine) >= limits.per_agency:
            return self._end_idle(mine)
        others = [
            one for one in self._all if one.owner not in (None, _HUB) and not one.refused and not one.ended
        ]
        return len(others) < limits.agencies or self._end_idle(_of_most(others))

    def _of(self, owner: str) -> list[Connection]:
        return [one for one in self._all if one.owner == owner and not one.ended]

    def _end_idle(self, among: Iterable[Connection]) -> bool:
        idle = [one for one in among if one.phase is Phase.IDLE]
        if idle:
            self._end(_oldest(idle), "crowded")
        return bool(idle)

    def _enter(self, connection: Connection, phase: Phase) -> None:
        connection.phase, connection.since = phase, self._monotonic()

    def _end(self, connection: Connection, cause: str) -> None:
        """Its own thread, which waits for it, notices and closes it."""
        connection.ended = True
        self._closed(cause)
        with suppress(OSError):
            socket.shutdown(
                connection.socket, SHUT_RDWR
            )  # not SSLSocket's, which would wait for the other side


_HUB = "hub"


def _owner(peer: Peer | None, agencies: Iterable[str]) -> str:
    """Who the connection counts for: all that belong to nobody who takes part count together."""
    if peer is None:
        return "stranger"
    if peer.role == "hub":
        return _HUB
    return f"agency {peer.controller}" if peer.controller in agencies else "stranger"


def _oldest(among: Iterable[Connection]) -> Connection:
    return min(among, key=lambda one: one.since)


def _of_most(among: Iterable[Connection]) -> list[Connection]:
    """Those of the owner that has most of them."""
    found = list(among)
    most, _ = Counter(one.owner for one in found).most_common(1)[0]
    return [one for one in found if one.owner == most]
