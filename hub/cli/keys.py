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
from hub.cli.language import message, verbatim
from hub.cli.messages import print_messages
from hub.cli.output import AsJson, print_json, progress
from hub.config import load_agencies, load_settings
from hub.domain.clock import micros
from hub.errors import NoInput, UsageError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Create, rotate and serve keys: the key service.",
)
app.command()(key_service.serve)
app.add_typer(ledger.app, name="ledger")


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="A new file; HUB_KEK_FILE names it to the hub.")],
    as_json: AsJson = False,
) -> None:
    """Write a new master key. Whoever loses it has lost all content."""
    write_new(file, f"{as_text(new_master())}\n".encode())
    if as_json:
        print_json({"file": str(file)})
    else:
        print_messages(
            [
                message("Master key written: {} (readable by you only).", file),
                message("Next: set HUB_KEK_FILE={} and keep a copy apart from all backups.", file),
            ]
        )


@app.command()
def controller(
    agency: Annotated[str, typer.Argument(metavar="ID", help="Agency, as in the agencies file.")],
    file: Annotated[
        Path | None, typer.Argument(help="A new file for the agency; standard output without it.")
    ] = None,
    following: Annotated[
        bool, typer.Option("--next", help="From the next master key, before a rotation.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Derive the key of an agency. With it a connector opens only what comes from this agency."""
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
        written = message("Key of {} written: {} (readable by you only).", agency, file)
        print_messages([written if file else verbatim(text)])


@app.command()
def rotate(as_json: AsJson = False) -> None:
    """Wrap all keys under the next master key while the hub works. May be interrupted."""
    settings = load_settings()
    database = key_service.open_database(settings)
    try:
        with progress("Keys", rotation.waiting(database.engine) or None) as told:
            count = rotation.rotate(database.engine, database.wrappers, told)
    finally:
        database.close()
    following = next_file(settings.kek_file or "", settings.kek_next_file or "")
    if as_json:
        print_json({"rewrapped": count, "next": str(following)})
    else:
        print_messages(
            [
                message("{} keys are wrapped under the next master key now.", count),
                message("Next: put {} in the place of the old one.", following),
                message("Keep the old one as long as there are older backups of the key database."),
            ]
        )


@app.command()
def purge(as_json: AsJson = False) -> None:
    """Remove what is left of destroyed keys from the files of the key database while the hub works."""
    database = key_service.open_database(load_settings())
    try:
        written = remains.purge(database.engine, micros(datetime.now(UTC)))
    finally:
        database.close()
    if as_json:
        print_json({"purged": True, "log_megabytes": written})
    else:
        print_messages(
            [
                message("The files of the key database hold no destroyed key any more."),
                message("Backups, copies and archived logs from before are not affected: delete them."),
            ]
        )


@app.command()
def certs(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    host: Annotated[
        list[str] | None, typer.Option(help="Name or address of the service; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Certificates for a demonstration: authority, service, hub, each agency. In operation use your own PKI."""
    agencies = [one.id for one in load_agencies(load_settings().agencies)]
    made = make_certificates(folder, agencies, host or ("localhost", "127.0.0.1"))
    if as_json:
        print_json({name: {"cert": str(files.cert), "key": str(files.key)} for name, files in made.items()})
    else:
        print_messages(verbatim(f"{name}: {files.cert}, {files.key}") for name, files in made.items())
        print_messages(
            [
                message(
                    "Valid for 90 days. For demonstrations only: in operation use your own PKI's certificates."
                )
            ]
        )
