"""Streams that could not be read when persons were read again (protocol rule 12): their rows are still owed."""

import json
from collections.abc import Collection, Iterable

from connectors.pipeline.state.state import State

META = "passed over"


class SkippedStreams:
    """Kept in the connector's state. A stream that stands still holds nobody up; once it is read, everybody known is
    read again."""

    def __init__(self, state: State) -> None:
        self._state = state

    def note(self, streams: Iterable[str]) -> None:
        """Persons are read without these streams."""
        streams, before = set(streams), self._streams()
        if not streams <= before:
            self._keep(before | streams)

    def caught_up(self, running: Collection[str]) -> None:
        """These streams can be read."""
        before = self._streams()
        if back := before.intersection(running):
            self._keep(before - back, owed=True)

    def _streams(self) -> set[str]:
        return set(json.loads(self._state.meta(META) or "[]"))

    def _keep(self, streams: set[str], *, owed: bool = False) -> None:
        with self._state.transaction():
            self._state.set_meta(META, json.dumps(sorted(streams)))
            if owed:
                self._state.note_all_changed()
