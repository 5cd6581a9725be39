"""A verb that is silent for long shows on a terminal that it works; nowhere else."""

import io
from collections.abc import Iterator
from threading import Event

import pytest
from rich.console import Console
from rich.progress import Progress

from hub.cli import waiting
from hub.cli.output import note_json, print_lines, progress
from hub.cli.waiting import Waiting, bar_on


class Terminal:
    """A console that is one, and tells when something was shown on it."""

    def __init__(self) -> None:
        self.console = Console(file=io.StringIO(), force_terminal=True, width=80)
        self.asked = Event()
        self.made: list[Progress] = []

    def bar(self) -> Progress:
        self.made.append(bar_on(self.console))
        self.asked.set()
        return self.made[-1]

    @property
    def text(self) -> str:
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    yield Terminal()
    waiting.end()


def test_silence_shows_the_verb(terminal: Terminal) -> None:
    sign = Waiting("hub connect preview", terminal.bar, after=0.0)
    sign.begin()
    assert terminal.asked.wait(30)
    sign.end()
    assert "hub connect preview" in terminal.text


def test_what_ends_at_once_shows_nothing(terminal: Terminal) -> None:
    sign = Waiting("hub decide", terminal.bar, after=3600)
    sign.begin()
    sign.interrupt()
    sign.end()
    assert terminal.made == []


@pytest.mark.parametrize("ends", ["json", "bar"])
def test_json_and_a_bar_of_its_own_end_it(terminal: Terminal, ends: str) -> None:
    waiting.begin("hub rebuild", console=terminal.console, after=3600)
    if ends == "json":
        note_json(True)
    else:
        with progress("records"):
            pass
    note_json(False)
    print_lines(["done"])
    assert terminal.text == ""


def test_no_terminal_no_sign(capsys: pytest.CaptureFixture[str]) -> None:
    waiting.begin("hub decide", console=Console(file=io.StringIO()), after=0.0)
    waiting.end()
    assert capsys.readouterr() == ("", "")
