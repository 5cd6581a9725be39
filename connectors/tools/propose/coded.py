"""Words of an export → codes of the hub: those that are recognised, and those that a person must answer. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from connectors.pipeline.config.protecting import plain
from connectors.tools.propose.profile import Column
from connectors.tools.propose.words import vocabulary
from hub.policy.facts import CATEGORIES, CONSENT_PURPOSES
from schemas import code_list, code_lists
from schemas.fields import FieldSpec

_AGENCIES = "agencies"
_WORDS_OF = {
    "language": "languages",
    "languages": "languages",
    "purposes": "purposes",
    "categories": "categories",
    "recipients": _AGENCIES,
    "sender": _AGENCIES,
}
"""Fields whose codes no list of the catalogue checks: the table of words that tells them."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A code table: the agency's code → ours, and the codes that nobody recognised. `of`: the list they are of."""

    name: str
    of: str
    known: Mapping[str, str] = field(repr=False)
    unknown: tuple[str, ...] = field(repr=False)


class Decision(NamedTuple):
    """A column that decides which rows are an event. `among`: words of those that are, `known`: of those that are not,
    `unknown`: words that a person must put into one of both."""

    column: str
    among: tuple[str, ...]
    known: tuple[str, ...]
    unknown: tuple[str, ...]


class CodeTables:
    """The code tables of one proposal; `agencies`: controller → kind, of all that a consent may name."""

    def __init__(self, agencies: Mapping[str, str]) -> None:
        self._agencies = agencies
        self._tables: dict[str, Coded] = {}

    @property
    def tables(self) -> tuple[Coded, ...]:
        """Every table, in the order of the columns."""
        return tuple(self._tables.values())

    def of_field(self, spec: FieldSpec, column: Column) -> str:
        """The table that a field needs for this column; empty where its words are codes, or where it has no codes."""
        of = spec.codelist or _WORDS_OF.get(spec.name, "")
        if not of or column.shape == "empty":
            return ""
        made = self._coded(column, of)
        as_it_is = bool(column.values) and not made.unknown
        return "" if as_it_is and all(code == ours for code, ours in made.known.items()) else self._put(made)

    def of_list(self, of: str, column: Column) -> str:
        """The table that translates this column into the codes of a list."""
        return self._put(self._coded(column, of))

    def _coded(self, column: Column, of: str) -> Coded:
        own = self._own_codes(of)
        words = {plain(code): code for code in own} | self._words(of)
        listed = code_list(of) if of in code_lists() else None
        told = {word: words.get(plain(word), "") for word in column.values}
        known = {word: code or word for word, code in told.items() if code or (listed and listed.known(word))}
        return Coded(
            plain(column.name), of, known, tuple(word for word in column.values if word not in known)
        )

    def _own_codes(self, of: str) -> frozenset[str]:
        """The codes of a list that is none of the catalogue's."""
        match of:
            case "agencies":
                return frozenset(self._agencies)
            case "categories":
                return CATEGORIES
            case "purposes":
                return CONSENT_PURPOSES
            case "languages" | "task_classes":
                return frozenset(vocabulary()["codes"][of])
        return frozenset()

    def _words(self, of: str) -> dict[str, str]:
        """The words of a list; a kind of agency stands for the only one of its kind."""
        if of != _AGENCIES:
            return _inverted(vocabulary()["codes"].get(of, {}))
        kinds = list(self._agencies.values())
        only = {kind: agency for agency, kind in self._agencies.items() if kinds.count(kind) == 1}
        words = _inverted(vocabulary()["codes"]["agency_kinds"])
        return {word: only[kind] for word, kind in words.items() if kind in only}

    def _put(self, made: Coded) -> str:
        """Add to the table of the same column name and list; returns what it is called."""
        name = made.name
        if name in self._tables and self._tables[name].of != made.of:
            name = f"{made.name}_{made.of}"
        old = self._tables.get(name, Coded(name, made.of, {}, ()))
        unknown = tuple(sorted({*old.unknown, *made.unknown}))
        self._tables[name] = Coded(name, made.of, {**old.known, **made.known}, unknown)
        return name


def _inverted(words: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {word: code for code, synonyms in words.items() for word in (*synonyms, plain(code))}


def decision(name: str, column: Column) -> Decision:
    """Which words of this column say that a row is such an event, by the words of this name."""
    words = vocabulary()["decided"][name]

    among, known = (
        tuple(word for word in column.values if plain(word) in words[those]) for those in ("in", "known")
    )
    unknown = tuple(word for word in column.values if word not in {*among, *known})
    return Decision(column.name, among, known, unknown)
