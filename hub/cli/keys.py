"""`hub keys`: the master key of a hub, and the one key that an agency is given."""

import os
from pathlib import Path
from typing import Annotated

import typer

from hub.adapters.keys.kek import as_text, controller_kek, master_key, new_master
from hub.cli.output import AsJson, print_json, print_lines
from hub.config import load_agencies, load_settings
from hub.errors import HubError, NoInput, UsageError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Schlüssel erzeugen: für den Hub und für einen Träger.",
)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="neue Datei; HUB_KEK_FILE nennt sie dem Hub")],
    as_json: AsJson = False,
) -> None:
    """Einen neuen Hauptschlüssel schreiben. Wer ihn verliert, hat alle Inhalte verloren."""
    _write(file, as_text(new_master()))
    if as_json:
        print_json({"file": str(file)})
    else:
        print_lines(
            [
                f"Hauptschlüssel geschrieben: {file} (nur für Sie lesbar).",
                f"Als Nächstes: HUB_KEK_FILE={file} setzen und eine Kopie getrennt von allen Datensicherungen ablegen.",
            ]
        )


@app.command()
def controller(
    agency: Annotated[str, typer.Argument(metavar="ID", help="Träger, wie in der Agenturdatei")],
    file: Annotated[
        Path | None, typer.Argument(help="neue Datei für das Amt; ohne Angabe Standardausgabe")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Den Schlüssel eines Trägers ableiten. Sein Konnektor öffnet damit nur, was von diesem Träger stammt."""
    settings = load_settings()
    known = sorted(one.id for one in load_agencies(settings.agencies))
    if agency not in known:
        raise UsageError(
            "there is no such agency", place="hub keys controller", remedy="name one of " + ", ".join(known)
        )
    master = master_key(settings.kek.get_secret_value(), settings.kek_file or "")
    text = as_text(controller_kek(master, agency))
    if file:
        _write(file, text)
    if as_json:
        print_json({"controller": agency, **({"file": str(file)} if file else {"key": text})})
    else:
        print_lines([f"Schlüssel von {agency} geschrieben: {file} (nur für Sie lesbar)."] if file else [text])


def _write(file: Path, text: str) -> None:
    """For its owner's eyes from the first byte on, and never over a key that exists."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(
            "the file exists, and a key is never overwritten", place=file.name, remedy="name a new file"
        ) from None
    except OSError as error:
        raise _unwritable(file, error) from None
    with os.fdopen(handle, "w", encoding="ascii") as out:
        out.write(text + "\n")


def _unwritable(file: Path, error: OSError) -> HubError:
    return NoInput(f"cannot be written: {error.strerror}", place=file.name, remedy="name a writable folder")
