"""Why nothing moves: kept in the state, so that `hub connect status` tells it beside a process that waits."""

import json
from datetime import datetime
from typing import NamedTuple

from connectors.pipeline.state.state import State
from hub.errors import AccessRefused, ServiceUnavailable

NAME = "trouble"
AUTH, AWAY = "AUTH", "AWAY"


class LastError(NamedTuple):
    """`status`: AUTH (account or rights refused: waiting will not help) or AWAY; `since`: when it began (UTC)."""

    status: str
    place: str
    remedy: str
    since: str


def note(state: State, error: ServiceUnavailable, now: datetime) -> None:
    """A step ended with this; the same trouble keeps its beginning."""
    status = AUTH if isinstance(error, AccessRefused) else AWAY
    before = trouble(state)
    since = before.since if before and before.status == status else now.isoformat()
    with state.transaction():
        state.set_meta(NAME, json.dumps([status, error.place, error.remedy, since]))


def clear(state: State) -> None:
    """A step went well."""
    if state.meta(NAME) is not None:
        with state.transaction():
            state.drop_meta(NAME)


def trouble(state: State) -> LastError | None:
    """What the last step ended with, if not well."""
    found = state.meta(NAME)
    return LastError(*json.loads(found)) if found else None
