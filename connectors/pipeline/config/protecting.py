"""The packaged words by which columns are recognised that would protect: a circumstance, or a block. Pure."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

BLOCKED = "blocked"
"""Kind of a column that blocks a person's address or record (§§ 51, 52 BMG). No circumstance stands for it:
none of them closes an address to everybody."""
_SIGNS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_LONG = 5  # characters beyond which a word may also begin or end a column's name
_STEP = re.compile("[/.:]")
ANY = "*"
_DEEPEST = 8  # objects within objects that are looked into


def plain(name: str) -> str:
    """A name as it is compared."""
    return "".join(sign for sign in name.lower().translate(_SIGNS) if sign.isalnum())


@cache
def protecting() -> Mapping[str, Sequence[str]]:
    """Circumstance, or BLOCKED → the words for it."""
    text = (files("connectors.pipeline.config") / "protecting.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    return {**found["circumstances"], BLOCKED: found["blocks"]["words"]}


@lru_cache(maxsize=4096)
def protects(column: str) -> str:
    """The circumstance that a column's name suggests, or one of the names that lead to it (`/Schutz/Sperrvermerk`);
    BLOCKED for a block, empty where none is suggested."""
    names = [plain(column), *map(plain, _STEP.split(column))]
    return next(
        (
            kind
            for kind, words in protecting().items()
            if any(_like(word, name) for word in words for name in names)
        ),
        "",
    )


def _like(word: str, name: str) -> bool:
    return name == word or (len(word) > _LONG and (name.endswith(word) or name.startswith(word)))


def protecting_in(found: Any, at: tuple[str, ...], each: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Where members that would protect stand in a value of a JSON document; `each`: the step to the members of a list.
    Any other name may be data: ANY stands for it."""
    if len(at) > _DEEPEST:
        return
    if isinstance(found, Mapping):
        for name, value in found.items():
            if protects(name):
                yield (*at, name)
            yield from protecting_in(value, (*at, name if protects(name) else ANY), each)
    elif isinstance(found, list):
        for value in found:
            if isinstance(value, Mapping | list):
                yield from protecting_in(value, (*at, *each), each)
