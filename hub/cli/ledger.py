"""`hub keys ledger`: the record of destroyed keys, in a file apart from every backup."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hub.adapters.keys import journal
from hub.bootstrap import build_clock, build_keys
from hub.cli.language import message
from hub.cli.messages import print_messages
from hub.cli.output import AsJson, print_json
from hub.config import load_settings
from hub.ports import HubKeyStore

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The ledger of destroyed keys, kept apart from all backups.",
)
Ledger = Annotated[Path, typer.Argument(metavar="FILE", help="A file on another medium.")]


@app.command()
def export(file: Ledger, as_json: AsJson = False) -> None:
    """Write all destructions so far into a file: pseudonyms and checksums, no keys."""
    with opened_keys() as keys:
        entries = journal.export(file, keys.ledger())
    if as_json:
        print_json({"file": str(file), "entries": entries})
    else:
        print_messages([message("{} destroyed keys in {}. Keep it apart from all backups.", entries, file)])


@app.command()
def replay(file: Ledger, as_json: AsJson = False) -> None:
    """Destroy again what an older key database brought back. The whole way: `hub restore`."""
    entries = journal.read(file)
    with opened_keys() as keys:
        lived = keys.replay(entries)
    if as_json:
        print_json({"entries": len(entries), "lived": lived})
    else:
        print_messages([message("{} of {} keys were back and are destroyed.", lived, len(entries))])


@contextmanager
def opened_keys() -> Iterator[HubKeyStore]:
    """The keys alone, without store or log: they may be what was restored."""
    settings = load_settings()
    keys = build_keys(settings, build_clock(settings))
    try:
        yield keys
    finally:
        keys.close()
