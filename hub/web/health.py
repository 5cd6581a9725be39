"""Whether the web side could answer now: each part is asked for something that it must look up."""

from collections.abc import Callable, Mapping

from hub.errors import HubError
from hub.parts import CASES, Parts
from hub.ports import KeyRef
from hub.store import views
from hub.subjects.consent_barrier import is_open

_NOBODY = KeyRef("proof", "(ready)", "(ready)")


def readiness(parts: Parts, since: int) -> Mapping[str, bool]:
    """Part → whether it answers; the consents are ready when they were read to the end they had at `since`, this
    process's start in microseconds since 1970 UTC, and are kept up (protocol rule 14)."""
    return {
        "store": _answers(lambda: _store(parts)),
        "keys": _answers(lambda: bool(parts.keys.opening([(_NOBODY, 1)]))),
        "log": _answers(lambda: CASES in parts.log.state([CASES])),
        "consents": _answers(lambda: is_open(parts, since)),
    }


def _store(parts: Parts) -> bool:
    with parts.store.transaction() as connection:
        return views.waiting(connection) >= 0


def _answers(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except HubError:
        return False
