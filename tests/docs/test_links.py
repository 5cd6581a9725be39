"""Every link leads somewhere, and every file and test that a page names is there."""

import re

import pytest

from tests.docs.pages import ROOT, Page, pages

_FILE = re.compile(r"(?:hub|schemas|connectors|projections|deploy|docs|tests)/[\w./-]*\w")
_CITED = re.compile(r"docs/[\w/-]+\.md|docs/adr/\d{4}")
CODE = sorted(
    path
    for folder in ("hub", "schemas", "connectors", "projections")
    for path in (ROOT / folder).rglob("*.py")
)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.name))
def test_links(page: Page) -> None:
    broken = [link for link in page.links if not link.startswith("https://") and not _leads(page, link)]
    assert broken == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.name))
def test_files_and_tests_that_are_named(page: Page) -> None:
    missing = [code for code in page.codes if _FILE.match(code) and not _is_there(code)]
    assert missing == []


def test_pages_that_the_code_names() -> None:
    cited = {name for path in CODE for name in _CITED.findall(path.read_text(encoding="utf-8"))}
    missing = {
        name for name in cited if not list(ROOT.glob(name if name.endswith(".md") else f"{name}-*.md"))
    }
    assert "docs/how-to/after-a-restore.md" in cited
    assert missing == set()


def _leads(page: Page, link: str) -> bool:
    target, _, anchor = link.partition("#")
    path = (page.path.parent / target).resolve() if target else page.path
    if not path.exists():
        return False
    return not anchor or anchor in Page(path).anchors


def _is_there(code: str) -> bool:
    """`path`, or `path::test`."""
    name, _, test = code.partition("::")
    found = list(ROOT.glob(name.rstrip("/"))) if "*" not in name else list(ROOT.glob(name))
    if not found:
        return False
    return not test or any(f"def {test}(" in path.read_text(encoding="utf-8") for path in found)


def test_decisions_are_numbered_without_holes_and_doubles() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    assert [page for page in pages if not page.read_text().startswith(f"# {page.name[:4]} ")] == []


def test_every_page_is_reached_from_the_index() -> None:
    index = Page(ROOT / "docs" / "index.md")
    linked = {(index.path.parent / link.partition("#")[0]).resolve() for link in index.links}
    folders = ("tutorial", "how-to", "reference", "explanation", "contributing")
    every = {path for folder in folders for path in (ROOT / "docs" / folder).glob("*.md")}
    assert sorted(path.name for path in every - linked) == []
