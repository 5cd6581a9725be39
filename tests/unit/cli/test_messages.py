"""What agencies' commands say: German for every message in the code, English on demand, one line per error."""

import ast
import re
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from hub import cli
from hub.cli.language import catalogue, error_said, in_german, speak
from hub.domain.agencies import ROLES_BY_KIND
from hub.errors import ConfigurationError
from tests.unit.cli.messages import agency_modules, calls, modules, places, reports, templates

PLACE = re.compile(r"\{(\w*)\}")
WORD = re.compile(r"[a-zäöüß]{2,}")
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
KINDS = " | ".join(ROLES_BY_KIND)
CHECK = Path(cli.__file__).parent / "connect" / "check.toml"


def test_every_message_has_its_german() -> None:
    missing = {text: at for text, at in templates().items() if text not in catalogue()}
    assert missing == {}


def test_every_place_in_words_has_its_german() -> None:
    found = places()
    assert {text: at for text, at in found.items() if text not in catalogue()} == {}
    assert "pseudonym table" in found


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
        if len(PLACE.findall(english)) != len(PLACE.findall(german)) or _named(english) != _named(german)
    ]
    assert differ == []


def _named(text: str) -> set[str]:
    """Of the values, those that have a name and no number."""
    return {name for name in PLACE.findall(text) if not name.isdigit()} - {""}


def test_no_message_stands_twice() -> None:
    tables = tomllib.loads(files("hub.cli").joinpath("messages_de.toml").read_text(encoding="utf-8"))
    assert sum(map(len, tables.values())) == len(catalogue())


def test_every_report_has_its_german() -> None:
    found, unknown = reports()
    assert {text: at for text, at in found.items() if text not in catalogue()} == {}
    checks = [at for at in unknown if at.startswith(("hub/cli/connect/check.py", "hub/cli/connect/words.py"))]
    assert unknown == checks, "a template must be a literal, or catalogue and code cannot be compared"
    assert len(found) > 150


def test_every_sentence_of_a_check_has_its_german() -> None:
    words = tomllib.loads(CHECK.read_text(encoding="utf-8"))
    texts = [text for cases in words.values() for text in cases.values()]
    assert [text for text in texts if WORD.search(PLACE.sub("", text)) and text not in catalogue()] == []


SILENT = {
    "hub.cli.output": {
        "AsJson",
        "called_as",
        "State",
        "ok_or_fail",
        "print_document",
        "print_json",
        "print_json_line",
        "progress",
        "rfc3339",
        "rfc3339_of",
        "warn",
    },
    "rich.console": set[str](),
}
"""Printing functions that an agency's module may import: none that takes a plain text for a person."""
PRINTING = {
    "print",
    "typer.echo",
    "typer.secho",
    "typer.prompt",
    "typer.confirm",
    "sys.stdout.write",
    "Message",
}


def test_what_an_agencys_command_prints_is_a_message() -> None:
    """With `mypy`, which lets nothing but a `Message` be printed there."""
    wrong = [
        f"{path}: {node.module}.{name.name}"
        for path, tree in agency_modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in SILENT
        for name in node.names
        if name.name not in SILENT[node.module]
    ]
    wrong += [
        f"{path}:{call.lineno}: {name}"
        for path, tree in agency_modules().items()
        for name, call in calls(tree)
        if name in PRINTING
    ]
    assert wrong == []


def test_what_is_printed_verbatim_holds_no_words() -> None:
    wrong = [
        f"{path}:{call.lineno}: {part.value!r}"
        for path, tree in agency_modules().items()
        for name, call in calls(tree)
        if name == "verbatim"
        for part in _literals(call.args[0])
        if WORD.search(str(part.value))
    ]
    assert wrong == []


def _literals(node: ast.expr) -> list[ast.Constant]:
    """Of a text, the parts that stand in it; what is looked up by a text is none."""
    if isinstance(node, ast.Constant):
        return [node]
    if isinstance(node, ast.JoinedStr):
        return [part for part in node.values if isinstance(part, ast.Constant)]
    if isinstance(node, ast.IfExp):
        return [*_literals(node.body), *_literals(node.orelse)]
    if isinstance(node, ast.BoolOp):
        return [part for value in node.values for part in _literals(value)]
    return []


def test_no_entry_is_left_over() -> None:
    found = {*templates(), *places(), *reports()[0]}
    code = "".join(path.read_text(encoding="utf-8") for path in (*modules(), CHECK))
    code = re.sub(r'"\s*\n\s*f?"|\\(?=")', "", code)
    left = [
        english
        for english in set(catalogue()) - found
        if max(re.split(r"\{\w*\}", english), key=len) not in code
        and not any(word in english for word in PARSER)
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
            ["--lang", "en", "connect", "preview", "none.toml"],
            66,
            "hub: none.toml: cannot be read → name an existing configuration file\n",
        ),
        (
            ["connect", "--lang=en", "preview", "none.toml"],
            66,
            "hub: none.toml: cannot be read → name an existing configuration file\n",
        ),
        (
            ["connect", "quarantine", "--lang", "en", "list", "none.toml"],
            66,
            "hub: none.toml: cannot be read → name an existing configuration file\n",
        ),
        (
            ["--lang", "en", "connect", "preview", "none.toml", "--lang", "de"],
            66,
            "hub: none.toml: kann nicht gelesen werden → eine Konfigurationsdatei nennen, die es gibt\n",
        ),
        (
            ["--lang", "en", "consent", "list"],
            64,
            "hub: hub consent list: Missing argument 'CONFIG'. → hub consent list --help\n",
        ),
        (
            ["--lang", "fr", "danger", "inbox", "none.toml"],
            64,
            "hub: hub: Der Wert von --lang geht nicht: 'fr' ist keines von 'de', 'en' → hub --help\n",
        ),
        (
            ["connect", "discover", "--folder", ".", "--encoding", "latin42"],
            64,
            "hub: --encoding: Diesen Zeichensatz gibt es nicht → zum Beispiel cp1252\n",
        ),
        (
            [
                *("connect", "init", "new.toml", "--agency", "a", "--agency-kind", "jobcenter"),
                *(
                    "--recipient",
                    "ja",
                    "--folder",
                    ".",
                    "--encoding",
                    "utf-8",
                    "--delimiter",
                    ";",
                    "--lang",
                    "en",
                ),
            ],
            64,
            f"hub: --recipient: names no kind of agency → write it as ID:KIND, with a kind of {KINDS}\n",
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
