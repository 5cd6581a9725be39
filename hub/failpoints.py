"""Places where a test may kill the process, so that every crash the protocol speaks of is really tried.

`HUB_FAILPOINT=admit.in_transaction:3` kills this process with SIGKILL when it passes that point for the third time.
Without the variable a point costs a look into an empty dictionary.
"""

import os
import signal
from functools import cache


@cache
def _armed() -> dict[str, int]:
    wanted = [entry for entry in os.environ.get("HUB_FAILPOINT", "").split(",") if entry]
    return {name: int(count or 1) for name, _, count in (entry.partition(":") for entry in wanted)}


def fail_point(name: str) -> None:
    """Die here if this point is armed and its count is reached."""
    armed = _armed()
    if name in armed:
        armed[name] -= 1
        if armed[name] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
