"""Whatever somebody gives a verb, it ends with an answer or with place, cause and remedy: never with a traceback.

Walked over the tree of commands, so that a new verb is walked too. All calls run in this process, with `--json`.
"""

import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from hub import cli
from hub.errors import STOPPED_TO_BE_SAFE
from tests.unit.cli.conftest import answer
from tests.unit.cli.tree import LEAVES, Leaf, named

SETTINGS = ".env"
SYSEXITS = range(64, 79)
PLACES: Mapping[str, bytes | None] = {
    "none.toml": None,
    "none/none/none.toml": None,
    "n" * 300: None,
    "/proc/none/file": None,  # where nobody may write, root neither
    "/proc/self/mem": None,  # which nobody can read from its beginning, root neither
    "folder": None,
    "": None,
    "empty.toml": b"",
    "binary.toml": bytes(range(256)) * 8,
    "broken.toml": b'[agency]\nid = "\xff"\n',
    "unclosed.toml": b"[[[",
    "unclosed.json": b'{"a": [',
    "list.json": b"[1]",
    "number.json": b"7",
    "other.toml": b'a = 1\nagency = 3\nconnector = "x"\nkeys = [1]\n',
    "nothing.json": b"{}",
}
BROKEN_SETTINGS: Mapping[str, str] = {
    "HUB_HOST": "nowhere",
    "HUB_PARTITIONS": "x",
    "HUB_CONNECTORS": "no json",
    "HUB_POLICY_FILES": '["none.toml"]',
    "HUB_RETENTION_FILE": "folder",
    "HUB_AGENCIES": "binary.toml",
    "HUB_KEK_FILE": "folder",
    "HUB_KEK": "no key",
    "HUB_DATA": "empty.toml",
    "HUB_DATABASE_URL": "no url",
    "HUB_KEY_DATABASE_URL": "mysql://",
    "HUB_CLOCK_FILE": "binary.toml",
    "HUB_LEDGER_FILE": "folder",
    "HUB_METRICS_PORT": "99999",
    "HUB_KEY_SERVICE_URL": "ftp://x",
}
BRIEF = {
    "demo": ("--families", "1"),
    "simulate": ("--families", "1", "--days", "1"),
    "retention": ("--dry-run",),
}
"""Options that make a verb end soon; every verb that has `--once` is called with it."""
TAKES_ANYTHING = frozenset({"bench", "demo"})
"""Verbs that need no settings and no input and would do their whole work."""
STORES = ("explain", "doctor", "up")
"""Verbs that between them read every setting; the others read the same ones in the same place."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub that ran, and a source that was read."""
    folder = tmp_path_factory.mktemp("walk")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in [name for name in os.environ if name.startswith("HUB_")]:
            patch.delenv(name)
        answer("init", ".", "--agency", "jc-a:jobcenter", "--agency", "ja-a:youth_welfare")
        answer("up", "--once")
        export = folder / "export"
        export.mkdir()
        (export / "personen.csv").write_text("PersNr;FallNr;GebDat\n1;7;01.02.1990\n", encoding="utf-8")
        asks = (
            "--agency",
            "jc-a",
            "--agency-kind",
            "jobcenter",
            "--recipient",
            "ja-a:youth_welfare",
            "--hub",
            ".",
        )
        where = ("--folder", "export", "--encoding", "utf-8", "--delimiter", ";")
        answer("connect", "init", "jc-a/source.toml", *asks, *where)
        answer("connect", "run", "jc-a/source.toml", "--once")
    (folder / "folder").mkdir()
    for name, content in PLACES.items():
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def here(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, without settings in the environment."""
    folder = tmp_path / "hub"
    shutil.copytree(good, folder)
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("HUB_")]:
        monkeypatch.delenv(name)
    return folder


class Walk:
    """Calls the command and collects whatever is no proper end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._captured = monkeypatch, capsys
        self.wrong: list[str] = []

    def call(self, leaf: Leaf, words: list[str]) -> int:
        brief = [*BRIEF.get(leaf.name, ()), *(("--once",) if "--once" in leaf.options else ())]
        arguments = [*words[: len(leaf.words)], "--json", *brief, *words[len(leaf.words) :]]
        self._patch.setattr("sys.argv", ["hub", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        code = caught.value.code
        out, err = self._captured.readouterr()
        self.wrong += [f"hub {' '.join(arguments)}: {one}" for one in _complaints(code, out, err)]
        return int(code or 0)


def _complaints(code: object, out: str, err: str) -> Iterator[str]:
    if code not in (0, 1, None) and code not in SYSEXITS and code not in STOPPED_TO_BE_SAFE:
        yield f"ended with {code}"
    if "Traceback" in err or "nternal error" in err or "Interner Fehler" in err or 'File "' in err:
        yield err
    elif isinstance(code, int) and code >= SYSEXITS.start:
        if not (errors := _errors(out)):
            yield f"no error as an object on standard output (exit {code})"
        for error in errors:
            if missing := [name for name in ("place", "cause", "remedy") if not error[name]]:
                yield f"no {', '.join(missing)}: {error}"


def _errors(out: str) -> list[dict[str, str]]:
    found = []
    for line in out.splitlines():
        with suppress(ValueError):
            shown = json.loads(line)
            if isinstance(shown, dict) and "error" in shown:
                found.append(shown["error"])
    if not found:
        with suppress(ValueError):
            shown = json.loads(out)
            found += [shown] if isinstance(shown, dict) and "checks" in shown else []
            found = [{"place": "check", "cause": "check", "remedy": "check"}] if found else []
    return found


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Walk]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    mask = os.umask(0o077)
    yield Walk(monkeypatch, capsys)
    os.umask(mask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _usual(leaf: Leaf) -> dict[str, str]:
    """A configuration that is there, where the verb takes one."""
    return {one.name: "jc-a/source.toml" for one in leaf.paths if one.name == "config"}


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf.paths], ids=named)
@pytest.mark.usefixtures("here")
def test_every_path_that_is_no_good(leaf: Leaf, walk: Walk) -> None:
    for parameter in leaf.paths:
        for place in PLACES:
            if leaf.name in TAKES_ANYTHING and place in ("none.toml", "none/none/none.toml", "folder"):
                continue
            walk.call(leaf, leaf.call(**(_usual(leaf) | {parameter.name: place})))
    assert walk.wrong == []


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf.name not in TAKES_ANYTHING], ids=named)
@pytest.mark.usefixtures("here")
def test_every_word_that_names_nothing(leaf: Leaf, walk: Walk) -> None:
    for word in ("a", "", " ", "-", "\x1b[31mä\n", "0" * 32, "ff" * 5000):
        given = {one.name: word for one in leaf.texts}
        walk.call(leaf, leaf.call(**(_usual(leaf) | given)))
    assert walk.wrong == []


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES if leaf.name not in TAKES_ANYTHING], ids=named)
def test_every_verb_without_settings(leaf: Leaf, walk: Walk, here: Path) -> None:
    (here / SETTINGS).unlink()
    walk.call(leaf, leaf.call(**_usual(leaf)))
    (here / "agencies.toml").unlink()
    walk.call(leaf, leaf.call(**_usual(leaf)))
    for content in (b"HUB_PARTITIONS=\xff\n", bytes(range(256))):
        (here / SETTINGS).write_bytes(content)
        walk.call(leaf, leaf.call(**_usual(leaf)))
    (here / SETTINGS).unlink()
    (here / SETTINGS).mkdir()
    walk.call(leaf, leaf.call(**_usual(leaf)))
    assert walk.wrong == []


@pytest.mark.parametrize("setting", BROKEN_SETTINGS)
@pytest.mark.usefixtures("here")
def test_every_setting_that_is_broken(setting: str, walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, BROKEN_SETTINGS[setting])
    for leaf in LEAVES:
        if leaf.name in STORES:
            walk.call(leaf, leaf.call())
    assert walk.wrong == []
