"""The texts that families sign: complete in every language, never changed, and loaded only as they were reviewed."""

import re
from datetime import date
from importlib.resources import files
from unittest.mock import patch

import pytest

from hub.desk import texts
from hub.desk.offer import ORDER
from hub.desk.texts import LANGUAGES, check, consent_text, load, versions
from hub.errors import ConfigurationError, UsageError

TODAY = date(2026, 11, 22)
EVERY = [(version, language) for version in versions() for language in LANGUAGES]


@pytest.mark.parametrize(("version", "language"), EVERY)
def test_every_text_says_the_three_notices_and_all_categories(version: str, language: str) -> None:
    text = load(version, language)
    assert text.id == f"{version}/{language}"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", text.sha256)
    for notice in ("purpose", "refusal", "withdrawal"):
        assert len(text.word("notices", notice, "text")) > 80
    assert set(text.words["categories"]) == set(ORDER)
    assert "{sender}" not in text.word("form", "says", sender="A", recipient="B")


def test_the_languages_are_really_different() -> None:
    said = {consent_text(language, TODAY).word("notices", "withdrawal", "text") for language in LANGUAGES}
    assert len(said) == len(LANGUAGES)
    assert len({consent_text(language, TODAY).sha256 for language in LANGUAGES}) == len(LANGUAGES)


@pytest.mark.parametrize(("language", "on"), [("fr", TODAY), ("de", date(2020, 1, 1))])
def test_without_a_text_nobody_signs(language: str, on: date) -> None:
    with pytest.raises(UsageError, match="no consent text"):
        consent_text(language, on)


def test_a_text_that_was_changed_is_not_loaded() -> None:
    changed = ({"id": "2026-06", "valid_from": TODAY, "sha256": {"de": "0" * 64}},)
    load.cache_clear()
    with patch.object(texts, "_versions", return_value=changed), pytest.raises(ConfigurationError) as caught:
        load("2026-06", "de")
    load.cache_clear()
    assert "new version" in str(caught.value)
    with pytest.raises(ConfigurationError, match="no such consent text"):
        load("1999-01", "de")


@pytest.mark.parametrize("gone", ["refusal", "withdrawal", "purpose"])
def test_a_text_without_a_notice_is_refused(gone: str) -> None:
    words = dict(consent_text("tr", TODAY).words)
    words["notices"] = {name: said for name, said in words["notices"].items() if name != gone}
    with pytest.raises(ConfigurationError, match="needs the notices"):
        check(words, consent_text("de", TODAY).words, "tr")


def test_a_translation_that_leaves_something_out_is_refused() -> None:
    words = dict(consent_text("bg", TODAY).words)
    words["categories"] = {**words["categories"], "LB": {"name": "x", "text": ""}}
    with pytest.raises(ConfigurationError, match=r"categories\.LB\.text"):
        check(words, consent_text("de", TODAY).words, "bg")


def test_no_text_lies_about_that_no_version_names() -> None:
    found = {path.name for path in (files("hub.desk") / "texts").iterdir()}
    assert found == {"versions.toml", *(f"{version}.{language}.toml" for version, language in EVERY)}
