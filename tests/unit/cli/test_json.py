"""`--json` on every verb: one option, the same everywhere, and errors as objects."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hub import cli
from tests.unit.cli.tree import LEAVES, Leaf, named


@pytest.mark.parametrize("leaf", LEAVES, ids=named)
def test_every_verb_has_json(leaf: Leaf) -> None:
    assert "--json" in leaf.options, f"hub {leaf.name}: give it `as_json: AsJson = False` (hub/cli/output.py)"


@pytest.mark.parametrize("leaf", LEAVES, ids=named)
def test_json_is_explained_in_the_language_of_its_verb(leaf: Leaf) -> None:
    said = next(one.help for one in leaf.command.params if "--json" in one.opts)
    assert said.startswith("ein JSON-Objekt" if leaf.agency else "One JSON object")


def test_an_error_is_an_object_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["hub", "connect", "status", "none.toml", "--json"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    out, err = capsys.readouterr()
    assert caught.value.code == 66
    assert json.loads(out) == {
        "error": {
            "code": "no_input",
            "exit_code": 66,
            "place": "none.toml",
            "message": "cannot be read",
            "cause": "cannot be read",
            "remedy": "name an existing configuration file",
        }
    }
    assert err.startswith("hub: none.toml: kann nicht gelesen werden")


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [("/dev/full", 74, "hub: Standardausgabe: nimmt nichts mehr an"), ("closed", 74, "")],
)
def test_standard_output_that_takes_nothing_more(target: str, code: int, said: str) -> None:
    """A full disk is told, a reader that has enough is not."""
    call = [sys.executable, "-m", "hub", "connect", "schema"]
    if target == "closed":
        with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stderr
            process.stdout.close()
            found, err = process.wait(), process.stderr.read()
    else:
        with Path(target).open("wb") as out:
            done = subprocess.run(call, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
        found, err = done.returncode, done.stderr
    assert (found, err[: len(said)]) == (code, said)
    assert "Traceback" not in err
    assert bool(err) is bool(said)
