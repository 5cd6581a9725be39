"""`hub subject`: the rights of the persons whom the data are about (Art. 15, 17, 19 GDPR, §§ 83, 84 SGB X)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from hub.cli.files import write_new
from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json, print_lines
from hub.erasure import completion
from hub.erasure.certificate import genuine, public_key
from hub.erasure.request import request_erasure
from hub.errors import DataError, NoInput
from hub.rights.access import access
from hub.subjects.consent_barrier import require_open

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Rechte der Betroffenen: Löschung mit Nachweis, Auskunft.",
)
Person = Annotated[str, typer.Argument(metavar="TRÄGER:PSEUDONYM", help="z. B. jc-a:p_…")]
Id = Annotated[str, typer.Argument(metavar="NR", help="Nummer aus `hub subject erasures`")]
_STATES = {
    "requested": "angefordert",
    "waiting_for_answers": "ausgeführt, Antworten fehlen",
    "completed": "abgeschlossen",
}


@app.command()
def erase(
    subject: Person,
    norm: Annotated[str, typer.Option(help="Rechtsgrundlage, z. B. 'Art. 17 Abs. 1 DSGVO'")],
    everywhere: Annotated[
        bool, typer.Option("--person", help="bei allen Trägern, die diese Person kennen")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Löschung anfordern: alles, was dieser Träger über die Person in den Hub gegeben hat."""
    with opened_parts() as parts:
        ids = request_erasure(parts, subject, norm, everywhere=everywhere)
    if as_json:
        print_json({"requested": ids})
    else:
        lines = [f"Angefordert: {one}" for one in ids]
        print_lines([*lines, "Der Hub führt es aus, sobald er läuft. Stand: hub subject erasures"])


@app.command()
def erasures(
    everything: Annotated[bool, typer.Option("--all", help="auch abgeschlossene")] = False,
    as_json: AsJson = False,
) -> None:
    """Löschungen, die noch offen sind: wer hatte etwas, wer hat noch nicht geantwortet."""
    with opened_parts() as parts:
        found = [one for one in completion.status(parts) if everything or one["state"] != "completed"]
    if as_json:
        print_json({"erasures": found})
    elif not found:
        print_lines(["Keine Löschung ist offen."])
    else:
        print_lines(line for one in found for line in _lines(one))


def _lines(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"{one['id']}  {_STATES[one['state']]}"
    yield f"    betroffen: {one['subject']}"
    yield f"    angefordert {one['requested_at']}, ausgeführt {one['executed_at'] or 'noch nicht'}"
    for to in one["recipients"]:
        yield f"    {to['recipient']} ({to['role']}): {to['answer'] or 'noch keine Antwort'}"
    if one["executed_at"] and not one["recipients"]:
        yield "    niemand hatte etwas davon erhalten"


@app.command()
def answer(
    erasure: Id,
    recipient: Annotated[str, typer.Option(help="der Träger, der geantwortet hat")],
    text: Annotated[str, typer.Option(help="z. B. 'in eigener Akte behalten nach § 84 SGB X'")],
    as_json: AsJson = False,
) -> None:
    """Eine Antwort eintragen, die nicht über den Konnektor kam."""
    with opened_parts() as parts:
        completion.answer(parts, erasure, recipient, text)
        (found,) = completion.status(parts, [erasure])
    if as_json:
        print_json(found)
    else:
        print_lines([f"Eingetragen. Stand: {_STATES[found['state']]}."])


@app.command()
def certificate(erasure: Id, as_json: AsJson = False) -> None:
    """Die Löschbescheinigung (JSON, unterschrieben): Schlüssel, Zeilen, Empfänger, Antworten."""
    del as_json  # a certificate is JSON in any case
    with opened_parts() as parts:
        found = completion.certificate_of(parts, erasure)
    if found is None:
        raise NoInput(
            "there is no executed erasure of this number", place=erasure, remedy="see `hub subject erasures`"
        )
    print_json(found)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="DATEI", help="eine Löschbescheinigung")],
    key: Annotated[
        str, typer.Option("--key", help="öffentlicher Schlüssel; ohne Angabe der dieses Hubs")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Prüfen, ob eine Löschbescheinigung echt und unverändert ist. Endecode 1, wenn nicht."""
    said = _read(file)
    if not key:
        with opened_parts() as parts:
            key = public_key(parts.secret)
    real = genuine(said, key)
    if as_json:
        print_json({"genuine": real, "public_key": key})
    else:
        print_lines(["Echt und unverändert." if real else "NICHT echt oder verändert.", f"Schlüssel: {key}"])
    raise typer.Exit(0 if real else 1)


@app.command()
def export(
    subject: Person,
    out: Annotated[
        Path | None, typer.Option(help="neue Datei, nur für Sie lesbar; ohne Angabe Standardausgabe")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Auskunft: alles, was über die Person im Hub ist, und wer etwas davon hatte (JSON). Enthält Inhalte."""
    if out is not None and out.exists():  # before anything is opened: opening is recorded
        raise NoInput("file already exists", place=out.name, remedy="choose another path")
    with opened_parts() as parts:
        require_open(parts)
        found = access(parts, subject)
    if out is None:
        print_json(found)
        return
    write_new(out, orjson.dumps(found, option=orjson.OPT_INDENT_2))
    if as_json:
        print_json({"file": str(out), "records": len(found["records"])})
        return
    print_lines([f"Geschrieben: {out} ({len(found['records'])} Einträge)."])


def _read(file: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(file.read_bytes())
    except OSError:
        raise NoInput("cannot be read", place=file.name, remedy="name a file that exists") from None
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise DataError("this is no certificate", reason="unreadable", place=file.name)
    return found
