"""One HTML page without any other file, for the desk of people who decide: readable everywhere, and to print."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hub.cli.language import spoken
from hub.errors import UsageError
from hub.pages import render


class PageTable(NamedTuple):
    """A table of a page; its cells are text, and numbers stand to the right."""

    title: str
    columns: Iterable[str]
    rows: Iterable[Iterable[object]]


def page_of(template: str, title: str, **values: object) -> str:
    """The page of this template, in the language that is spoken."""
    return render("hub.cli.connect", template, lang=spoken(), title=title, **values)


def write_page(path: Path, text: str) -> None:
    """Raises UsageError where the page cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            "the page cannot be written", place=str(path), remedy="name a file in a folder that is there"
        ) from error
