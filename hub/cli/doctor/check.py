"""One answer of the doctor, and how a check that cannot be made is said."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from hub.errors import HubError

START = "start the hub once: it creates what is missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One answer; `remedy` is empty when nothing is to be done."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def attempt(name: str, check: Callable[[], Check]) -> Check:
    """The check; where it raises, one that failed with the error's own remedy."""
    try:
        return check()
    except HubError as error:
        return failed(name, error)


def failed(name: str, error: HubError) -> Check:
    """What an error says as a check."""
    found = f"{error.place}: {error.message}" if error.place else error.message
    return Check(name, ok=False, found=found, remedy=error.remedy or "see the message")


def no_file(url: str) -> bool:
    """Whether this is an SQLite file that does not exist: looking must not create it."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return False
    return not Path(parsed.database).exists()
