"""HTML comes from templates alone, escaped, and never with a hole in it."""

import ast
import re
from pathlib import Path

import pytest
from jinja2 import DictLoader, UndefinedError

import hub
from hub.pages import environment, render

ROOT = Path(hub.__file__).parents[1]
TAG = re.compile(
    r"(?<!P)</?(html|head|body|h[1-6]|p|table|thead|tbody|t[rdh]|ul|ol|li|div|span|section|small|strong)\b"
)
TEMPLATES = sorted(
    path for folder in ("hub", "connectors") for path in (ROOT / folder).glob("**/templates/*.html")
)


def test_values_are_escaped() -> None:
    page = render(
        "hub.cli.connect", "shadow.html", lang="de", title='<b>"x"', days="1 & 2", found=_Table(), remark=""
    )
    assert "<title>&lt;b&gt;&#34;x&#34;</title>" in page
    assert "1 &amp; 2" in page
    assert '<td class="number">3</td><td>&lt;i&gt;</td>' in page


def test_a_name_that_nobody_gives_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="remark"):
        render("hub.cli.connect", "shadow.html", lang="de", title="x", days="", found=_Table())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_switches_escaping_off(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    pages = environment("hub.web")
    pages.loader = DictLoader({"page": text})
    pages.get_template("page")


def test_no_module_writes_html_itself() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("hub", "connectors", "projections")
        for path in (ROOT / folder).glob("**/*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and TAG.search(node.value)
    ]
    assert found == []


class _Table:
    title, columns, rows = "t", ("c",), ((3, "<i>"),)
