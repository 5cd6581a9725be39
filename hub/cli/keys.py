"""`hub keys`: the master key of a hub, the one key that an agency is given, and the service that has all others."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hub.adapters.keys import purge as remains
from hub.adapters.keys import rotation
from hub.adapters.keys.certs import make_certificates
from hub.adapters.keys.wrapping import as_text, controller_kek, new_master, next_file
from hub.cli import key_service, ledger
from hub.cli.files import write_new
from hub.cli.output import AsJson, print_json, print_lines, progress
from hub.config import load_agencies, load_settings
from hub.domain.clock import micros
from hub.errors import NoInput, UsageError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Schlüssel erzeugen, wechseln, ausgeben: der Schlüsseldienst.",
)
app.command()(key_service.serve)
app.add_typer(ledger.app, name="ledger")


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="neue Datei; HUB_KEK_FILE nennt sie dem Hub")],
    as_json: AsJson = False,
) -> None:
    """Einen neuen Hauptschlüssel schreiben. Wer ihn verliert, hat alle Inhalte verloren."""
    write_new(file, f"{as_text(new_master())}\n".encode())
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
    following: Annotated[
        bool, typer.Option("--next", help="aus dem nächsten Hauptschlüssel, vor einem Wechsel")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Den Schlüssel eines Trägers ableiten. Sein Konnektor öffnet damit nur, was von diesem Träger stammt."""
    settings = load_settings()
    known = sorted(one.id for one in load_agencies(settings.agencies))
    if agency not in known:
        raise UsageError(
            "there is no such agency", place="hub keys controller", remedy="name one of " + ", ".join(known)
        )
    masters = settings.keks()()
    if following and len(masters) == 1:
        raise NoInput("there is no next key", place="HUB_KEK_NEXT_FILE", remedy="`hub keys init FILE.next`")
    text = as_text(controller_kek(masters[-1] if following else masters[0], agency))
    if file:
        write_new(file, f"{text}\n".encode())
    if as_json:
        print_json({"controller": agency, **({"file": str(file)} if file else {"key": text})})
    else:
        print_lines([f"Schlüssel von {agency} geschrieben: {file} (nur für Sie lesbar)."] if file else [text])


@app.command()
def rotate(as_json: AsJson = False) -> None:
    """Alle Schlüssel unter den nächsten Hauptschlüssel bringen, während der Hub arbeitet. Darf abgebrochen werden."""
    settings = load_settings()
    database = key_service.open_database(settings)
    try:
        with progress("Schlüssel", rotation.waiting(database.engine) or None) as told:
            count = rotation.rotate(database.engine, database.wrappers, told)
    finally:
        database.close()
    following = next_file(settings.kek_file or "", settings.kek_next_file or "")
    if as_json:
        print_json({"rewrapped": count, "next": str(following)})
    else:
        print_lines(
            [
                f"{count} Schlüssel sind jetzt unter dem nächsten Hauptschlüssel.",
                f"Als Nächstes: {following} an die Stelle des alten setzen.",
                "Den alten aufbewahren, solange es ältere Sicherungen der Schlüsseldatenbank gibt.",
            ]
        )


@app.command()
def purge(as_json: AsJson = False) -> None:
    """Reste vernichteter Schlüssel aus den Dateien der Schlüsseldatenbank entfernen, während der Hub arbeitet."""
    database = key_service.open_database(load_settings())
    try:
        written = remains.purge(database.engine, micros(datetime.now(UTC)))
    finally:
        database.close()
    if as_json:
        print_json({"purged": True, "log_megabytes": written})
    else:
        print_lines(
            [
                "Die Dateien der Schlüsseldatenbank enthalten keinen vernichteten Schlüssel mehr.",
                "Sicherungen, Kopien und archivierte Logs von vorher sind davon nicht berührt: löschen.",
            ]
        )


@app.command()
def certs(
    folder: Annotated[Path, typer.Argument(help="neuer Ordner")],
    host: Annotated[list[str] | None, typer.Option(help="Name oder Adresse des Dienstes; mehrfach")] = None,
    as_json: AsJson = False,
) -> None:
    """Zertifikate für eine Vorführung: eine Wegwerf-Stelle, der Dienst, der Hub, jedes Amt. Sonst: die eigene PKI."""
    agencies = [one.id for one in load_agencies(load_settings().agencies)]
    made = make_certificates(folder, agencies, host or ("localhost", "127.0.0.1"))
    if as_json:
        print_json({name: {"cert": str(files.cert), "key": str(files.key)} for name, files in made.items()})
    else:
        print_lines([f"{name}: {files.cert}, {files.key}" for name, files in made.items()])
        print_lines(
            ["Gültig für 90 Tage. Nur zur Vorführung: im Betrieb Zertifikate der eigenen PKI verwenden."]
        )
