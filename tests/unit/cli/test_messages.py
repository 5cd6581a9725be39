"""What agencies' commands say: German for every message in the code, English on demand, one line per error."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hub import cli
from hub.cli.language import catalogue, error_said, in_german, speak
from hub.errors import ConfigurationError
from tests.unit.cli.messages import modules, templates

PLACE = re.compile(r"\{\d*\}")
PARSER = (
    "argument",
    "option",
    "Option",
    "command",
    "Invalid value",
    "Input should",
    "is not one of",
    "Value error",
    "range",
)
"""Of the option parser's messages, which stand in no module of ours."""


def test_every_message_has_its_german() -> None:
    missing = {text: at for text, at in templates().items() if text not in catalogue()}
    assert missing == {}


def test_the_search_for_messages_finds_them() -> None:
    found = templates()
    assert len(found) > 500
    assert {
        "unknown key: {}",
        "{} rows, the manifest says {}",
        "it {}: correct the record, or its mapping",
    } <= set(found)


def test_both_languages_name_the_same() -> None:
    differ = [
        english
        for english, german in catalogue().items()
        if english.count("{}") != len(PLACE.findall(german))
    ]
    assert differ == []


def test_no_entry_is_left_over() -> None:
    found = set(templates())
    code = "".join(path.read_text(encoding="utf-8") for path in modules())
    code = re.sub(r'"\s*\n\s*f?"|\\(?=")', "", code)
    left = [
        english
        for english in set(catalogue()) - found
        if max(english.split("{}"), key=len) not in code and not any(word in english for word in PARSER)
    ]
    assert left == []


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("unknown key: farbe", "Diesen Schlüssel gibt es nicht: farbe"),
        (
            "it is longer than 5 characters: correct the record, or its mapping",
            "Der Wert ist länger als 5 Zeichen: den Datensatz oder seine Zuordnung berichtigen",
        ),
        (
            "sign 7: no JSON; correct the interface or the mapping",
            "Zeichen 7: kein JSON; die Schnittstelle oder die Zuordnung berichtigen",
        ),
        (
            "it has lost digits (scientific notation): export it as text",
            "Der Wert hat Stellen verloren (wissenschaftliche Schreibweise): als Text ausgeben",
        ),
        ("nobody wrote this sentence", "nobody wrote this sentence"),
    ],
)
def test_what_is_put_in_is_kept_and_looked_up_too(english: str, german: str) -> None:
    assert in_german(english) == german


def test_an_error_has_place_cause_and_remedy_in_the_language_that_is_spoken() -> None:
    error = ConfigurationError("unknown kind", place="config.settings.kind", remedy="correct it")
    speak("de")
    assert error_said(error) == "config.settings.kind: Diese Art gibt es nicht → berichtigen"
    speak("en")
    assert error_said(error) == str(error)
    speak("de")


@pytest.fixture
def called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[list[str]], tuple[object, str, str]]:
    """Calls the command in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(arguments: list[str]) -> tuple[object, str, str]:
        monkeypatch.setattr("sys.argv", ["hub", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = capsys.readouterr()
        return caught.value.code, said.out, said.err

    return call


Called = Callable[[list[str]], tuple[object, str, str]]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["connect", "preview", "none.toml"],
            66,
            "hub: none.toml: kann nicht gelesen werden → eine Konfigurationsdatei nennen, die es gibt\n",
        ),
        (
            ["connect", "preview", "none.toml", "--lang", "en"],
            66,
            "hub: none.toml: cannot be read → name an existing configuration file\n",
        ),
        (
            ["connect", "preview"],
            64,
            "hub: hub connect preview: Das Argument CONFIG fehlt → hub connect preview --help\n",
        ),
        (
            ["connect", "zeig"],
            64,
            "hub: hub connect: Diesen Befehl gibt es nicht: zeig → hub connect --help\n",
        ),
        (
            ["connect", "status", "--farbe", "rot", "--lang=en"],
            64,
            "hub: hub connect status: No such option: --farbe → hub connect status --help\n",
        ),
        (
            ["danger", "inbox", "none.toml"],
            66,
            "hub: none.toml: kann nicht gelesen werden → die Datei berichtigen; bis dahin telefonisch melden\n",
        ),
    ],
)
def test_agencies_read_german_and_english_on_demand(
    called: Called, arguments: list[str], code: int, said: str
) -> None:
    assert called(arguments) == (code, "", said)


@pytest.mark.parametrize(
    "arguments",
    [
        ["connect", "preview", "."],
        ["connect", "check", "."],
        ["connect", "run", "none/none.toml"],
        ["connect", "status", "."],
        ["connect", "quarantine", "list", "none/none.toml"],
        ["connect", "discover", "--folder", "none", "--encoding", "utf-8", "--delimiter", ";"],
        [
            "connect",
            "init",
            "none/none/source.toml",
            "--folder",
            "none",
            "--agency",
            "ja-a",
            "--agency-kind",
            "youth_welfare",
            "--recipient",
            "jc-a:jobcenter",
            "--encoding",
            "utf-8",
            "--delimiter",
            ";",
        ],
        ["connect", "key", "show", "none.key"],
        ["connect", "alias", "list", "none.toml"],
        ["connect", "new", "none/none"],
        ["connect", "support-bundle", "none.toml"],
        ["consent", "list", "--config", "none.toml"],
        ["danger", "keys", "none/none/danger.key"],
        ["danger", "status", "."],
    ],
)
def test_a_path_that_is_not_there_ends_in_one_sentence(called: Called, arguments: list[str]) -> None:
    code, _, said = called(arguments)
    assert code in (1, 64, 65, 66, 78), said
    assert "Interner Fehler" not in said
    assert said.count("\n") <= 1, said
