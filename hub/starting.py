"""Until a service listens to signals itself: told to stop, it leaves with 0, for nothing has begun.

Imports take a second or two, and an operator may stop what was just started. Stands apart from `hub.cli`, whose own
imports are among those.
"""

import os
import signal
import sys
from types import FrameType

_SERVICES = (["worker"], ["up"], ["keys", "serve"], ["connect", "run"], ["danger", "run"])


INTERRUPTED = 130


def leave_quietly_until_it_listens() -> None:
    """SIGTERM ends a service with 0; any other verb that it ends says so by its exit code. Ctrl-C ends each with 130,
    without the lines that an interrupted import would print."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave_interrupted)
    if any(sys.argv[1 : 1 + len(service)] == service for service in _SERVICES):
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


def listen_to_interrupts() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, so that what was opened is let go."""
    if signal.getsignal(signal.SIGINT) is _leave_interrupted:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave_interrupted(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
