"""Operators read English: help, answers and errors of their verbs; German with `--lang de`."""

import re

import pytest

from hub.cli.language import catalogue
from tests.unit.cli.conftest import hub
from tests.unit.cli.messages import operator_modules
from tests.unit.cli.tree import LEAVES, Leaf, named

GERMAN = re.compile(
    r"[äöüÄÖÜß]|\b(?:der|die|das|den|dem|des|ein|eine|einen|einer|und|oder|nicht|kein|keine|ohne|mit|von|für|wird|ist|"
    r"sind|alle|nur|auch|wie|wer|noch|neue|neuer|Datei|Ende|Träger|Amt)\b"
)
QUOTED = re.compile(r"'[^']*'")  # an example in quotation marks is data
OPERATORS = [leaf for leaf in LEAVES if not leaf.german]


@pytest.mark.parametrize("leaf", OPERATORS, ids=named)
def test_the_help_of_an_operators_verb_is_english(leaf: Leaf) -> None:
    said = [leaf.command.help, *(one.help or "" for one in leaf.command.params)]
    said += [one.metavar or "" for one in leaf.command.params]
    assert [text for text in said if GERMAN.search(QUOTED.sub("", text))] == []


@pytest.mark.parametrize("leaf", OPERATORS, ids=named)
def test_every_option_of_an_operators_verb_is_explained(leaf: Leaf) -> None:
    assert [one.name for one in leaf.command.params if not one.help] == []


def test_no_text_of_an_operators_verb_is_german() -> None:
    """In the code everything is English; the German of a report stands in the catalogue."""
    wrong = [
        f"{path.name}: {line.strip()}"
        for path in operator_modules()
        for line in path.read_text(encoding="utf-8").splitlines()
        if any(GERMAN.search(QUOTED.sub("", text)) for text in re.findall(r'"([^"]*)"', line))
    ]
    assert wrong == []


@pytest.mark.usefixtures("configured")
def test_operators_read_german_with_lang_de() -> None:
    assert "Something is missing." in hub("doctor").output
    assert "Es fehlt etwas." in hub("--lang", "de", "doctor").output
    assert catalogue()["Something is missing."] == "Es fehlt etwas."
