"""The small words of the desk, per language, and how the family reads names of categories."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from hub.desk.texts import ConsentText


@cache
def _all() -> Mapping[str, Mapping[str, str]]:
    text = (files("hub.web.desk") / "words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def desk_words(language: str) -> Mapping[str, str]:
    """All words of a language of the consent texts."""
    return _all()[language]


def say(language: str, name: str, **given: str) -> str:
    """One sentence with what is put into it."""
    return _all()[language][name].format(**given)


def listed(text: ConsentText, codes: Iterable[str]) -> str:
    """Categories as the consent text names them."""
    return ", ".join(text.word("categories", code, "name") for code in codes)
