"""Ending the process at once, from any thread.

Faust acknowledges what is in flight when an exception leaves an agent or when it stops in order, and its crash handling
leaves the process deaf to SIGTERM. So whatever cannot be handled ends here: the open transaction is rolled back by the
database, positions stand, the supervisor starts again.
"""

import logging
import os
import sys
from typing import NoReturn

import structlog

from hub.errors import HubError, raised_at

log = structlog.get_logger()
BUG = HubError.exit_code


def leave(error: BaseException) -> NoReturn:
    """Say why, flush and end with the error's exit code; 70 for what nobody foresaw."""
    if isinstance(error, HubError):
        code = error.exit_code
        log.error("worker.left", error=type(error).__name__, said=str(error), exit_code=code)
    else:
        code = BUG
        log.error("worker.left", error=type(error).__name__, at=raised_at(error), exit_code=code)
    _exit(code)


def leave_stopped() -> NoReturn:
    """The end of an orderly stop: nothing runs any more, and no library may hold the process up."""
    log.info("worker.stopped")
    _exit(0)


def _exit(code: int) -> NoReturn:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
