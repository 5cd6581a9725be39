"""`hub connect discover`: which tables or files are there and how they are written; the options that say where."""

import codecs
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.sources.files.settings import Dialect
from connectors.sources.rest.config import plain_access
from connectors.tools.propose.database import database
from connectors.tools.propose.exported import folder_of_files, holds_tables
from connectors.tools.propose.interface import Interface, interface, parted
from connectors.tools.propose.profile import DOUBTFUL, Table
from connectors.tools.propose.xml_records import documents, xml_files
from hub.cli.language import Message, error_said, message, verbatim, word_of
from hub.cli.messages import print_message_table, print_messages
from hub.cli.output import AsJson, print_json
from hub.errors import HubError, UsageError

_SHAPES = {
    "date": "date",
    "time": "time",
    "decimal": "decimal",
    "number": "number",
    "flag": "flag",
    "text": "text",
    "empty": "empty",
}
_WRITTEN = {DOUBTFUL: "day or month first?"}
TABS = ("\\t", "tab", "TAB")  # how people write a tab where they cannot type one

Url = Annotated[
    str,
    typer.Option(
        "--url", help="Adresse der Datenbank (SQLAlchemy) oder der HTTP-Schnittstelle, ohne Passwort"
    ),
]
UrlEnv = Annotated[str, typer.Option("--url-env", help="Umgebungsvariable mit der Adresse samt Passwort")]
Lists = Annotated[
    list[str] | None,
    typer.Option("--path", help="Liste der HTTP-Schnittstelle, z. B. /v1/personen; mehrfach möglich"),
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="Datei mit dem Token der HTTP-Schnittstelle")
]
TokenEnv = Annotated[str, typer.Option("--token-env", help="Umgebungsvariable mit diesem Token")]
Folder = Annotated[Path | None, typer.Option("--folder", help="Ordner der Abzüge (CSV und Verwandte)")]
Encoding = Annotated[str, typer.Option("--encoding", help="Zeichensatz der Dateien; wird nie geraten")]
Delimiter = Annotated[str, typer.Option("--delimiter", help="Trennzeichen der Dateien; ein Tabulator: \\t")]
Quote = Annotated[str, typer.Option("--quote", help="Anführungszeichen der Dateien; keins: ''")]
Skip = Annotated[int, typer.Option("--skip", min=0, help="Zeilen vor der Kopfzeile")]
Trailer = Annotated[str, typer.Option("--trailer", help="Muster der letzten Zeile, etwa 'ENDE;(\\d+)'")]


def discover(
    url: Url = "",
    url_env: UrlEnv = "",
    paths: Lists = None,
    token_file: TokenFile = None,
    token_env: TokenEnv = "",
    folder: Folder = None,
    encoding: Encoding = "cp1252",
    delimiter: Delimiter = ";",
    quote: Quote = '"',
    skip: Skip = 0,
    trailer: Trailer = "",
    as_json: AsJson = False,
) -> None:
    """Zeigt Tabellen oder Dateien mit Spalten und Schreibweise, aus einer Stichprobe; Werte zeigt es nicht."""
    if is_http(url):
        tables = ask(url, paths or (), token_file, token_env)[1].tables
    else:
        tables = look(url, url_env, folder, dialect(encoding, delimiter, quote, skip, trailer))
    _print(tables, as_json=as_json)
    if any(table.unreadable for table in tables):
        raise typer.Exit(1)


def _print(tables: Sequence[Table], *, as_json: bool) -> None:
    if as_json:
        print_json({"tables": [_object(table) for table in tables]})
        return
    for table in tables:
        rows = [
            (
                verbatim(c.name),
                word_of(_SHAPES, c.shape),
                word_of(_WRITTEN, c.written),
                verbatim(f"{c.filled:.0%}"),
            )
            for c in table.columns.values()
        ]
        if not rows and table.unreadable:
            print_messages(unread(table))
            continue
        print_message_table(
            message("{} ({} rows looked at)", table.name, table.rows),
            (message("Column"), message("Type"), message("Written as"), message("filled")),
            rows,
        )
        print_messages(unread(table))


def unread(table: Table) -> list[Message]:
    """A line for each part of the table that could not be read: where, why, what to do."""
    return [
        message("Cannot be read and left out: {}", error_said(HubError(cause, place=place, remedy=remedy)))
        for place, cause, remedy in table.unreadable
    ]


def dialect(encoding: str, delimiter: str, quote: str, skip: int, trailer: str) -> Dialect:
    """How the files are written, as the options say; raises UsageError."""
    delimiter = "\t" if delimiter in TABS else delimiter
    for sign, flag in ((delimiter, "--delimiter"), (quote or '"', "--quote")):
        if len(sign) != 1:
            raise UsageError("is not one character", place=flag, remedy="give one; a tab as \\t")
    _refuse_unknown(encoding)
    try:
        pattern = re.compile(trailer) if trailer else None
    except re.error:
        raise UsageError("is no regular expression", place="--trailer", remedy="correct it") from None
    return Dialect(encoding=encoding, delimiter=delimiter, quote=quote, skip=skip, trailer=pattern)


def _refuse_unknown(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UsageError("unknown encoding", place="--encoding", remedy="for example cp1252") from None


def is_http(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def ask(url: str, paths: Sequence[str], token_file: Path | None, token_env: str) -> tuple[str, Interface]:
    """The interface's address, and its lists; without a path the address names the only one."""
    base, only = (url, "") if paths else parted(url)
    access = plain_access(base, token_file=token_file, token_env=token_env)
    return access.url, interface(access, paths or [only])


def look(url: str, url_env: str, folder: Path | None, written: Dialect) -> list[Table]:
    """The tables of the database, or the files of the folder; raises UsageError unless one is named."""
    if url_env and not os.environ.get(url_env):
        raise UsageError("is not set", place=url_env, remedy="export the variable with the address")
    if files := xml_of(folder, url, url_env):
        return documents(files).tables
    if folder and not (url or url_env):
        return list(folder_of_files(folder, written))
    if not folder and bool(url) != bool(url_env):
        return list(database(url or os.environ[url_env]))
    raise UsageError("name one source", place="--url, --url-env, --folder", remedy="give one of them")


def xml_of(folder: Path | None, url: str, url_env: str) -> dict[str, Path]:
    """The kinds of XML files in the folder, where it holds no other export."""
    if not folder or url or url_env or holds_tables(folder):
        return {}
    return xml_files(folder)


def _object(table: Table) -> dict[str, Any]:
    columns = [
        {"name": c.name, "shape": c.shape, "written": c.written, "filled": round(c.filled, 3)}
        for c in table.columns.values()
    ]
    return {
        "name": table.name,
        "rows": table.rows,
        "key": list(table.key),
        "columns": columns,
        "unreadable": [one._asdict() for one in table.unreadable],
    }
