"""An agency's own policy: cells of the matrix that it tightens, from a day on, in what it sends and what it receives.

A file names its agency (none: the whole hub) and holds `[[tighten]]` tables: `id`, `role`, `category`, the tighter
`cell`, `norm`, `de`, `valid_from`, and if wanted `en` and `valid_to`. Loosening is refused, never ignored: whoever
wrote the file would trust in something that does not hold (domain, section D: an agency may tighten, never loosen).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from types import MappingProxyType
from typing import Any

from hub.errors import ConfigurationError
from hub.policy.compiled import FIGURES, Cell, Reason, Rows, frozen_rows
from hub.policy.facts import CATEGORIES, ROLE_KINDS
from hub.policy.reduce import ROWS

MATRIX_ROLES = frozenset(ROLE_KINDS) - {"subject"}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_NEEDED = frozenset({"agency", "id", "role", "category", "cell", "norm", "de", "valid_from"})
_KNOWN = _NEEDED | {"en", "valid_to"}
_WIDTH = {"D": 0, "own": 1, "R": 2, "A": 3}
"""How much a cell shows to others, of those that a file may name; figures and entrusted data are turned off or left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tightening:
    """One cell of one agency's file; `rule` is the id under which its decisions are explained."""

    agency: str
    role: str
    category: str
    cell: Cell
    reason: Reason
    first: date
    last: date

    @property
    def rule(self) -> str:
        return self.reason.rule

    @property
    def place(self) -> str:
        return f"tighten {self.rule} ({self.category} × {self.role})"


def tightening(table: Mapping[str, Any], cell: Cell) -> Tightening:
    """The checked table; `cell` is its parsed cell. Raises ConfigurationError naming what is wrong with it."""
    agency, name, place = table.get("agency", ""), table.get("id"), place_of(table)
    if not _NEEDED <= table.keys() <= _KNOWN:
        raise fault(place, "needs id, role, category, cell, norm, de, valid_from, and knows en, valid_to")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(agency, str):
        raise fault(place, "its id is a short name of small letters, digits, dot, dash and underscore")
    if table["role"] not in MATRIX_ROLES or table["category"] not in CATEGORIES:
        raise fault(place, "unknown role or category")
    texts = [table["norm"], table["de"], table.get("en", table["de"])]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise fault(place, "norm and texts must not be empty")
    first, last = table["valid_from"], table.get("valid_to", date.max)
    if type(first) is not date or type(last) is not date or first > last:
        raise fault(place, "valid_from and valid_to must be dates in order")
    reason = Reason(
        rule=f"{agency or 'hub'}:{name}", norm=texts[0], effect="deny", text=texts[1], text_en=texts[2]
    )
    return Tightening(
        agency=agency,
        role=table["role"],
        category=table["category"],
        cell=cell,
        reason=reason,
        first=first,
        last=last,
    )


def place_of(table: Mapping[str, Any]) -> str:
    """Which cell of which agency's file, for messages."""
    return f"tighten {table.get('agency') or 'hub'}:{table.get('id')} ({table.get('category')} × {table.get('role')})"


def no_rule_twice(tightenings: Iterable[Tightening]) -> None:
    """An id explains one thing: two cells may not share it, nor may two stretches of time."""
    seen: set[str] = set()
    for one in tightenings:
        if one.rule in seen:
            raise fault(one.place, "its id is taken by another entry")
        seen.add(one.rule)


def tightened(rows: Rows, tightenings: Sequence[Tightening]) -> tuple[Rows, Mapping[frozenset[str], Rows]]:
    """The matrix for everybody, and the narrower ones for what an agency with a file of its own sends or receives.

    The key is who of sender and recipient has a file: one of them, or both. Raises ConfigurationError for a cell that
    would be looser than the matrix.
    """
    for one in tightenings:
        _check(rows[one.role][one.category], one)
    everybody = _apply(rows, [one for one in tightenings if not one.agency])
    agencies = sorted({one.agency for one in tightenings if one.agency})
    concerned = [frozenset(who) for size in (1, 2) for who in combinations(agencies, size)]
    own = {who: _apply(everybody, [one for one in tightenings if one.agency in who]) for who in concerned}
    return everybody, MappingProxyType(own)


def _apply(rows: Rows, tightenings: Sequence[Tightening]) -> Rows:
    changed = {role: dict(row) for role, row in rows.items()}
    for one in tightenings:
        changed[one.role][one.category] = _narrower(changed[one.role][one.category], one)
    return frozen_rows(changed)


def _narrower(cell: Cell, one: Tightening) -> Cell:
    """The cell under both: it shows the less of the two, and asks for a consent when one of them does."""
    narrow = one.cell if _width(one.cell) <= _width(cell) else cell
    return replace(
        narrow,
        consent_only=cell.consent_only or one.cell.consent_only,
        norm=one.cell.norm,
        before=cell,
        rule=one.rule,
    )


def _width(cell: Cell) -> int:
    return _WIDTH.get(cell.show, 0)


def _check(base: Cell, one: Tightening) -> None:
    wanted = one.cell
    if why := _looser(base, wanted):
        raise fault(one.place, f'would loosen the cell "{base.text}": {why}')
    if wanted.show == "R" and base.show != "R" and (one.category, one.role) not in ROWS:
        raise fault(one.place, "has no reduced form for this role; write D to close it")


def _looser(base: Cell, wanted: Cell) -> str:
    """Why the wanted cell would show more than the matrix; empty when it does not."""
    if wanted.show == "D":
        return ""
    if base.show not in _WIDTH or wanted.show not in _WIDTH:
        figures = "figures" if base.show in FIGURES or wanted.show in FIGURES else "entrusted data"
        return f"{figures} can be left as they are or closed with D"
    if _width(wanted) > _width(base):
        return f"{wanted.show} shows more than {base.show}"
    if base.consent_only and not wanted.consent_only and wanted.show != "own":
        return "the matrix asks for a consent (E), so this must too"
    return ""


def fault(place: str, message: str) -> ConfigurationError:
    """What is wrong with a policy file, and where."""
    return ConfigurationError(message, place=place, remedy="correct the policy file and have it reviewed")
