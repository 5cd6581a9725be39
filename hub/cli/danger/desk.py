"""The parts of one office's danger path, opened for the time of one verb. Nothing else of the hub is opened."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hub.adapters.clocks import FileClock, SystemClock
from hub.cli.connect.host import open_log
from hub.cli.language import error_said
from hub.cli.messages import warn_of
from hub.danger.box import LetterBox, Out, Refusal
from hub.danger.config import DangerConfig, load_danger_config
from hub.danger.intake import Intake
from hub.danger.post import Post
from hub.danger.reporter import Reporter
from hub.errors import HubError, ServiceUnavailable, UsageError
from hub.ports import Clock

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML-Datei des Meldewegs")]
ReportId = Annotated[str, typer.Argument(metavar="ID", help="Nummer der Meldung (32 Hexziffern)")]


@dataclass(frozen=True, slots=True)
class Desk:
    """`kept` is None when the box cannot be opened: a report is sent all the same."""

    config: DangerConfig
    clock: Clock
    kept: LetterBox | None
    post: Post

    @property
    def box(self) -> LetterBox:
        if self.kept is None:
            raise ServiceUnavailable(
                "cannot be opened", place=self.config.state.name, remedy="check the disk"
            )
        return self.kept

    @property
    def reporter(self) -> Reporter:
        if self.config.intake:
            raise UsageError(
                "this office receives reports", place="config.agency.kind", remedy="hub danger inbox"
            )
        return Reporter(self.config, self.kept, self.post, self.clock)

    @property
    def intake(self) -> Intake:
        if not self.config.intake:
            raise UsageError(
                "this office sends reports", place="config.agency.kind", remedy="hub danger report"
            )
        return Intake(self.config, self.box, self.post, self.clock)

    def try_to(self, carry: Callable[[], int]) -> bool:
        """Send or fetch; False, and a word to the person, while the log is away."""
        try:
            carry()
        except HubError as error:
            warn_of(error_said(error))
            return False
        return True

    def refused(self) -> list[tuple[Out, Refusal]]:
        """Letters that the log has not taken although it was tried, the oldest first."""
        refusals = self.box.refusals()
        return [(one, refusals[one.number]) for one in self.box.waiting() if one.number in refusals]

    def overdue(self) -> bool:
        """Whether a report of this office waits too long for its acknowledgement."""
        waiting = self.intake.reports() if self.config.intake else self.reporter.statuses()
        return any(one.overdue for one in waiting)


@contextmanager
def opened_desk(path: Path) -> Iterator[Desk]:
    """Raises ConfigurationError; a box or a log that is away is no reason not to begin."""
    config = load_danger_config(path)
    clock: Clock = FileClock(config.clock_file) if config.clock_file else SystemClock()
    try:
        kept = LetterBox(config.state)
    except ServiceUnavailable as error:
        warn_of(error_said(error))
        kept = None
    post = Post(config, kept, lambda: open_log(config, clock), clock)
    try:
        yield Desk(config, clock, kept, post)
    finally:
        post.close()
        if kept:
            kept.close()


def id_of(text: str) -> bytes:
    """The report id that a person typed; raises UsageError."""
    try:
        found = bytes.fromhex(text.strip())
    except ValueError:
        found = b""
    if len(found) != 16:
        raise UsageError("is no report's id", place="ID", remedy="32 digits as hub danger inbox shows them")
    return found
