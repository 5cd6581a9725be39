"""`hub keys ledger`: the record of destroyed keys, in a file apart from every backup."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hub.adapters.keys import journal
from hub.bootstrap import build_clock, build_keys
from hub.cli.output import AsJson, print_json, print_lines
from hub.config import load_settings
from hub.ports import HubKeyStore

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Das Verzeichnis der vernichteten Schlüssel, getrennt von allen Sicherungen.",
)
Ledger = Annotated[Path, typer.Argument(metavar="FILE", help="Datei auf einem anderen Datenträger")]


@app.command()
def export(file: Ledger, as_json: AsJson = False) -> None:
    """Alle bisherigen Vernichtungen in eine Datei schreiben: Pseudonyme und Prüfsummen, keine Schlüssel."""
    with opened_keys() as keys:
        entries = journal.export(file, keys.ledger())
    if as_json:
        print_json({"file": str(file), "entries": entries})
    else:
        print_lines(
            [f"{entries} vernichtete Schlüssel in {file}. Getrennt von allen Datensicherungen aufbewahren."]
        )


@app.command()
def replay(file: Ledger, as_json: AsJson = False) -> None:
    """Wieder vernichten, was eine ältere Schlüsseldatenbank zurückbrachte. Ganzer Weg: `hub restore`."""
    entries = journal.read(file)
    with opened_keys() as keys:
        lived = keys.replay(entries)
    if as_json:
        print_json({"entries": len(entries), "lived": lived})
    else:
        print_lines([f"{lived} von {len(entries)} Schlüsseln waren wieder da und sind vernichtet."])


@contextmanager
def opened_keys() -> Iterator[HubKeyStore]:
    """The keys alone, without store or log: they may be what was restored."""
    settings = load_settings()
    keys = build_keys(settings, build_clock(settings))
    try:
        yield keys
    finally:
        keys.close()
