"""The pages of the documentation, and what they are made of: snippets, links, names, generated blocks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
_SNIPPET = re.compile(r"^```(console|python|diff) run\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_BLOCK = re.compile(r"<!-- table: ([\w-]+) -->\n(.*?)<!-- end -->", re.DOTALL)


class Snippet(NamedTuple):
    """A fenced block that is marked `run`."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """Without fenced blocks, where brackets are no links."""
        return _FENCE.sub("", self.text)

    @property
    def snippets(self) -> Sequence[Snippet]:
        return [Snippet(*found) for found in _SNIPPET.findall(self.text)]

    @property
    def links(self) -> Sequence[str]:
        return _LINK.findall(self.prose)

    @property
    def codes(self) -> Sequence[str]:
        """Everything in single backticks."""
        return _CODE.findall(self.prose)

    @property
    def anchors(self) -> frozenset[str]:
        """The headings as the forge turns them into anchors."""
        return frozenset(_anchor(heading) for heading in _HEADING.findall(self.prose))

    @property
    def blocks(self) -> Mapping[str, str]:
        """Name → content of each block that is written from the code."""
        return dict(_BLOCK.findall(self.text))

    def first_cells(self, heading: str) -> Sequence[str]:
        """The first cell's name in backticks, of every table row under this heading."""
        section = self.text.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
        return [name for row in section.splitlines() for name in re.findall(r"^\| `([^`]+)`", row)]

    def with_blocks(self, tables: Mapping[str, str]) -> str:
        return _BLOCK.sub(
            lambda found: f"<!-- table: {found[1]} -->\n{tables[found[1]]}<!-- end -->", self.text
        )


def pages() -> list[Page]:
    """README, CONTRIBUTING, changelog and everything under docs."""
    top = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
    return [*(Page(ROOT / name) for name in top), *_under(ROOT / "docs")]


def _under(folder: Path) -> Iterator[Page]:
    return (Page(path) for path in sorted(folder.rglob("*.md")))


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")
