"""The command itself: exit codes, one line per error, and no extra needed before its verb is called."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from hub import cli
from hub.cli.app import ROLES, VERBS
from hub.errors import NoInput, OffsetGap
from tests.unit.cli.conftest import hub


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> object:
    """A function that makes the command fail in a given way and returns its exit code."""

    def fail(error: BaseException) -> int:
        def app(**_: object) -> None:
            raise error

        monkeypatch.setattr("hub.cli.app.app", app)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return fail


def _main(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hub", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | env,
    )


def test_help_lists_every_verb() -> None:
    output = hub("--help").output
    assert all(verb in output for verb in VERBS)


def test_help_groups_the_verbs_by_who_uses_them() -> None:
    output = hub("--help").output
    places = [output.index(role) for role in ROLES]
    assert places == sorted(places)
    for role, verbs in ROLES.items():
        assert all(output.index(role) < output.index(f"│ {verb} ") for verb in verbs)


def test_the_version_is_the_installed_one() -> None:
    result = hub("--version")
    assert (result.exit_code, result.stdout) == (0, f"hub {version('fallbruecke')}\n")


def test_a_typo_names_the_verb_that_was_meant() -> None:
    result = hub("conect")
    assert result.exit_code == 2  # 64 at the outermost
    assert "'connect'" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("hub conn", {"connect", "connectors"}),
        ("hub connect pre", {"preview"}),
        ("hub demo --fam", {"--families"}),
    ],
)
def test_completion_knows_verbs_that_are_not_loaded_yet(shell: str, typed: str, completed: set[str]) -> None:
    env = {
        "_HUB_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
        "_TYPER_COMPLETE_ARGS": typed,
    }
    code = "import sys; sys.argv = ['hub']; from hub.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | env
    )
    found = set(re.findall(r"(?:^|\")(-*[a-z]+)(?:$|\":)", done.stdout, re.MULTILINE))
    assert completed <= found, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["nothing"], ["doctor", "--nothing"], ["explain"]])
def test_a_wrong_call_leaves_with_64(arguments: list[str]) -> None:
    assert _main(*arguments).returncode == 64


def test_an_error_is_one_line(tmp_path: Path) -> None:
    found = _main("decide", str(tmp_path / "none.json"))
    assert found.returncode == NoInput.exit_code
    assert found.stdout == ""
    assert found.stderr == "hub: none.json: cannot be read → name a readable file or folder\n"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (OffsetGap("records are gone", place="a/1", remedy="see"), 81, "hub: a/1: records are gone → see\n"),
        (ModuleNotFoundError("No module", name="faust.app"), 78, "pip install 'fallbruecke[hub]'"),
        (ValueError("Erika Mustermann"), 70, "internal error: ValueError"),
    ],
)
def test_exit_codes(
    failing: object, capsys: pytest.CaptureFixture[str], error: Exception, code: int, told: str
) -> None:
    assert callable(failing)
    assert failing(error) == code
    captured = capsys.readouterr()
    assert told in captured.err
    assert "Mustermann" not in captured.err
    assert captured.out == ""


def test_help_loads_no_extra() -> None:
    """An agency has neither stream processor nor web server nor the hub's database driver."""
    code = (
        "import sys\n"
        "for name in ('faust', 'mode', 'aiokafka', 'starlette', 'uvicorn', 'jinja2', 'psycopg', 'alembic'):\n"
        "    sys.modules[name] = None\n"
        "from typer.testing import CliRunner\n"
        "from hub.cli.app import app\n"
        "raise SystemExit(CliRunner().invoke(app, ['--help']).exit_code)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ctrl_c_while_importing_ends_quietly() -> None:
    """Before anything listens: no lines of an interrupted import."""
    code = "import signal; import hub.__main__; signal.raise_signal(signal.SIGINT)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_ctrl_c_while_a_verb_works_lets_go_and_ends_quietly(
    failing: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(failing)
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr() == ("", "")


def test_the_version_loads_no_library_that_only_some_verbs_need() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['hub', '--version']\n"
        "from hub.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'pydantic', 'jinja2', 'httpx2', 'tenacity', 'rich.console', 'sqlalchemy', 'asyncio'}\n"
        "raise SystemExit(', '.join(heavy & sys.modules.keys()) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
