"""`hub work VERB CONFIG`: joint work as it was agreed, asked or answered, into the agency's own work book.

One JSON object on standard input, one on standard output (contract `work`). What each other office would see of it
comes with the answer; `--dry-run` writes nothing.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.connect.host import open_keys, open_log
from hub.cli.consent.input import opened_desk
from hub.cli.language import AgencyTyper, Message, message, verbatim
from hub.cli.messages import print_message_table, print_messages
from hub.cli.output import AsJson, print_json
from hub.config import load_settings
from hub.desk.work.desk import WorkDesk
from hub.desk.work.objects import LARGEST, object_of
from hub.desk.work.verbs import VERBS
from hub.ports import Clock

app = AgencyTyper(
    help="Arbeitsbuch: Vereinbarungen, Aufgaben, Gespräche, Verweise, Anträge, Einschätzungen.",
)
Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML-Datei des Einwilligungsschalters")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="nichts eintragen: nur zeigen, wer was sähe")]


def _verb(name: str) -> Callable[..., None]:
    def verb(config: Config, dry_run: DryRun = False, as_json: AsJson = False) -> None:
        with _opened(config) as (desk, clock):
            answer = desk.say(name, _given(), clock.now(), dry_run=dry_run)
        if as_json:
            print_json(answer)
        else:
            _tell(answer)

    verb.__doc__ = VERBS[name].text
    return verb


for _name in VERBS:
    app.command(name=_name)(_verb(_name))


@app.command(name="list")
def list_(config: Config, as_json: AsJson = False) -> None:
    """Was dieses Amt zu einem Fall selbst eingetragen hat, Offenes zuerst."""
    with _opened(config) as (desk, clock):
        listed = desk.listed(_given(), clock.now())
    if as_json:
        print_json(listed)
        return
    columns = (message("Number"), message("Entry"), message("from"), message("ended"))
    print_message_table(message("Work book"), columns, [_row(one) for one in listed["entries"]])


@contextmanager
def _opened(config: Path) -> Iterator[tuple[WorkDesk, Clock]]:
    with ExitStack() as opened:
        desk, clock = opened.enter_context(opened_desk(config))
        log = opened.enter_context(closing(open_log(desk.config, clock)))
        keys = opened.enter_context(closing(open_keys(desk.config, clock)))
        yield WorkDesk(desk, log, keys, tuple(load_settings().policy_files)), clock


def _given() -> object:
    """The object on standard input; raises WorkError."""
    return object_of(sys.stdin.buffer.read(LARGEST + 1))


def _tell(answer: Mapping[str, Any]) -> None:
    """The answer as a table: for each role what it would see."""
    state = message("entered") if answer["written"] else message("not entered")
    columns = (message("to"), message("Role"), message("sees"), message("does not see"))
    rows = [_sight(one) for one in answer["decisions"]]
    print_message_table(message("{} ({})", answer["ref"], state), columns, rows)
    if not rows:
        print_messages([message("No other agency would see anything of it.")])


def _sight(one: Mapping[str, Any]) -> tuple[Message, ...]:
    dropped = ", ".join(f"{name} ({rule})" for name, rule in one["dropped"].items())
    return tuple(
        map(verbatim, (one["recipient"], one["role"], ", ".join(one["kept"]) or "–", dropped or "–"))
    )


def _row(one: Mapping[str, Any]) -> tuple[Message, ...]:
    last = one["steps"][-1]
    ended = message("yes") if one["ended"] else message("no")
    return (verbatim(one["ref"]), verbatim(last["event"]), verbatim(one["steps"][0]["at"]), ended)
