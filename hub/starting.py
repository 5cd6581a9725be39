"""Until a service listens to signals itself: told to stop, it leaves with 0, for nothing has begun.

Imports take a second or two, and an operator may stop what was just started. Stands apart from `hub.cli`, whose own
imports are among those.
"""

import os
import signal
import sys

_SERVICES = (["worker"], ["up"], ["key-service"], ["connect", "run"], ["danger", "run"])


def leave_quietly_until_it_listens() -> None:
    """For services; any other verb that is ended by a signal says so by its exit code."""
    if any(sys.argv[1 : 1 + len(service)] == service for service in _SERVICES):
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
