"""The tree of the architecture page is the tree of the code."""

import re
from collections.abc import Iterator

from tests.docs.pages import ROOT, Page

PAGE = Page(ROOT / "docs" / "explanation" / "architecture.md")
_TREE = re.compile(r"^```text tree\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"( *)(\S+) +(\S.*)?")
_INDENT = 2
ROOMS = ("schemas", "hub", "connectors", "projections")


def test_every_package_has_its_line_and_every_line_its_place() -> None:
    named = dict(_named())
    packages = {
        f"{path.parent.relative_to(ROOT)}/"
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
        if list(path.parent.glob("*.py")) != []
    }
    assert sorted(packages - named.keys()) == []
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_line_says_what_stands_there() -> None:
    silent = [name for name, says in _named() if not says]
    assert silent == ["hub/", "connectors/"]


def test_files_that_the_tree_names_are_files() -> None:
    assert [name for name, _ in _named() if name.endswith("/") != (ROOT / name).is_dir()] == []


def _named() -> Iterator[tuple[str, str]]:
    """Path (a folder ends in /) and what the line says of it."""
    tree = _TREE.search(PAGE.text)
    assert tree
    above: list[str] = []
    for line in tree[1].splitlines():
        found = _LINE.fullmatch(f"{line} ")
        assert found, line
        del above[len(found[1]) // _INDENT :]
        yield "".join([*above, found[2]]), (found[3] or "").strip()
        above.append(found[2])
