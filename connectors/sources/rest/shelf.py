"""When the interface is asked, and what of its answers is remembered: the state read last, and one that waits.

A poll asks every stream; what it finds is one delivery, fixed in sealed files before the first row of it is passed on.
A stream that cannot be read is told and stays as it was read last; the others go on.
A process that dies and comes back goes on with the same delivery under the same version.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.contract import Incident
from connectors.pipeline.state.state import State
from connectors.sources.files.delivery import Delivery, Entry
from connectors.sources.files.memory import Waiting, rejected_state
from connectors.sources.files.settings import FileStream
from connectors.sources.rest.client import Client
from connectors.sources.rest.config import RestSettings
from connectors.sources.rest.reading import Streams, Told
from connectors.sources.rest.spool import DAMAGED
from hub.domain.clock import micros
from hub.errors import DataError, ServiceUnavailable
from hub.failpoints import fail_point

LAST, PENDING, POLLED = "snapshot", "rest_pending", "rest_polled"
ENDING = ".spool"


@dataclass(frozen=True, slots=True)
class Taken:
    """One state of all streams that could be read, now or before."""

    as_of: int
    streams: Mapping[str, Told]

    @property
    def name(self) -> str:
        return f"poll-{datetime.fromtimestamp(self.as_of / 1e6, UTC):%Y%m%dT%H%M%SZ}"

    @property
    def digest(self) -> str:
        parts = (f"{name} {told.digest}" for name, told in sorted(self.streams.items()))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Polls(Waiting):
    """The shelf of one interface; its files lie beside the connector's state."""

    def __init__(self, settings: RestSettings, state: State, client: Client, streams: Streams) -> None:
        super().__init__(state)
        self._settings, self._client, self._streams = settings, client, streams
        self._folder = _beside(state)
        self._stuck = ""  # digest of what waits and was refused or held
        self._failed: tuple[int, list[Incident]] | None = None

    def check(self) -> None:
        """Whether the first page of every stream can be read; raises what the reading raises."""
        try:
            for stream in self._settings.files.streams.values():
                self._streams.look(stream, datetime.now(UTC))
        finally:
            self._client.close()

    def candidates(self, now: datetime) -> tuple[list[Delivery], list[Incident]]:
        """What was begun goes on first; else the interface is asked, if it is time."""
        pending = self._pending()
        going_on = pending and (pending.digest != self._stuck or self.accepted(self._delivery(pending)))
        if not going_on and self._due(now):
            self._ask(now)
            pending = self._pending()
        found = [self._delivery(pending)] if pending else []
        incidents = list(self._failed[1]) if self._failed else []
        if found and self.rejected(found[0]):
            return [], [*incidents, rejected_state(found[0].name)]
        return found, incidents

    def kept(self) -> Delivery | None:
        last = self._taken(LAST)
        return self._delivery(last) if last and self._usable(last) == last.streams.keys() else None

    def missing(self) -> str | None:
        last = self._taken(LAST)
        return last.name if last and self.kept() is None else None

    def adopt(self, delivery: Delivery) -> None:
        """It is what later states are compared with."""
        pending = self._state.meta(PENDING)
        with self._state.transaction():
            if pending:
                self._state.set_meta(LAST, pending)
            self._state.drop_meta(PENDING)
            self.done()
        self._tidy()

    def refuse(self, delivery: Delivery, incident: Incident) -> None:
        """It stays until the interface says something else."""
        self._stuck = delivery.digest

    def hold(self, delivery: Delivery, stream: str, share: float, reason: str = "") -> None:
        """The newest state alone waits: the interface has forgotten the others."""
        self._stuck = delivery.digest
        super().hold(delivery, stream, share, reason)
        self.only([delivery.digest])

    def _pending(self) -> Taken | None:
        """What waits to be read, unless it is no answer to what is asked now."""
        pending = self._taken(PENDING)
        if pending and self._usable(pending) != pending.streams.keys():
            with self._state.transaction():
                self._state.drop_meta(PENDING)
            return None
        return pending

    def _due(self, now: datetime) -> bool:
        if self._failed and self._apart(self._failed[0], now):
            return False
        told = self._polled()
        if told.get("not_before", 0) > micros(now):
            raise ServiceUnavailable(
                "the server asked to wait",
                place="config.settings.url",
                remedy="nothing to do; it is tried again",
            )
        last = self._taken(LAST)
        whole = last is not None and self._usable(last) == self._settings.files.streams.keys()
        return not whole or not self._apart(told.get("at", 0), now)

    def _apart(self, then: int, now: datetime) -> bool:
        """Whether less than one interval has passed; a clock that was put back counts as none."""
        return 0 <= micros(now) - then < self._settings.poll_seconds * 1_000_000

    def _ask(self, now: datetime) -> None:
        failed: list[Incident] = []
        try:
            streams = self._read(now, failed)
        except ServiceUnavailable:
            if self._client.asked_to_wait:
                until = micros(now) + int(self._client.asked_to_wait * 1_000_000)
                with self._state.transaction():
                    self._state.set_meta(POLLED, json.dumps(self._polled() | {"not_before": until}))
            raise
        finally:
            self._client.close()
            self._failed = (micros(now), failed) if failed else None
        fail_point("rest.after_fetch")
        if streams:
            self._save(streams, now)
        fail_point("rest.after_poll")

    def _read(self, now: datetime, failed: list[Incident]) -> Mapping[str, Told]:
        """Each stream by itself; of one that cannot be read, what was read last."""
        last = self._taken(LAST)
        kept = {name: last.streams[name] for name in self._usable(last)} if last else {}
        self._folder.mkdir(parents=True, exist_ok=True)
        found = dict(kept)
        for name, stream in self._settings.files.streams.items():
            path = self._folder / f"{_short(name)}-{secrets.token_hex(8)}{ENDING}"
            try:
                found[name] = self._one(stream, kept.get(name), path, now)
            except DataError as error:
                failed.append(Incident(name, error.reason, error.place, error.remedy))
        return found

    def _one(self, stream: FileStream, kept: Told | None, path: Path, now: datetime) -> Told:
        """Read a stream; as a whole where the file of its former reading is damaged."""
        try:
            return self._streams.read(stream, kept, path, now)
        except DataError as error:
            if error.reason != DAMAGED:
                raise
            return self._streams.read(stream, None, path, now)

    def _save(self, streams: Mapping[str, Told], now: datetime) -> None:
        """What is new waits to be read; what says the same as before only takes its place."""
        last, pending, told = self._taken(LAST), self._taken(PENDING), self._polled()
        as_of = max(micros(now), told.get("as_of", 0) + 1)
        taken = Taken(as_of, streams)
        with self._state.transaction():
            if last and last.digest == taken.digest:
                self._put(LAST, Taken(last.as_of, streams))
                self._state.drop_meta(PENDING)
                self.done()
            elif pending is None or pending.digest != taken.digest:
                self._put(PENDING, taken)
                told = {"as_of": as_of}
            self._state.set_meta(POLLED, json.dumps({"at": micros(now), "as_of": told.get("as_of", 0)}))
        self._tidy()

    def _tidy(self) -> None:
        """Files that no state names are removed, half-written ones among them."""
        taken = [one for one in (self._taken(LAST), self._taken(PENDING)) if one]
        named = {told.file for one in taken for told in one.streams.values()}
        for path in self._folder.glob("*"):
            if path.name not in named:
                path.unlink(missing_ok=True)

    def _usable(self, taken: Taken) -> set[str]:
        """Streams whose file is there and holds what is asked for now."""
        streams = self._settings.files.streams
        return {
            name
            for name, told in taken.streams.items()
            if name in streams
            and told.mark == self._streams.mark(streams[name])
            and self._path(told).exists()
        }

    def _delivery(self, taken: Taken) -> Delivery:
        files = {name: (Entry(self._path(told), name, taken.as_of),) for name, told in taken.streams.items()}
        return Delivery(taken.name, taken.as_of, files, taken.digest)

    def _path(self, told: Told) -> Path:
        return self._folder / told.file

    def _polled(self) -> dict[str, int]:
        return dict(json.loads(self._state.meta(POLLED) or "{}"))

    def _put(self, name: str, taken: Taken) -> None:
        streams = {stream: asdict(told) for stream, told in taken.streams.items()}
        self._state.set_meta(name, json.dumps([taken.as_of, streams]))

    def _taken(self, name: str) -> Taken | None:
        found = self._state.meta(name)
        if found is None:
            return None
        as_of, streams = json.loads(found)
        told: dict[str, Any] = {stream: Told(**each) for stream, each in streams.items()}
        return Taken(as_of, told)


def _beside(state: State) -> Path:
    """A folder for this state alone: whoever looks with a state of his own leaves this one as it is."""
    path = Path(state.db.execute("PRAGMA database_list").fetchone()[2])
    return path.with_name(f"{path.name}.spool")


def _short(stream: str) -> str:
    return hashlib.sha256(stream.encode()).hexdigest()[:12]
