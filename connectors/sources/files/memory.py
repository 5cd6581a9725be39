"""What a shelf remembers between runs: what was read last, what waits for a person, what was confirmed or rejected."""

import json
from collections.abc import Collection
from typing import NamedTuple

from connectors.contract import Held, Incident
from connectors.pipeline.state.state import State
from connectors.sources.files.delivery import STREAM, Delivery
from hub.errors import Refused, UsageError

HELD, ACCEPTED, REJECTED = "held", "accepted", "rejected"
NOT_NEWER = "as_of_not_newer"


class _Waits(NamedTuple):
    """A delivery that waits: which stream it is about, how many of its keys vanished, and why it waits."""

    name: str
    stream: str
    share: float
    digest: str
    reason: str = ""

    @property
    def held(self) -> Held:
        return Held(self.name, self.stream, self.share)


class Waiting:
    """Deliveries that wait until somebody accepts or rejects them; each by its content, and no later one."""

    def __init__(self, state: State) -> None:
        self._state = state

    def hold(self, delivery: Delivery, stream: str, share: float, reason: str = "") -> None:
        others = [one for one in self._waits() if one.digest != delivery.digest]
        self._keep([*others, _Waits(delivery.name, stream, share, delivery.digest, reason)])

    def held(self) -> Held | None:
        """The one that was held last."""
        return next((one.held for one in reversed(self._waits())), None)

    def all_held(self) -> list[Held]:
        return [one.held for one in self._waits()]

    def accept(self, name: str = "") -> Held | None:
        """Confirm what is held, and nothing that comes later; `name` where several are. Raises UsageError, and Refused
        for a delivery that is older than what was read: nothing could be published of it."""
        one = self._chosen(name)
        if one is None:
            return None
        if one.reason == NOT_NEWER:
            raise Refused(
                "is older than what was read",
                reason=NOT_NEWER,
                place=one.name,
                remedy="export it again with a new day, or hub connect reject",
            )
        self._add(ACCEPTED, one.digest)
        return one.held

    def reject(self, name: str = "") -> Held | None:
        """Never read this delivery; `name` where several are held. Raises UsageError."""
        one = self._chosen(name)
        if one is None:
            return None
        self._add(REJECTED, one.digest)
        self._keep([other for other in self._waits() if other.digest != one.digest])
        return one.held

    def accepted(self, delivery: Delivery) -> bool:
        return delivery.digest in self._listed(ACCEPTED)

    def rejected(self, delivery: Delivery) -> bool:
        return delivery.digest in self._listed(REJECTED)

    def only(self, digests: Collection[str]) -> None:
        """What waits and lies there no longer waits no more."""
        waits = self._waits()
        if left := [one for one in waits if one.digest in digests]:
            if left != waits:
                self._keep(left)
        elif waits:
            self._keep([])

    def done(self, delivery: Delivery | None = None, *, still: Collection[str] = ()) -> None:
        """Inside the caller's transaction: this one waits no more; without one, nothing but what is `still` held."""
        waits, accepted = self._waits(), self._listed(ACCEPTED)
        left = [one for one in waits if (delivery and one.digest != delivery.digest) or one.digest in still]
        self._write(left)
        self._state.set_meta(
            ACCEPTED, json.dumps([one for one in accepted if delivery and one != delivery.digest])
        )

    def _chosen(self, name: str) -> _Waits | None:
        waits = self._waits()
        if name and not any(one.name == name for one in waits):
            raise UsageError(f"is not held: {name}", place="NAME", remedy=_named(waits))
        if not name and len(waits) > 1:
            raise UsageError("several deliveries are held", place="NAME", remedy=_named(waits))
        return next((one for one in waits if name in ("", one.name)), None)

    def _waits(self) -> list[_Waits]:
        found = json.loads(self._state.meta(HELD) or "[]")
        several = found if not found or isinstance(found[0], list) else [found]  # an older release kept one
        return [_Waits(*one) for one in several]

    def _listed(self, name: str) -> list[str]:
        found = self._state.meta(name) or "[]"
        return list(json.loads(found)) if found.startswith("[") else [found]  # an older release kept one

    def _add(self, name: str, digest: str) -> None:
        with self._state.transaction():
            self._state.set_meta(name, json.dumps(sorted({*self._listed(name), digest})))

    def _keep(self, waits: list[_Waits]) -> None:
        with self._state.transaction():
            self._write(waits)

    def _write(self, waits: list[_Waits]) -> None:
        self._state.set_meta(HELD, json.dumps(waits))


def rejected_state(place: str) -> Incident:
    """Of a system that is asked again and again, and says what a person rejected."""
    remedy = "correct the system: nothing is read until it says something else"
    return Incident(STREAM, "state_rejected", place, remedy)


def _named(waits: list[_Waits]) -> str:
    return "name one of " + ", ".join(one.name for one in waits) if waits else "nothing is held"
