"""The packaged words by which columns are recognised: what they are called, and which of them would protect. Pure."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from connectors.pipeline.config.tables import CIRCUMSTANCES

BLOCKED = "blocked"
"""Kind of a column that blocks a person's address or record (§§ 51, 52 BMG). No circumstance stands for it:
none of them closes an address to everybody."""
_SIGNS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_LONG = 5  # characters beyond which a word may also begin or end a column's name


@cache
def vocabulary() -> Mapping[str, Any]:
    """The packaged words."""
    text = (files("connectors.tools.propose") / "vocabulary.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def plain(name: str) -> str:
    """A name as it is compared."""
    return "".join(sign for sign in name.lower().translate(_SIGNS) if sign.isalnum())


def protects(column: str) -> str:
    """The circumstance that a column's name suggests, or BLOCKED; empty where it suggests none."""
    name = plain(column)
    return next(
        (kind for kind, words in _protecting().items() if any(_like(word, name) for word in words)), ""
    )


@cache
def _protecting() -> Mapping[str, Iterable[str]]:
    found = vocabulary()
    return {one: found["concepts"][one] for one in CIRCUMSTANCES} | {BLOCKED: found["blocks"]["words"]}


def _like(word: str, name: str) -> bool:
    return name == word or (len(word) > _LONG and (name.endswith(word) or name.startswith(word)))
