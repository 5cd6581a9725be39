"""How agencies' commands print: every line is a `Message`, so that nothing stands there in one language alone.

`print_json` and `print_document` of `hub.cli.output` write what machines and browsers read.
"""

from collections.abc import Iterable, Mapping, Sequence

import typer
from rich.console import Console

from hub.cli import waiting
from hub.cli.language import Message
from hub.cli.output import State, print_commands, print_lines, print_table, warn

Cell = Message | int | State


def print_messages(lines: Iterable[Message | State], *, style: str | None = None) -> None:
    """A line each, on standard output; no markup is read in them."""
    print_lines(lines, style=style)


def print_message_table(title: Message, columns: Sequence[Message], rows: Iterable[Sequence[Cell]]) -> None:
    """A table with its headings; cells are messages, data as it is (`verbatim`) or counts."""
    print_table(title, columns, rows)


def print_next(commands: Mapping[str, Message]) -> None:
    """Commands to copy, each below its purpose."""
    print_commands(commands)


def warn_of(text: Message) -> None:
    """One line on standard error."""
    warn(text)


def prompt(question: Message, *, err: bool = False) -> str:
    """Input of the person at the terminal; `err` asks on standard error."""
    waiting.end()
    return str(typer.prompt(question, err=err))


def clear_screen() -> None:
    Console().clear()
