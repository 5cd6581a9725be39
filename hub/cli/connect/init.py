"""`hub connect discover` and `init`: look at what is there, and write a configuration that begins from it."""

import os
import secrets
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from connectors.proposal.look import database, folder_of_csv
from connectors.proposal.profile import Table
from connectors.proposal.propose import Proposal, propose
from connectors.proposal.schema import config_schema
from connectors.proposal.text import House, config_text
from connectors.runtime.build import SECRET_SIZE
from connectors.runtime.config import load_config
from hub.cli.output import AsJson, print_json, print_lines, print_table
from hub.domain.agencies import ROLES_BY_KIND
from hub.errors import UsageError

NO_VIEWS = frozenset({"ja_intake", "controlling"})  # roles that no joint view is made for

Url = Annotated[str, typer.Option("--url", help="SQLAlchemy-Adresse der Datenbank (ohne Passwort)")]
UrlEnv = Annotated[str, typer.Option("--url-env", help="Umgebungsvariable mit der Adresse samt Passwort")]
Folder = Annotated[Path | None, typer.Option("--folder", help="Ordner der CSV-Abzüge")]
Encoding = Annotated[str, typer.Option("--encoding", help="Zeichensatz der CSV-Dateien; wird nie geraten")]
Delimiter = Annotated[str, typer.Option("--delimiter", help="Trennzeichen der CSV-Dateien")]


def discover(
    url: Url = "", url_env: UrlEnv = "", folder: Folder = None, encoding: Encoding = "cp1252",
    delimiter: Delimiter = ";", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Zeigt Tabellen oder Dateien mit Spalten und Schreibweise, aus einer Stichprobe; Werte zeigt es nicht."""
    tables = look(url, url_env, folder, encoding, delimiter)
    if as_json:
        print_json({"tables": [_object(table) for table in tables]})
        return
    for table in tables:
        rows = ((c.name, c.shape, c.written, f"{c.filled:.0%}") for c in table.columns.values())
        print_table(
            f"{table.name} ({table.rows} Zeilen angesehen)",
            ("Spalte", "Art", "Schreibweise", "gefüllt"),
            rows,
        )


def init(
    out: Annotated[Path, typer.Argument(metavar="DATEI", help="neue TOML-Datei der Quelle")],
    agency: Annotated[str, typer.Option(help="Kennung des eigenen Amts, z. B. jc-seestadt")] = "",
    agency_kind: Annotated[str, typer.Option(help=" | ".join(ROLES_BY_KIND))] = "",
    recipient: Annotated[
        list[str] | None, typer.Option(help="KENNUNG:ART des Amts, das sehen soll; mehrfach möglich")
    ] = None,
    url: Url = "", url_env: UrlEnv = "", folder: Folder = None, encoding: Encoding = "",
    delimiter: Delimiter = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Schreibt eine kommentierte Konfiguration mit einem Vorschlag für die Zuordnung. Fragt, was fehlt."""
    if out.exists():
        raise UsageError("is there already", place=out.name, remedy="name a new file")
    agency = agency or _ask("Kennung des eigenen Amts", "--agency")
    agency_kind = agency_kind or _ask(f"Art des Amts ({', '.join(ROLES_BY_KIND)})", "--agency-kind")
    others = recipient or [
        _ask("Das andere Amt als KENNUNG:ART (z. B. ja-seestadt:youth_welfare)", "--recipient")
    ]
    if not (url or url_env or folder):
        folder = Path(_ask("Ordner der CSV-Abzüge", "--folder, --url or --url-env"))
    if folder:
        encoding = encoding or _ask("Zeichensatz der Dateien (z. B. cp1252, utf-8)", "--encoding")
        delimiter = delimiter or _ask("Trennzeichen", "--delimiter")
    tables = look(url, url_env, folder, encoding, delimiter)
    house = House(
        agency=agency, agency_kind=_known(agency_kind, "--agency-kind"), kind="snapshot_csv" if folder else "sql",
        recipients=[each for one in others for each in _roles(one)],
        settings=_settings(url, url_env, folder, encoding, delimiter, out),
    )  # fmt: skip
    proposal = propose(tables)
    _write(out, config_text(house, tables, proposal))
    load_config(out)
    _tell(out, tables, proposal, as_json=as_json)


def look(url: str, url_env: str, folder: Path | None, encoding: str, delimiter: str) -> list[Table]:
    """The tables of the database, or the files of the folder; raises UsageError unless one is named."""
    if url_env and not os.environ.get(url_env):
        raise UsageError("is not set", place=url_env, remedy="export the variable with the address")
    if folder and not (url or url_env):
        return list(folder_of_csv(folder, encoding, delimiter))
    if not folder and bool(url) != bool(url_env):
        return list(database(url or os.environ[url_env]))
    raise UsageError("name one source", place="--url, --url-env, --folder", remedy="give one of them")


def _ask(question: str, flag: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError("is missing", place=flag, remedy="give it, or call the command on a terminal")
    return str(typer.prompt(question))


def _known(kind: str, place: str) -> str:
    if kind not in ROLES_BY_KIND:
        raise UsageError("unknown kind of agency", place=place, remedy=" | ".join(ROLES_BY_KIND))
    return kind


def _roles(recipient: str) -> Iterator[tuple[str, str, str]]:
    controller, _, kind = recipient.partition(":")
    for role in ROLES_BY_KIND[_known(kind, "--recipient")]:
        if role not in NO_VIEWS:
            yield controller, kind, role


def _settings(
    url: str, url_env: str, folder: Path | None, encoding: str, delimiter: str, out: Path
) -> dict[str, Any]:
    if folder:
        where = os.path.relpath(folder.resolve(), out.parent.resolve())
        return {"folder": where, "encoding": encoding, "delimiter": delimiter}
    return {"url_env": url_env} if url_env else {"url": url}


def _write(out: Path, text: str) -> None:
    """The file, the schema for editors, and the agency's own secret when there is none yet (its owner's alone)."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    out.with_name("connector.schema.json").write_bytes(orjson.dumps(config_schema()))
    secret = out.parent / "agency.key"
    if not secret.exists():
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(b64encode(secrets.token_bytes(SECRET_SIZE)) + b"\n")


def _tell(out: Path, tables: Sequence[Table], proposal: Proposal, *, as_json: bool) -> None:
    events = [event.type for stream in proposal.streams for event in stream.events]
    if as_json:
        print_json({
            "file": str(out), "tables": len(tables), "streams": [stream.name for stream in proposal.streams],
            "events": sorted(set(events)), "unrecognised": [table.name for table in proposal.unrecognised],
            "unknown_codes": sum(len(coded.unknown) for coded in proposal.codes),
        })  # fmt: skip
        return
    unknown = sum(len(coded.unknown) for coded in proposal.codes)
    print_lines([
        f"Geschrieben: {out} und daneben agency.key (Ihr Geheimnis; eine Kopie gehört in den Tresor).",
        f"{len(proposal.streams)} von {len(tables)} Tabellen erkannt: {', '.join(sorted(set(events)))}.",
        f"{unknown} Codes sind unbekannt und stehen als Kommentar in der Datei." if unknown else "Alle Codes erkannt.",
        f"Als Nächstes: die Datei lesen, dann  hub connect preview {out}",
    ])  # fmt: skip


def _object(table: Table) -> dict[str, Any]:
    columns = [
        {"name": c.name, "shape": c.shape, "written": c.written, "filled": round(c.filled, 3)}
        for c in table.columns.values()
    ]
    return {"name": table.name, "rows": table.rows, "key": list(table.key), "columns": columns}
