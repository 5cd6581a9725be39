"""Reading matrix and rules: reviewed, effective-dated TOML, checked completely before anything is decided by it.

The hub's own files hold `[[rule]]` and `[[matrix]]` tables. An agency's file holds `[[tighten]]` tables and nothing
else (`hub.policy.tighten`); there is no way to loosen.
Every fault is a `ConfigurationError` that names the file's table or cell.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hub.errors import ConfigurationError
from hub.policy.compiled import Cell, Period, Policy, Reason, frozen_rows
from hub.policy.facts import CATEGORIES
from hub.policy.tighten import MATRIX_ROLES, Tightening, fault, no_rule_twice, place_of, tightened, tightening

__all__ = [
    "Policy",
    "Tables",
    "compile_policy",
    "default_paths",
    "default_policy",
    "load_policy",
    "read_own",
    "read_tables",
    "refuse_strangers",
]

RULE_IDS = frozenset(f"R{number:02}" for number in range(28))
EFFECTS = frozenset({"deny", "redact", "hold", "gate"})
CHECKED = frozenset({"code", "gate", "person"})
SHOWS = frozenset({"A", "R", "D", "own", "count", "agg", "confider"})
_GROUND = re.compile(r"(?:^|\s)(E/§69|§69|E)(?=$|\s)")
_TABLES = ("rule", "matrix", "tighten")

Tables = dict[str, list[dict[str, Any]]]


@cache
def default_policy() -> Policy:
    """The policy that ships with the hub, read once."""
    return compile_policy(read_tables(default_paths()))


def load_policy(own: Sequence[Path] = ()) -> Policy:
    """The packaged matrix and rules, tightened by the agencies' own files. Raises ConfigurationError."""
    if not own:
        return default_policy()
    tables = read_tables(default_paths())
    return compile_policy({**tables, "tighten": read_own(own)})


def refuse_strangers(policy: Policy, known: Collection[str]) -> None:
    """Raises ConfigurationError for a file of an agency that is not known here: it would hold for nobody, unnoticed."""
    named = {agency for period in policy.periods for agency in period.agencies}
    for agency in sorted(named - set(known)):
        raise fault(f"agency {agency}", "a policy file names an agency that does not take part")


def default_paths() -> tuple[Path, ...]:
    """The packaged matrix and rules."""
    folder = Path(str(files("hub.policy"))) / "data"
    return (folder / "rules.toml", folder / "matrix.toml")


def compile_policy(tables: Tables) -> Policy:
    """A policy from parsed tables; pure, so that a change can be tried without a file."""
    spans = [_span(table, "matrix") for table in tables["matrix"]]
    _no_overlap(spans, "matrix")
    rules = [(_span(table, f"rule {table.get('id')}"), _reason(table)) for table in tables["rule"]]
    for rule in RULE_IDS:
        _no_overlap([span for span, reason in rules if reason.rule == rule], f"rule {rule}")
    own = [tightening(table, _cell_of(table)) for table in tables.get("tighten", ())]
    no_rule_twice(own)
    cuts = [span for span, _ in rules] + [(one.first, one.last) for one in own]
    periods = [
        _tightened(_period(first, last, _rows(table), rules), own)
        for table, whole in zip(tables["matrix"], spans, strict=True)
        for first, last in _split(whole, cuts)
    ]
    if not periods:
        raise ConfigurationError("no matrix", place="policy", remedy="name a file with a [[matrix]] table")
    return Policy(version=_version(tables), periods=tuple(sorted(periods, key=lambda period: period.first)))


def read_tables(paths: Iterable[Path]) -> Tables:
    """The tables of the hub's own files taken together, not yet checked."""
    tables: Tables = {name: [] for name in _TABLES}
    for path in paths:
        for name, rows in _read(path).items():
            if name not in tables:
                raise fault(f"{path.name} [{name}]", "unknown table")
            tables[name].extend(rows)
    return tables


def read_own(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The `[[tighten]]` tables of the agencies' files, each with its agency; a file named twice counts once."""
    tables: list[dict[str, Any]] = []
    for path in dict.fromkeys(path.resolve() for path in paths):
        found = _read(path)
        for name in sorted(found.keys() - {"agency", "tighten"}):
            raise fault(f"{path.name} [{name}]", "an agency's file may tighten cells and nothing else")
        rows, agency = found.get("tighten", ()), found.get("agency", "")
        if not isinstance(rows, list) or not rows or not isinstance(agency, str):
            raise fault(path.name, "names its agency and holds [[tighten]] tables")
        tables += [{**row, "agency": agency} for row in rows]
    return tables


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise fault(path.name, "there is no such policy file") from None
    except (OSError, ValueError) as error:
        raise fault(path.name, "cannot be read as TOML") from error


def _span(table: Mapping[str, Any], place: str) -> tuple[date, date]:
    first, last = table.get("valid_from"), table.get("valid_to")
    if type(first) is not date or type(last) is not date or first > last:
        raise fault(place, "valid_from and valid_to must be dates in order")
    return first, last


def _no_overlap(spans: Iterable[tuple[date, date]], place: str) -> None:
    for (_, last), (first, _) in pairwise(sorted(spans)):
        if first <= last:
            raise fault(place, f"two versions are valid on {first.isoformat()}")


def _split(whole: tuple[date, date], spans: Iterable[tuple[date, date]]) -> Iterable[tuple[date, date]]:
    """The stretches of `whole` within which no rule changes its wording."""
    first, last = whole
    begins = {begin for begin, _ in spans} | {end + timedelta(days=1) for _, end in spans if end < date.max}
    cuts = sorted({first} | {begin for begin in begins if first < begin <= last})
    return zip(cuts, [cut - timedelta(days=1) for cut in cuts[1:]] + [last], strict=True)


def _reason(table: Mapping[str, Any]) -> Reason:
    place = f"rule {table.get('id')}"
    if table.keys() != {"id", "norm", "effect", "checked", "de", "en", "valid_from", "valid_to"}:
        raise fault(place, "needs exactly id, norm, effect, checked, de, en, valid_from, valid_to")
    if table["id"] not in RULE_IDS or table["effect"] not in EFFECTS or table["checked"] not in CHECKED:
        raise fault(place, "unknown id, effect or checked")
    if (table["effect"] == "gate") != (table["checked"] == "gate"):
        raise fault(place, "a gate is checked as a gate, and nothing else is")
    if not all(_filled(table[name]) for name in ("norm", "de", "en")):
        raise fault(place, "norm and texts must not be empty")
    return Reason(
        rule=table["id"],
        norm=table["norm"],
        effect=table["effect"],
        text=table["de"],
        text_en=table["en"],
        checked=table["checked"],
    )


def _period(first: date, last: date, rows: dict[str, dict[str, Cell]], rules: Iterable[Any]) -> Period:
    reasons = {reason.rule: reason for (begin, end), reason in rules if begin <= first and last <= end}
    for rule in sorted(RULE_IDS - reasons.keys()):
        raise fault(f"rule {rule}", f"has no version on {first.isoformat()}")
    holds = frozenset(rule for rule, reason in reasons.items() if reason.effect == "hold")
    return Period(
        first=first, last=last, rows=frozen_rows(rows), reasons=MappingProxyType(reasons), holds=holds
    )


def _rows(table: Mapping[str, Any]) -> dict[str, dict[str, Cell]]:
    columns = table.get("cells", {})
    _exactly(columns, CATEGORIES, "matrix", "category")
    for category, cells in columns.items():
        _exactly(cells, MATRIX_ROLES, f"matrix {category}", "role")
    return {
        role: {code: _cell(columns[code][role], f"{code} × {role}") for code in columns}
        for role in MATRIX_ROLES
    }


def _exactly(found: Mapping[str, Any], expected: frozenset[str], place: str, what: str) -> None:
    for name in sorted(found.keys() - expected):
        raise fault(f"{place} {name}", f"unknown {what}")
    for name in sorted(expected - found.keys()):
        raise fault(f"{place} {name}", f"missing {what}")


def _cell(raw: Mapping[str, Any], place: str) -> Cell:
    if raw.keys() != {"cell", "norm"} or not _filled(raw["norm"]) or not _filled(raw["cell"]):
        raise fault(_named(place), "needs its cell and its norm")
    text = raw["cell"]
    show = "confider" if text.startswith("D unless confider") else text.split()[0]
    if show not in SHOWS:
        raise fault(_named(place), "must begin with A, R, D, own, count or agg")
    ground = _GROUND.search(text)
    return Cell(text=text, show=show, consent_only=ground is not None and ground[1] == "E", norm=raw["norm"])


def _cell_of(table: Mapping[str, Any]) -> Cell:
    """The cell that a `[[tighten]]` table asks for, read like one of the matrix."""
    return _cell({"cell": table.get("cell"), "norm": table.get("norm")}, place_of(table))


def _tightened(period: Period, own: Sequence[Tightening]) -> Period:
    """The period with what the agencies' files say of it."""
    valid = [one for one in own if one.first <= period.first and period.last <= one.last]
    if not valid:
        return period
    rows, narrower = tightened(period.rows, valid)
    reasons = {**period.reasons, **{one.rule: one.reason for one in valid}}
    return replace(
        period,
        rows=rows,
        own=narrower,
        reasons=MappingProxyType(reasons),
        agencies=frozenset(one.agency for one in valid if one.agency),
    )


def _named(place: str) -> str:
    return place if place.startswith("tighten") else f"matrix cell {place}"


def _filled(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _version(tables: Tables) -> str:
    canonical = json.dumps(tables, sort_keys=True, ensure_ascii=False, default=str)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
