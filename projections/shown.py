"""What one view shows, as the folds after the cut take it: entries a recipient may see, and the day in Berlin.

A fold is a pure function of this and nothing else, so what the recipient may not see is in no state, order or total,
and the order in which events came changes nothing. It keeps no rows: that is a stored read model
(`hub.ports.Projection`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any

from hub.domain.clock import berlin_day
from schemas import code_list

Row = dict[str, Any]
"""One entry of a model, ready for JSON (contract `view`)."""

_OWNER_CODES = {"jobcenter": "jc_case_manager", "youth_welfare": "ja_asd"}
_PREFIXES = {"provider": "provider"}


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """One entry: `about` is the person's ref, or the family's; `fields` as JSON has them (days as 2026-11-16)."""

    occurred_at: datetime
    id: str
    type: str
    about: str
    sender: str
    fields: Mapping[str, Any] = field(compare=False, repr=False)

    def text(self, name: str) -> str | None:
        """A field as text; None where it is not shown, or empty."""
        value = self.fields.get(name)
        return str(value) if value not in (None, "") else None

    def day(self, name: str) -> date | None:
        """A field as a day; None where it is not shown, or no day."""
        text = self.text(name)
        try:
            return date.fromisoformat(text[:10]) if text else None
        except ValueError:
            return None

    def texts(self, name: str) -> list[str]:
        """A field of several values."""
        value = self.fields.get(name)
        if isinstance(value, str):
            return [value] if value else []
        return [str(one) for one in value or ()]


BY_TIME = attrgetter("occurred_at", "id", "type", "about", "sender")
"""The order of entries: by time, those of one time by id."""


@dataclass(frozen=True, slots=True)
class ShownView:
    """One view. `persons`: refs in the order of the view, the `family`'s among them; `kinds`: controller → kind.

    `today` is the Berlin day of the request: no fold knows another clock.
    """

    entries: tuple[ShownEntry, ...]
    role: str
    controller: str
    today: date
    family: str = ""
    persons: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    _by_type: Mapping[str, list[ShownEntry]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_type: dict[str, list[ShownEntry]] = {}
        for entry in sorted(self.entries, key=BY_TIME):
            by_type.setdefault(entry.type, []).append(entry)
        object.__setattr__(self, "_by_type", by_type)

    def of(self, *types: str) -> list[ShownEntry]:
        """The entries of these types, by time, then id."""
        return sorted((entry for name in types for entry in self._by_type.get(name, ())), key=BY_TIME)

    def place_of(self, about: str) -> int:
        """Where a person stands in the view."""
        return self.persons.index(about) if about in self.persons else len(self.persons)

    def owner_code(self, controller: str) -> str:
        """The owner code of an agency; a role such as `jc_benefits` is one already."""
        kind = self.kinds.get(controller)
        if kind is None:
            return controller
        return _OWNER_CODES.get(kind) or f"{_PREFIXES.get(kind, 'office')}:{controller}"


def by_ref(
    starts: Iterable[ShownEntry], steps: Iterable[ShownEntry], name: str
) -> Iterator[tuple[str, ShownEntry, list[ShownEntry]]]:
    """Each start with all that names its reference, itself among them, by time, then id. A start without a reference
    stands alone under its entry's id; a step whose start is not shown is in none."""
    threads: dict[str, list[ShownEntry]] = {}
    for entry in sorted(starts, key=BY_TIME):
        threads.setdefault(entry.text(name) or entry.id, []).append(entry)
    first = {ref: entries[0] for ref, entries in threads.items()}
    for entry in steps:
        if (ref := entry.text(name)) in threads:
            threads[ref].append(entry)
    for ref, entries in threads.items():
        yield ref, first[ref], sorted(entries, key=BY_TIME)


def latest(entries: Iterable[ShownEntry], key: Callable[[ShownEntry], Any]) -> dict[Any, ShownEntry]:
    """The newest entry of each kind: by time, then id."""
    return {key(entry): entry for entry in sorted(entries, key=BY_TIME)}


def newest_shown(entries: Sequence[ShownEntry], name: str) -> str | None:
    """The field as the last of these entries shows it that shows it at all."""
    return next((said for entry in reversed(entries) if (said := entry.text(name))), None)


def word(list_name: str, code: str | None, on: datetime) -> str | None:
    """The German word of a code on a day; the code itself where the list has none."""
    found = code_list(list_name).entry(code, berlin_day(on)) if code else None
    return found.label_de if found else code


def moment(at: datetime) -> str:
    """A moment as views write it: RFC 3339, UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
