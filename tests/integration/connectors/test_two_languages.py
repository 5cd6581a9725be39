"""Agencies' commands print German, and English with `--lang en`: no word of one in the lines of the other.

`tests/unit/cli/test_messages.py` reads the code of all verbs; here they are called, with a house of one family.
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from connectors.tools.candidates.groups import load_groups, packaged
from hub.cli.connect import app
from hub.cli.consent.commands import app as consent
from hub.cli.danger import app as danger
from hub.cli.language import catalogue

WORD = re.compile(r"(?<![\w./=§-])[A-Za-zÄÖÜäöüß]{2,}(?![\w/=-]|\.\w)")
SAME = frozenset({"Abs", "an", "SGB", "VIII", "Hub", "hub", "in", "des", "connect", "status", "umfang"})
"""Words of both languages, of norms and calls, and a column of the house."""


def groups(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each verb and each group of verbs, with the words that call it."""
    yield name, command
    for word, one in getattr(command, "commands", {}).items():
        yield from groups(one, f"{name} {word}".strip())


@pytest.mark.parametrize("verbs", [app, consent, danger])
def test_every_verb_and_every_group_takes_the_language(verbs: typer.Typer) -> None:
    found = dict(groups(typer.main.get_command(verbs)))
    assert len(found) > 5
    assert [
        name for name, one in found.items() if "--lang" not in {o for p in one.params for o in p.opts}
    ] == []


def words_of(texts: Any) -> set[str]:
    """In small letters, without those in capitals: names of columns."""
    found = (word for text in texts for word in WORD.findall(re.sub(r"\{\w*\}", " ", text)))
    return {word.lower() for word in found if not word.isupper()}


@pytest.fixture
def printed(youth_house: Path) -> Callable[..., str]:
    """Calls a verb in one language; what it printed on both outputs."""

    def call(lang: str, *arguments: str) -> str:
        done = CliRunner().invoke(app, ["--lang", lang, *arguments], env={"COLUMNS": "400"})
        assert done.exception is None or isinstance(done.exception, SystemExit), arguments
        return done.output

    call("en", "run", str(youth_house), "--once")
    return call


def test_no_word_of_one_language_stands_in_lines_of_the_other(
    printed: Callable[..., str], youth_house: Path, offices: Any
) -> None:
    file = str(youth_house)
    calls = [
        ["discover", "--url", f"sqlite:///{offices.database}"],
        ["check", file],
        ["preview", file, "--limit", "0"],
        ["shadow", file],
        ["candidates", file],
        ["backfill", file],
        ["status", file],
        ["backfill", file, "--stop"],
        ["backfill", file, "--stop"],
        ["pause", file],
        ["status", file],
        ["resume", file],
        ["resume", file],
        ["quarantine", "list", file],
        ["quarantine", "retry", file, "--all"],
        ["accept", file],
        ["key", "show", "--config", file],
        ["new", "anschluss_eins", "--in", str(youth_house.parent / "made")],
        ["support-bundle", file, "--out", str(youth_house.parent / "made.tar.gz")],
    ]
    named = set(tomllib.loads(youth_house.read_text(encoding="utf-8"))["streams"])
    named |= words_of(group.label for group in load_groups(packaged()))  # as agencies agreed on them
    english, german = words_of(catalogue()), words_of(catalogue().values())
    for arguments in calls:
        for lang, others in (("de", english - german), ("en", german - english)):
            for made in youth_house.parent.glob("made*"):
                made.rename(made.with_name(f"{lang}_{made.name}_before"))
            said = printed(lang, *arguments)
            assert said.strip(), arguments
            wrong = [line for line in said.splitlines() if words_of([line]) & (others - SAME - named)]
            assert wrong == [], (lang, arguments, [words_of([line]) & others for line in wrong])
