"""One HTML page without any other file, for the desk of people who decide: readable everywhere, and to print."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from hub.cli.language import spoken
from hub.errors import UsageError

_STYLE = """
:root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc; vertical-align: top; }
caption { text-align: left; font-weight: 600; padding: .5rem 0; overflow-wrap: anywhere; }
.withheld { background: #fdecea; } .pseudonymised { background: #fff7e0; } .sent { background: #e8f3e8; }
.warning { border-left: .4rem solid #b3261e; padding: .3rem .6rem; color: #8c1d18; background: #fdecea; }
td.number { text-align: right; }
@media print { table { break-inside: avoid; } }
"""


def whole(title: str, parts: Iterable[str]) -> str:
    """The page with its heading; `parts` are HTML already."""
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="{spoken()}"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def write_page(path: Path, text: str) -> None:
    """Raises UsageError where the page cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            "the page cannot be written", place=str(path), remedy="name a file in a folder that is there"
        ) from error


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table; its cells are text, and numbers stand to the right."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    lines = "\n".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(cell: object) -> str:
    return f'<td class="number">{cell}</td>' if isinstance(cell, int) else f"<td>{escape(str(cell))}</td>"
