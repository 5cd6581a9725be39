"""A sign of life while a verb is silent: after two seconds a moving bar with the time, on a terminal only.

The command starts it for every verb, so that none has to think of it. Whatever prints takes it away and lets the two
seconds begin again; a verb that runs until it is stopped, and one that shows a bar of its own, ends it.
"""

import sys
from collections.abc import Callable
from threading import RLock, Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

AFTER = 2.0  # seconds of silence
Bar = Callable[[], "Progress"]


class Waiting:
    """The sign of one verb; `bar` makes what is shown."""

    def __init__(self, description: str, bar: Bar, after: float = AFTER) -> None:
        self._description, self._bar, self._after = description, bar, after
        self._lock = RLock()
        self._timer: Timer | None = None
        self._shown: Progress | None = None

    def begin(self) -> None:
        """Show it once the verb has been silent for long enough."""
        with self._lock:
            self._timer = Timer(self._after, self._show)
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """Take it away for good."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
            if self._shown:
                self._shown.stop()
            self._timer = self._shown = None

    def interrupt(self) -> None:
        """Take it away for what is printed now, and begin to wait again."""
        with self._lock:
            if self._timer:
                self.end()
                self.begin()

    def _show(self) -> None:
        with self._lock:
            if self._timer is None:
                return
            self._shown = self._bar()
            self._shown.add_task(self._description, total=None)
            self._shown.start()


def bar_on(console: "Console | None" = None) -> "Progress":
    """A bar on this console, or on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console or Console(stderr=True), transient=True)


_NOW: list[Waiting] = []


def begin(description: str, *, console: "Console | None" = None, after: float = AFTER) -> None:
    """From now on for this verb; nothing where standard error is no terminal."""
    end()
    if sys.stderr.isatty() if console is None else console.is_terminal:
        _NOW.append(Waiting(description, lambda: bar_on(console), after))
        _NOW[-1].begin()


def interrupt() -> None:
    for one in _NOW:
        one.interrupt()


def end() -> None:
    while _NOW:
        _NOW.pop().end()
