"""Words of every language: the same sentences with the same things in them, and German where a word is missing."""

import re
import tomllib
from datetime import date, datetime
from importlib.resources import files

import pytest

from hub.desk.texts import LANGUAGES
from hub.domain.clock import BERLIN
from hub.web.desk.words import desk_words
from hub.web.wording import moment_text, month_text, period_text, span_text, speaking, value_text, word

DAY = date(2026, 7, 1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_said_in_every_language_with_the_same_things(language: str) -> None:
    german = desk_words("de")
    assert desk_words(language).keys() == german.keys()
    for name, sentence in desk_words(language).items():
        assert set(re.findall(r"{\w+}", sentence)) == set(re.findall(r"{\w+}", german[name])), name


def test_a_turkish_reader_reads_turkish() -> None:
    with speaking("tr"):
        assert month_text("2026-07") == "Temmuz 2026"
        assert period_text("2026-07/2026-12") == "Temmuz 2026 – Aralık 2026"
        assert span_text(DAY, None) == "01.07.2026 tarihinden beri"
        assert value_text("PersonRegistered", "interpreter", True, DAY) == "evet"
        assert (
            value_text("HelpStarted", "paragraph", "31", DAY)
            == "sosyal pedagojik aile yardımı (§ 31 SGB VIII)"
        )
        assert moment_text(datetime(2026, 7, 1, 9, 5, tzinfo=BERLIN)) == "01.07.2026, saat 09:05"
    assert month_text("2026-07") == "Juli 2026"
    assert moment_text(datetime(2026, 7, 1, 9, 5, tzinfo=BERLIN)) == "01.07.2026, 09:05 Uhr"


def test_what_has_no_word_is_said_in_german() -> None:
    with speaking("tr"):
        assert word("families", "twins") == "Paar mit Zwillingen"
    with speaking("bg"):
        assert month_text("2026-07") == "Juli 2026"


def test_the_turkish_list_names_nothing_that_the_german_one_does_not_know() -> None:
    german, turkish = (
        tomllib.loads((files("hub.web") / f"labels_{one}.toml").read_text(encoding="utf-8"))
        for one in ("de", "tr")
    )
    assert set(turkish) <= {*german, "codes"}
    for table in set(turkish) - {"codes", "values"}:
        assert set(turkish[table]) <= set(german[table]), table
    for name, entry in turkish["events"].items():
        assert [entry[0], *entry[2:]] == [german["events"][name][0], *german["events"][name][2:]], name
