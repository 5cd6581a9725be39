"""What every verb prints: one JSON object on standard output, or a table; progress and warnings on standard error.

Every verb takes `--json` as `AsJson`; a verb that runs until it is stopped prints a line of JSON for each change of its
state (`print_json_line`). States are coloured here only, on a terminal that wants colours (NO_COLOR).
"""

import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import orjson
import typer

from hub.cli import waiting
from hub.domain.clock import moment

if TYPE_CHECKING:
    from rich.text import Text

_AS_JSON: ContextVar[bool] = ContextVar("as_json", default=False)


def note_json(asked: bool) -> bool:
    """Called by the option parser: from now on no progress is shown where an object was asked for."""
    _AS_JSON.set(asked)
    if asked:
        waiting.end()
    return asked


AsJson = Annotated[
    bool, typer.Option("--json", callback=note_json, help="One JSON object on standard output (errors too).")
]


class State(NamedTuple):
    """A state to be seen at a glance: `text` is green or red where the terminal shows colours, `rest` is as it is."""

    text: str
    ok: bool
    rest: str = ""

    def styled(self) -> "Text":
        from rich.text import Text

        return Text.assemble((self.text, "green" if self.ok else "bold red"), self.rest)


def ok_or_fail(ok: bool) -> State:
    """The two words that every check uses, in each language."""
    return State("OK" if ok else "FAIL", ok)


def print_json(value: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """The answer as one object; nothing else may stand on standard output with it."""
    waiting.interrupt()
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def print_json_line(value: Mapping[str, Any]) -> None:
    """One of several objects, each a line of its own: the states of a verb that runs until it is stopped."""
    typer.echo(orjson.dumps(value))


def print_document(text: str | bytes) -> None:
    """A whole page, schema or object for a machine or a browser, as it is."""
    waiting.interrupt()
    typer.echo(text)


def print_lines(lines: Iterable[str | State], *, style: str | None = None) -> None:
    """Plain sentences, a line each where no terminal wraps them: no markup is read in them, for they may hold square
    brackets."""
    from rich.console import Console

    console = Console()
    for line in lines:
        waiting.interrupt()
        shown = line.styled() if isinstance(line, State) else line
        console.print(shown, style=style, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """No markup is read in it either."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    waiting.interrupt()
    table = Table(title=Text(title), title_justify="left")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(cell.styled() if isinstance(cell, State) else Text(str(cell)) for cell in row))
    Console().print(table)


def print_commands(commands: Mapping[str, str]) -> None:
    """Commands to copy, each on a line of its own however narrow the terminal, below its purpose."""
    waiting.interrupt()
    for command, purpose in commands.items():
        typer.echo(f"\n{purpose}:\n  {command}")


def called_as() -> str:
    """This command as it can be typed in any folder: `hub` where that finds it, else its path."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m hub"
    found = shutil.which("hub")
    if (found and Path(found).resolve() == called.resolve()) or not called.is_file():
        return "hub"
    return shlex.quote(str(called.absolute()))


def warn(text: str) -> None:
    """One line on standard error, as errors are written there."""
    waiting.interrupt()
    typer.echo(f"hub: {text}", err=True)


def progress_wanted() -> bool:
    """Whether somebody looks: standard error is a terminal, and no object was asked for."""
    from rich.console import Console

    return not _AS_JSON.get() and Console(stderr=True).is_terminal


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, on a terminal and without `--json` only; the callable counts what is done since its last
    call. Without a total the bar moves and counts the seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    waiting.end()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not progress_wanted()) as bar:
        task = bar.add_task(description, total=total)
        yield lambda count: bar.advance(task, count)


def rfc3339(at: int | None) -> str | None:
    """Microseconds since 1970 UTC as the contracts write times."""
    return None if at is None else rfc3339_of(moment(at))


def rfc3339_of(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
