"""Snippets marked `run` do what the pages say. Those of one page share a folder, from top to bottom.

Pages under docs/contributing change the tree, so they run in a copy of it; a diff snippet is applied there. All others
only read the tree. A console snippet holds commands behind "$ " ("> " where they go on) and below each what it prints,
"..." standing for anything.
"""

import doctest
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest

from tests.docs.pages import ROOT, Page, Snippet, pages

_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_SECONDS = 600
RUNNABLE = [page for page in pages() if page.snippets]


CHANGING = "docs/contributing/"
_TREE = ("hub", "schemas", "connectors", "projections", "tests", "docs", "deploy")
_FILES = ("pyproject.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like a clone, in which a page may write."""
    for name in ("deploy", "hub", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree, which a page may change."""
    for name in _TREE:
        copytree(ROOT / name, tmp_path / name, ignore=ignore_patterns("__pycache__"))
    for name in _FILES:
        copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    "page", [one for one in RUNNABLE if not one.name.startswith(CHANGING)], ids=lambda page: str(page.name)
)
def test_snippets(page: Page, clone: Path) -> None:
    _follow(page, clone, ROOT)


@pytest.mark.parametrize(
    "page", [one for one in RUNNABLE if one.name.startswith(CHANGING)], ids=lambda page: str(page.name)
)
def test_what_changes_the_tree(page: Page, tree: Path) -> None:
    _follow(page, tree, tree)


def _follow(page: Page, folder: Path, packages: Path) -> None:
    for snippet in page.snippets:
        for command, expected in _steps(snippet):
            found = _run(command, folder, packages)
            assert doctest.OutputChecker().check_output(expected or "...\n", found, _FLAGS), (command, found)


def test_the_pages_have_snippets() -> None:
    assert {page.name for page in RUNNABLE} >= {"README.md", "docs/tutorial/erste-schritte.md"}


def _steps(snippet: Snippet) -> Iterator[tuple[list[str], str]]:
    """Each command with what it should print."""
    if snippet.language == "python":
        yield [sys.executable, "-c", snippet.text], ""
        return
    if snippet.language == "diff":
        yield ["bash", "-ec", f"git apply --recount --unidiff-zero - <<'END'\n{snippet.text}END\n"], ""
        return
    for step in snippet.text.split("$ ")[1:]:
        command, *lines = step.splitlines(keepends=True)
        more = list(takewhile(lambda line: line.startswith(">"), lines))
        typed = "".join([command, *(line[1:].removeprefix(" ") for line in more)])
        yield ["bash", "-ec", typed], "".join(lines[len(more) :])


def _run(command: list[str], folder: Path, packages: Path) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    env |= {
        "PATH": f"{Path(sys.executable).parent}:{env['PATH']}",
        "COLUMNS": "120",
        "PYTHONPATH": str(packages),
    }
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout
