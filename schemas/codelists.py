"""Effective-dated code lists: an event is judged by the list of the day it is about.

One CSV per list (``code;label_de;valid_from;valid_to;category``), both days included, an empty ``valid_to``
open. Agencies write the same code in many ways ("§ 35a SGB VIII", "35a", "27 i. V. m. 35a"), so codes are
compared by their words and numbers, without signs and without the names of the book and its divisions.
"""

import csv
import datetime as dt
import io
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from schemas.errors import UnknownSchema

_FILLER = frozenset(
    "sgb ii iii viii abs absatz nr nummer ziff s satz für bei wegen der die das des".split()  # noqa: SIM905  readable
)

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """One code in one span of time; ``category`` is set where the code itself tells more than its field."""

    code: str
    label_de: str
    valid_from: dt.date
    valid_to: dt.date | None
    category: str

    def valid(self, on: dt.date) -> bool:
        """Whether the code may be used for something that happened on this day."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)


@dataclass(frozen=True, slots=True)
class CodeList:
    """All codes of one list, past and present."""

    name: str
    codes: tuple[Code, ...]

    def entry(self, code: str, on: dt.date) -> Code | None:
        """The entry that this code, or its label, names on this day; None if there is none."""
        return next((entry for entry in self._named(code) if entry.valid(on)), None)

    def known(self, code: str) -> bool:
        """Whether the code exists on any day."""
        return bool(self._named(code))

    def special(self, code: str, on: dt.date) -> bool:
        """Whether the text names, alone or among others, a code of category G9. Fails closed.

        The entry with the longest match counts ("Mehrbedarf für Alleinerziehende" is not just "Mehrbedarf");
        of equally long ones a special one wins, and a code that was not valid on the day counts where no
        valid one matches.
        """
        return _special(self.name, words(code), on)

    def _named(self, code: str) -> list[Code]:
        wanted = words(code)
        return [c for c in self.codes if wanted and wanted in (words(c.code), words(c.label_de))]


def words(text: str) -> Words:
    """The words and numbers of a code, in small letters: "§ 21 Abs. 5 SGB II" and "21(5)" are the same."""
    return _words(text) if len(text) <= _REMEMBERED else _words.__wrapped__(text)


_REMEMBERED = 200
"""Characters of a code whose words are remembered, at most."""


@lru_cache(maxsize=4096)
def _words(text: str) -> Words:
    return tuple(word for word in re.findall(r"[^\W_]+", text.casefold()) if word not in _FILLER)


@cache
def code_list(name: str) -> CodeList:
    """The code list of this name; raises UnknownSchema if there is none."""
    source = files("schemas") / "codelists" / f"{name}.csv"
    if not re.fullmatch(r"[a-z_]+", name) or not source.is_file():
        raise UnknownSchema(f"no code list {name!r}")
    rows = csv.DictReader(io.StringIO(source.read_text(encoding="utf-8")), delimiter=";")
    return CodeList(name, tuple(_code(row) for row in rows))


def code_lists() -> tuple[str, ...]:
    """The names of all code lists."""
    folder = files("schemas") / "codelists"
    return tuple(sorted(f.name.removesuffix(".csv") for f in folder.iterdir() if f.name.endswith(".csv")))


def _code(row: dict[str, str]) -> Code:
    until = row["valid_to"]
    return Code(
        row["code"],
        row["label_de"],
        dt.date.fromisoformat(row["valid_from"]),
        dt.date.fromisoformat(until) if until else None,
        row["category"],
    )


@lru_cache(maxsize=1024)
def _special(name: str, wanted: Words, on: dt.date) -> bool:
    matches = [(length, code) for code in code_list(name).codes if (length := _match(code, wanted))]
    matches = [m for m in matches if m[1].valid(on)] or matches
    longest = max((length for length, _ in matches), default=0)
    return any(code.category == "G9" for length, code in matches if length == longest)


def _match(code: Code, wanted: Words) -> int:
    """How many words of the text the code or its label covers, or 0."""
    return max(_covered(words(code.code), wanted), _covered(words(code.label_de), wanted))


def _covered(part: Words, whole: Words) -> int:
    """The length of ``part`` if its words stand in ``whole`` in this order; gaps allowed, as in "16a Nr. 1, 4"."""
    rest = iter(whole)
    return len(part) if all(word in rest for word in part) else 0
