"""`hub connect init`: a commented configuration that begins from what is there."""

import os
import secrets
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.publish.keyring import SECRET_SIZE
from connectors.sources.files.settings import Dialect
from connectors.tools.dry_run.checking import Found, examine
from connectors.tools.propose.exported import INBOX, dated, is_snapshot, newest
from connectors.tools.propose.profile import Table
from connectors.tools.propose.propose import Proposal, propose
from connectors.tools.propose.schema import config_schema
from connectors.tools.propose.text import House, config_text
from connectors.tools.propose.xml_records import Record
from connectors.tools.propose.xml_records import documents as read_documents
from hub.adapters.clocks import SystemClock
from hub.cli.connect.discover import (
    Delimiter,
    Encoding,
    Folder,
    Lists,
    Quote,
    Skip,
    TokenEnv,
    TokenFile,
    Trailer,
    Url,
    UrlEnv,
    ask,
    dialect,
    is_http,
    look,
    unread,
    xml_of,
)
from hub.cli.files import write_new
from hub.cli.init import embedded
from hub.cli.language import Message, in_german, message
from hub.cli.messages import print_messages, prompt
from hub.cli.output import AsJson, print_json
from hub.domain.agencies import ROLES_BY_KIND
from hub.domain.identifiers import AgencyKey
from hub.errors import UsageError

_LOOKED_AT = 2000  # rows of the first reading
_NAMED = 3  # unreadable rows of a table that are named
SQLITE = "sqlite:///"
NO_VIEWS = frozenset({"ja_intake", "controlling"})  # roles that no joint view is made for


def init(
    out: Annotated[Path, typer.Argument(metavar="DATEI", help="neue TOML-Datei der Quelle")],
    agency: Annotated[str, typer.Option(help="Kennung des eigenen Amts, z. B. jc-seestadt")] = "",
    agency_kind: Annotated[str, typer.Option(help=" | ".join(ROLES_BY_KIND))] = "",
    recipient: Annotated[
        list[str] | None, typer.Option(help="KENNUNG:ART des Amts, das sehen soll; mehrfach möglich")
    ] = None,
    url: Url = "",
    url_env: UrlEnv = "",
    paths: Lists = None,
    token_file: TokenFile = None,
    token_env: TokenEnv = "",
    folder: Folder = None,
    encoding: Encoding = "",
    delimiter: Delimiter = "",
    quote: Quote = '"',
    skip: Skip = 0,
    trailer: Trailer = "",
    hub: Annotated[
        Path | None,
        typer.Option("--hub", help="Ordner eines Hubs auf diesem Rechner (hub init): Schlüssel und Log"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Schreibt eine kommentierte Konfiguration mit einem Vorschlag für die Zuordnung. Fragt, was fehlt."""
    if out.exists():
        raise UsageError("file already exists", place=out.name, remedy="choose another path")
    agency = agency or _ask(message("Id of your own agency"), "--agency")
    asked = message("Kind of the agency ({})", ", ".join(ROLES_BY_KIND))
    agency_kind = _known(agency_kind or _ask(asked, "--agency-kind"), "--agency-kind")
    others = recipient or [
        _ask(message("The other agency as ID:KIND (e.g. ja-seestadt:youth_welfare)"), "--recipient")
    ]
    recipients = [each for one in others for each in _roles(one)]
    if not (url or url_env or folder):
        folder = Path(_ask(message("Folder of the CSV exports"), "--folder, --url or --url-env"))
    documents = xml_of(folder, url, url_env)
    if folder and not documents:
        encoding = encoding or _ask(message("Encoding of the files (e.g. cp1252, utf-8)"), "--encoding")
        delimiter = delimiter or _ask(message("Delimiter"), "--delimiter")
    requests: dict[str, Any] = {}
    found_records: list[Record] = []
    if is_http(url):
        base, found = ask(url, paths or (), token_file, token_env)
        tables, requests = found.tables, {one.table.name: one.request for one in found.lists}
        kind, settings = "rest", _interface(base, found.paging, token_file, token_env, out)
    elif folder and documents:
        looked = read_documents(documents)
        found_records, tables, kind = looked.records, looked.tables, "xml"
        settings = _documents(folder, documents, found_records, encoding, out)
    else:
        written = dialect(encoding or "utf-8", delimiter or ";", quote, skip, trailer)
        tables = look(url, url_env, folder, written)
        kind, settings = _source(url, url_env, folder, written, out)
    house = House(
        agency=agency,
        agency_kind=agency_kind,
        kind=kind,
        recipients=recipients,
        settings=settings,
        requests=requests,
        records={one.table.name: one for one in found_records},
        hub=embedded(hub, out) if hub else {},
    )
    proposal = propose(tables, house.agency_kind, house.agencies)
    read = _write(out, house, tables, proposal)
    _tell(out, tables, proposal, read, as_json=as_json)


def _ask(question: Message, flag: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError("is missing", place=flag, remedy="give it, or call the command on a terminal")
    return prompt(question)


def _known(kind: str, place: str) -> str:
    if kind not in ROLES_BY_KIND:
        raise UsageError("unknown kind of agency", place=place, remedy=" | ".join(ROLES_BY_KIND))
    return kind


def _roles(recipient: str) -> Iterator[tuple[str, str, str]]:
    controller, _, kind = recipient.partition(":")
    if not (controller and kind):
        kinds = " | ".join(ROLES_BY_KIND)
        raise UsageError(
            "names no kind of agency",
            place="--recipient",
            remedy=f"write it as ID:KIND, with a kind of {kinds}",
        )
    for role in ROLES_BY_KIND[_known(kind, "--recipient")]:
        if role not in NO_VIEWS:
            yield controller, kind, role


def _interface(
    base: str, paging: Mapping[str, str], token_file: Path | None, token_env: str, out: Path
) -> dict[str, Any]:
    """Settings of an HTTP interface; of a token only where it is kept."""
    token = {"token_file": _seen_from(token_file, out)} if token_file else {}
    token |= {"token_env": token_env} if token_env else {}
    return {"url": base, **token, **({"paging": paging} if paging else {})}


def _source(
    url: str, url_env: str, folder: Path | None, written: Dialect, out: Path
) -> tuple[str, dict[str, Any]]:
    """The kind of source and its settings."""
    if folder is None:
        return "sql", {"url_env": url_env} if url_env else {"url": _from(url, out)}
    signs: dict[str, Any] = {
        "encoding": written.encoding,
        "delimiter": written.delimiter,
        "quote": written.quote,
    }
    signs |= {"skip": written.skip} if written.skip else {}
    if is_snapshot(folder):
        return "snapshot_csv", {"folder": _seen_from(folder, out), **signs}
    arrival = newest(folder)
    flat = arrival.name != INBOX
    drop = arrival if flat else arrival.parent
    where = {"folder": _seen_from(drop, out), **({"inbox": "."} if flat else {})}
    together = {"together": True} if flat and not written.trailer else {}
    return "file_drop", {**where, **_complete(written), **together, **_day(folder), **signs}


def _documents(
    folder: Path, documents: Mapping[str, Path], found: Sequence[Record], encoding: str, out: Path
) -> dict[str, Any]:
    """Settings of a folder of XML; the encoding is what the files say of themselves."""
    arrival = newest(folder)
    flat = arrival.name != INBOX
    where = {
        "folder": _seen_from(arrival if flat else arrival.parent, out),
        **({"inbox": "."} if flat else {}),
    }
    names = {prefix: uri for one in found for uri, prefix in one.shape.prefixes.items()}
    named = {"namespaces": names} if names else {}
    together = {"together": True} if flat and len(documents) > 1 else {}
    complete = {"complete": "manifest" if is_snapshot(folder) else "rename"}
    day = dated(folder, documents.values())
    as_of = {"as_of": day.pattern, "as_of_date": day.written} if day else {}
    return {
        **where,
        **complete,
        **together,
        **as_of,
        "encoding": encoding or found[0].shape.encoding,
        **named,
    }


def _seen_from(path: Path, out: Path) -> str:
    """As the configuration names it: paths in it start where it lies."""
    return os.path.relpath(path.resolve(), out.parent.resolve())


def _from(url: str, out: Path) -> str:
    """The address of an SQLite file, which is a path; any other address as it is."""
    file = url.removeprefix(SQLITE)
    return url if file == url or file.startswith("/") else f"{SQLITE}{_seen_from(Path(file), out)}"


def _complete(written: Dialect) -> dict[str, Any]:
    """What tells that a dropped file is whole: its last line where it has one, else that it was renamed."""
    return (
        {"complete": "trailer", "trailer": written.trailer.pattern}
        if written.trailer
        else {"complete": "rename"}
    )


def _day(folder: Path) -> dict[str, Any]:
    found = dated(folder)
    return {"as_of": found.pattern, "as_of_date": found.written} if found else {}


def _write(out: Path, house: House, tables: Sequence[Table], proposal: Proposal) -> Found:
    """The file, the schema for editors, and the agency's own secret when there is none yet (its owner's alone).

    The file gets its name only after a first reading as the preview does it; a stream that stands still in it becomes a
    comment. Raises what that reading raises; then there is no file.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    made = out.with_name(f".{out.name}.new")
    refused: dict[str, str] = {}
    try:
        while True:
            made.write_text(config_text(house, tables, proposal, refused), encoding="utf-8")
            found = examine(
                load_config(made),
                AgencyKey(secrets.token_bytes(SECRET_SIZE)),
                SystemClock().now(),
                rows=_LOOKED_AT,
            )
            more = {
                one.stream: f"{one.reason}, {one.place}. {in_german(one.remedy)}" for one in found.incidents
            }
            if not more.keys() & {stream.name for stream in proposal.streams} - refused.keys():
                break
            refused |= more
        made.replace(out)
    finally:
        made.unlink(missing_ok=True)
    out.with_name("connector.schema.json").write_bytes(orjson.dumps(config_schema()))
    secret = out.parent / "agency.key"
    if not secret.exists():
        write_new(secret, b64encode(secrets.token_bytes(SECRET_SIZE)) + b"\n")
    return found


def _tell(out: Path, tables: Sequence[Table], proposal: Proposal, found: Found, *, as_json: bool) -> None:
    events = sorted({event.type for stream in proposal.streams for event in stream.events})
    unknown = sum(len(coded.unknown) for coded in proposal.codes)
    held = sum(fault.records for fault in (*found.codes, *found.faults))
    if as_json:
        print_json(
            {
                "file": str(out),
                "tables": len(tables),
                "streams": [stream.name for stream in proposal.streams],
                "events": events,
                "unrecognised": [table.name for table in proposal.unrecognised],
                "without_key": [table.name for table in proposal.keyless],
                "unknown_codes": unknown,
                "unreadable": [one._asdict() for table in tables for one in table.unreadable],
                "incidents": [asdict(one) for one in found.incidents],
                "held": held,
            }
        )
        return
    lines = [
        message("Written: {} and beside it agency.key (your secret; keep a copy in the safe).", out),
        message("{} of {} tables recognised: {}.", len(proposal.streams), len(tables), ", ".join(events))
        if events
        else message(
            "None of {} tables recognised; their columns stand as comments in the file. Example: "
            "docs/how-to/anschluss-einrichten.md.",
            len(tables),
        ),
    ]
    if events and proposal.unrecognised:
        names = ", ".join(table.name for table in proposal.unrecognised)
        lines.append(message("Not recognised, a comment in the file: {}.", names))
    lines += [message("Without a key, a comment in the file: {}.", table.name) for table in proposal.keyless]
    lines += [line for table in tables for line in unread(table)[:_NAMED]]
    lines += [
        message("Stands still: {} ({}, {}).", one.stream, one.reason, one.place) for one in found.incidents
    ]
    if unknown:
        lines.append(message("{} codes are unknown and stand as comments in the file.", unknown))
    elif events:
        lines.append(message("All codes recognised."))
    if held:
        lines.append(message("{} records would be held; the preview names place and remedy.", held))
    lines.append(message("Next: read the file, then  hub connect preview {}", out))
    print_messages(lines)
