"""Hook of mkdocs.yml: makes a site of pages that stand in the tree.

Pages link to READMEs beside the code, and to files of code. The first become pages of the site; a link to code becomes
its name, for the site has no code.
"""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

from tests.docs.pages import ROOT

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_BESIDE = "tree"
_OTHERS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that stand outside of docs/."""
    from mkdocs.structure.files import File

    for path in (*map(Path, _OTHERS), *_readmes()):
        files.append(File.generated(config, f"{_BESIDE}/{path}", abs_src_path=str(ROOT / path)))
    return files


def _readmes() -> list[Path]:
    found = (path for room in ("connectors", "hub") for path in (ROOT / room).rglob("README.md"))
    return sorted(path.relative_to(ROOT) for path in found)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Rewrites the links that lead out of docs/, or from there into it."""
    pieces = _FENCED.split(markdown)
    pieces[::2] = [
        _LINK.sub(lambda link: _link(link, page.file.src_uri, files), piece) for piece in pieces[::2]
    ]
    return "".join(pieces)


def _link(link: re.Match[str], uri: str, files: Any) -> str:
    mark, words, target = link.groups()
    path, hash_, anchor = target.partition("#")
    if not path or "://" in target:
        return link[0]
    beside = uri.startswith(f"{_BESIDE}/")
    here = PurePosixPath(uri).relative_to(_BESIDE) if beside else PurePosixPath("docs") / uri
    there = normpath(str(here.parent / path))
    new = there.removeprefix("docs/") if there.startswith("docs/") else f"{_BESIDE}/{there}"
    if files.get_file_from_path(new) is None and (ROOT / there).exists():
        return words if words.startswith("`") else f"{words} (`{there}`)"
    return f"{mark}[{words}]({relpath(new, str(PurePosixPath(uri).parent))}{hash_}{anchor})"
