"""What a shelf remembers between runs: what was read last, what waits for a person, what was confirmed."""

import json

from connectors.files.delivery import Delivery
from connectors.runtime.ports import Held
from connectors.runtime.state import State

HELD, ACCEPTED = "held", "accepted"


class Waiting:
    """Deliveries in which too many keys vanished wait until somebody says that it is true."""

    def __init__(self, state: State) -> None:
        self._state = state

    def hold(self, delivery: Delivery, stream: str, share: float) -> None:
        with self._state.transaction():
            self._state.set_meta(HELD, json.dumps([delivery.name, stream, share, delivery.digest]))

    def held(self) -> Held | None:
        found = self._state.meta(HELD)
        return Held(*json.loads(found)[:3]) if found else None

    def accept(self) -> Held | None:
        """Confirm what is held, and nothing that comes later."""
        found, held = self._state.meta(HELD), self.held()
        if found:
            with self._state.transaction():
                self._state.set_meta(ACCEPTED, json.loads(found)[3])
        return held

    def accepted(self, delivery: Delivery) -> bool:
        return self._state.meta(ACCEPTED) == delivery.digest

    def done(self) -> None:
        """Inside the caller's transaction: nothing waits any more."""
        self._state.drop_meta(HELD)
        self._state.drop_meta(ACCEPTED)
