"""The whole error tree, grouped by what an operator does.

    HubError                      70  a bug: report it
    ├── ConfigurationError        78  correct the named setting; nothing was sent
    ├── UsageError                64  call again, corrected
    ├── NoInput                   66  name a file that exists
    ├── OutputError               74  standard output took nothing more: call again, with room or a reader
    ├── DataError                 65  look at the named input; it waits in quarantine or the stream stands still
    │   └── Refused               65  somebody must confirm first (a held snapshot, a second connector)
    ├── StartAgain                75  start the process again: what it holds is outdated
    ├── ServiceUnavailable        69  wait: it is tried again; nothing was lost
    │   ├── AccessRefused         77  correct account, password or rights; it is tried again, ever more rarely
    │   ├── KeyServiceUnavailable 69  nothing is sealed or opened until it answers (fail closed)
    │   └── TryAgain              75  the same call may pass later (deadlock, lease, still catching up)
    └── StoppedToBeSafe               going on would lose or resurrect something; see the runbook
        ├── OffsetGap             81  the log no longer holds what the store has not read
        ├── StoreIsOlder          82  the log was read further than the store knows: an older store was restored
        ├── LogIsOlder            83  the store has read further than the log reaches: an older log was restored
        ├── TopicRecreated        84  the topic of that name is another one now
        ├── Fenced                85  another worker has taken this partition
        └── KeysAreOlder          86  an older key database was restored: replay the ledger with `hub restore`

A message names place, cause and remedy, and never a value from the data (protocol: personal data stays out of
exceptions). Rejection by policy is a value, `hub.policy.Decision`, never an exception.
"""

from pathlib import Path
from typing import ClassVar


class HubError(Exception):
    """What went wrong, where, and what to do about it."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, place: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.place, self.remedy = message, place, remedy

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        then = f" → {self.remedy}" if self.remedy else ""
        return f"{where}{self.message}{then}"


class ConfigurationError(HubError):
    exit_code = 78


class UsageError(HubError):
    exit_code = 64


class NoInput(HubError):
    exit_code = 66


class OutputError(HubError):
    """Standard output is closed or full; what the verb did is done."""

    exit_code = 74


class DataError(HubError):
    """Input that cannot be taken as it is; `reason` is the code under which it is quarantined and counted."""

    exit_code = 65

    def __init__(self, message: str, *, reason: str, place: str = "", remedy: str = "") -> None:
        super().__init__(message, place=place, remedy=remedy)
        self.reason = reason


class Refused(DataError):
    """Correct input that a person must confirm before it counts."""


class StartAgain(HubError):
    """What the process was started with is outdated; nothing was sent."""

    exit_code = 75


class ServiceUnavailable(HubError):
    exit_code = 69


class AccessRefused(ServiceUnavailable):
    """The service answers, and does not let us in: waiting alone will not help."""

    exit_code = 77


class KeyServiceUnavailable(ServiceUnavailable):
    """No key, no data: callers freeze their cursor and answer "not available"."""


class TryAgain(ServiceUnavailable):
    exit_code = 75


class StoppedToBeSafe(HubError):
    exit_code = 80


class OffsetGap(StoppedToBeSafe):
    exit_code = 81


class StoreIsOlder(StoppedToBeSafe):
    exit_code = 82


class LogIsOlder(StoppedToBeSafe):
    exit_code = 83


class TopicRecreated(StoppedToBeSafe):
    exit_code = 84


class Fenced(StoppedToBeSafe):
    exit_code = 85


class KeysAreOlder(StoppedToBeSafe):
    """Keys that had been destroyed are back."""

    exit_code = 86


STOPPED_TO_BE_SAFE = range(80, 90)
"""The exit codes of `StoppedToBeSafe` and of what comes under it."""


def raised_at(error: BaseException) -> str:
    """Where it was raised, innermost last, in one line; the message stays out, for it may quote data."""
    places, at = [], error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{at.tb_lineno} {code.co_name}")
        at = at.tb_next
    return " > ".join(places[-6:])
