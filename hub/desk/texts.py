"""The texts that a family signs: reviewed data, versioned, one file per language, each with its hash.

Whoever signed must be able to show what was signed. So a version never changes: its files are loaded only while their
hash is the one that `versions.toml` names. Every language says the same things, the three notices first of all
(purpose, effect of a refusal, right to withdraw: § 67b(2) SGB X, Art. 7(3) GDPR), or it is refused.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from hub.domain.consent import ALL_NOTICES
from hub.errors import ConfigurationError, UsageError

LANGUAGES = ("de", "de-plain", "tr", "bg")
CODES: Mapping[str, str] = {"de": "de", "de-plain": "de", "tr": "tr", "bg": "bg"}
"""Language of a text → the code of HTML and of the event catalogue: plain language is German."""


@dataclass(frozen=True, slots=True)
class ConsentText:
    """One version in one language. `sha256` is the hash of its file, `words` its content."""

    version: str
    language: str
    sha256: str
    words: Mapping[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        """How a consent names the text that was signed."""
        return f"{self.version}/{self.language}"

    @property
    def code(self) -> str:
        """The language as a code."""
        return CODES[self.language]

    def word(self, *path: str, **names: str) -> str:
        """A text by its place in the file, with names put in."""
        found: Any = self.words
        for step in path:
            found = found[step]
        return str(found).format(**names) if names else str(found)


def consent_text(language: str, on: date) -> ConsentText:
    """The version that holds on a day; raises UsageError for a language or a day without text."""
    held = [version for version in _versions() if version["valid_from"] <= on]
    if language not in LANGUAGES or not held:
        raise UsageError(
            "there is no consent text in this language on this day",
            place="consent text",
            remedy="one of " + ", ".join(LANGUAGES),
        )
    return load(max(held, key=lambda version: version["valid_from"])["id"], language)


@cache
def load(version: str, language: str) -> ConsentText:
    """The text of a version, whenever it held; raises ConfigurationError when a file is not what was reviewed."""
    place = f"texts/{version}.{language}.toml"
    known = next((one for one in _versions() if one["id"] == version), None)
    if known is None or language not in known["sha256"]:
        raise ConfigurationError("no such consent text", place=place, remedy="see texts/versions.toml")
    content = (files("hub.desk") / "texts" / f"{version}.{language}.toml").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != known["sha256"][language]:
        raise ConfigurationError(
            "the text is not the one that was reviewed and signed",
            place=place,
            remedy=f"put the old file back, and publish changes as a new version (this file: {digest})",
        )
    words = tomllib.loads(content.decode("utf-8"))
    check(words, _reference(version), place)
    return ConsentText(version, language, f"sha256:{digest}", words)


def check(words: Mapping[str, Any], reference: Mapping[str, Any], place: str) -> None:
    """Every language says all that the German text says; raises ConfigurationError naming what is missing."""
    notices = words.get("notices", {})
    if notices.keys() != ALL_NOTICES or not all(notice.get("text") for notice in notices.values()):
        raise ConfigurationError(
            "needs the notices purpose, refusal and withdrawal", place=place, remedy="§ 67b Abs. 2 SGB X"
        )
    different = sorted(_paths(words) ^ _paths(reference))
    if different:
        raise ConfigurationError(
            f"says more or less than the German text: {different[0]}", place=place, remedy="translate it"
        )


def _paths(words: Mapping[str, Any], before: str = "") -> set[str]:
    """The place of every text that is not empty."""
    found: set[str] = set()
    for name, value in words.items():
        place = f"{before}.{name}" if before else name
        found |= _paths(value, place) if isinstance(value, Mapping) else ({place} if value else set())
    return found


@cache
def _reference(version: str) -> Mapping[str, Any]:
    text = (files("hub.desk") / "texts" / f"{version}.de.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _versions() -> tuple[Mapping[str, Any], ...]:
    text = (files("hub.desk") / "texts" / "versions.toml").read_text(encoding="utf-8")
    found: tuple[Mapping[str, Any], ...] = tuple(tomllib.loads(text)["version"])
    return found


def versions() -> tuple[str, ...]:
    """Every version that anybody may have signed."""
    return tuple(str(one["id"]) for one in _versions())
