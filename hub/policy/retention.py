"""How long the hub keeps what: reviewed data with norms, checked at load; pure but for reading its files.

Danger reports are not here: they have their own path and their own rule (`hub danger`).
"""

import re
import tomllib
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from hub.domain.clock import BERLIN
from hub.errors import ConfigurationError
from hub.policy.facts import CATEGORIES

STATES: Mapping[str, str] = {
    "ground_ended": "records",
    "case_closed": "records",
    "consent_ended": "consent_proof",
    "disclosed": "disclosure_register",
    "retrieved": "retrieval_log",
    "erasure_completed": "erasure_certificate",
}
"""What must have happened before a period runs, and of what it speaks."""

_KEEP = re.compile(r"(\d+) (hour|day|month|year)s?")
_LONGEST = {"hour": 24 * 366 * 30, "day": 366 * 30, "month": 360, "year": 30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """One period: `number` of `unit` after `state`, for records of these categories (empty: of all)."""

    what: str
    state: str
    number: int
    unit: str
    norm: str
    de: str
    categories: frozenset[str] = frozenset()

    def cutoff(self, now: datetime) -> datetime:
        """What happened at this moment or before has been kept long enough."""
        if self.unit in ("hour", "day"):
            return now - timedelta(hours=self.number) * (24 if self.unit == "day" else 1)
        return _months_before(now, self.number * (12 if self.unit == "year" else 1))


Retention = tuple[Keep, ...]


def period(retention: Retention, state: str, categories: frozenset[str] = frozenset()) -> Sequence[Keep]:
    """The entries that speak of this state and one of these categories; the general one is always among them."""
    return [
        one for one in retention if one.state == state and (not one.categories or one.categories & categories)
    ]


def cutoff(
    retention: Retention, state: str, now: datetime, categories: frozenset[str] = frozenset()
) -> datetime:
    """The shortest period counts."""
    return max(one.cutoff(now) for one in period(retention, state, categories))


@cache
def default_retention() -> Retention:
    """The periods that ship with the hub, read once."""
    text = files("hub.policy").joinpath("data/retention.toml").read_text(encoding="utf-8")
    return _parsed(text, "retention.toml")


def load_retention(own: Path | None = None) -> Retention:
    """The packaged periods, shortened by an installation's own file; raises ConfigurationError naming the entry."""
    packaged = default_retention()
    if own is None:
        return packaged
    try:
        text = own.read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise _fault(own.name, "the file cannot be read") from None
    return _shortened(packaged, _parsed(text, own.name, whole=False), own.name)


def _shortened(packaged: Retention, own: Retention, name: str) -> Retention:
    """An entry stands for the packaged one of the same state and categories, or for some categories beside it."""
    reference = datetime(2024, 3, 31, tzinfo=BERLIN)
    for one in own:
        if one.cutoff(reference) < cutoff(packaged, one.state, reference, one.categories):
            raise _fault(f"{name}: {one.state}", "a period may be shortened, never lengthened")
    taken = {(one.state, one.categories) for one in own}
    return (*(one for one in packaged if (one.state, one.categories) not in taken), *own)


def _parsed(text: str, name: str, *, whole: bool = True) -> Retention:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _fault(name, f"this is no TOML ({error})") from None
    if raw.keys() - {"keep"}:
        raise _fault(name, "there are [[keep]] tables and nothing else")
    found = tuple(
        _keep(entry, f"{name}: keep {number}") for number, entry in enumerate(raw.get("keep", ()), 1)
    )
    if len({(one.state, one.categories) for one in found}) < len(found):
        raise _fault(name, "two entries say the same")
    if whole and {one.state for one in found if not one.categories} != STATES.keys():
        raise _fault(name, "every state needs an entry for all categories")
    return found


def _keep(entry: Mapping[str, Any], place: str) -> Keep:
    texts = [entry.get(name) for name in ("what", "state", "keep", "norm", "de")]
    if entry.keys() - {"what", "state", "keep", "norm", "de", "categories"} or not all(
        isinstance(text, str) and text for text in texts
    ):
        raise _fault(place, "an entry has what, state, keep, norm, de and perhaps categories")
    what, state, keep, norm, de = (str(text) for text in texts)
    categories = frozenset(entry.get("categories", ()))
    found = _KEEP.fullmatch(keep)
    if STATES.get(state) != what or not found or int(found[1]) > _LONGEST[found[2]]:
        raise _fault(place, "state, what or period is unknown", 'e.g. "6 months"')
    if not categories <= CATEGORIES or (categories and what != "records"):
        raise _fault(place, "these are no categories of records")
    return Keep(
        what=what, state=state, number=int(found[1]), unit=found[2], norm=norm, de=de, categories=categories
    )


def _months_before(now: datetime, months: int) -> datetime:
    """The same moment in Berlin so many months ago; the last day of a shorter month."""
    local = now.astimezone(BERLIN)
    year, month = divmod(local.year * 12 + local.month - 1 - months, 12)
    day = min(local.day, monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day)


def _fault(place: str, message: str, remedy: str = "correct the file") -> ConfigurationError:
    return ConfigurationError(message, place=place, remedy=remedy)
