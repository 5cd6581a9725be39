"""`hub connect preview`: what would leave the house, before anything does. No broker and no key service is asked."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from connectors.looking.preview import Preview, RecordFate, alike, by_type
from connectors.looking.preview import preview as look
from connectors.runtime.config import load_config
from hub.cli.connect.given import clock_of, keys_to_look
from hub.cli.connect.preview_page import FATES, page
from hub.cli.output import AsJson, print_json
from hub.config import load_settings

SHOWN = 20


def preview(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML-Datei der Quelle")],
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option("--html", help="als eine HTML-Seite in diese Datei")] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help="so viele Datensätze zeigen (Summen zählen immer alle)")
    ] = None,
) -> None:
    """Zeigt je Datensatz, welches Feld gesendet, pseudonymisiert oder zurückgehalten würde. Sendet nichts."""
    settings = load_config(config)
    now = clock_of(settings).now()
    found = look(settings, keys_to_look(settings), now, load_settings().policy_files)
    if html:
        html.write_text(page(settings.agency, now, found, limit), encoding="utf-8")
    if as_json:
        print_json(as_object(found, limit))
    else:
        _print(found, SHOWN if limit is None else limit)


def as_object(found: Preview, limit: int | None = None) -> dict[str, Any]:
    """The contract's object; `faults` and `read` stand beside."""
    return {
        "records": [record.as_json() for record in islice(found.records, limit)],
        "totals": dict(sorted(found.totals.items())),
        "unmapped_columns": {name: list(columns) for name, columns in sorted(found.unmapped.items())},
        "faults": [fault._asdict() for fault in found.faults],
        "held": [
            {"place": one.place, "column": one.column, "reason": one.reason, "remedy": one.remedy}
            for one in found.faults
            if not one.stream
        ],
        "incidents": [
            {"stream": one.stream, "place": one.place, "reason": one.reason, "remedy": one.remedy}
            for one in found.faults
            if one.stream
        ],
        "read": found.read,
    }  # fmt: skip


def _print(found: Preview, limit: int) -> None:
    console = Console()
    console.print(_summary(found))
    for table in _records(islice(found.records, limit)):
        console.print(table)
    left = len(found.records) - limit
    if left > 0:
        console.print(f"{left} weitere Datensätze: --limit {len(found.records)}, oder alle mit --html DATEI.")
    for fault, count in alike(found.faults):
        first = f"{fault.event_type} {fault.column}: {fault.reason}, zuerst {fault.place}. {fault.remedy}"
        console.print(f"Nicht lesbar ({count}): {first}", markup=False, highlight=False)
    for stream, columns in sorted(found.unmapped.items()):
        console.print(f"Nicht zugeordnet, wird nie gesendet: {stream}: {', '.join(columns)}", markup=False)
    for rule, count in sorted(found.totals.items()):
        console.print(f"Zurückgehalten nach {rule}: {count} Felder", highlight=False)


def _summary(found: Preview) -> Table:
    title = f"{found.read} Zeilen gelesen, {len(found.records)} Datensätze; gesendet wurde nichts"
    table = Table("Ereignis", "ginge hinaus", "insgesamt", title=title, title_justify="left")
    for name, sent, total in by_type(found.records):
        table.add_row(name, str(sent), str(total))
    return table


def _records(records: Iterable[RecordFate]) -> Iterator[Table]:
    for record in records:
        title = f"{record.event_type} · {record.place} · {record.subject_ref}"
        table = Table(
            "Feld", "Kategorie", "was geschieht", "Regel", "Norm", title=title, title_justify="left"
        )
        for each in record.fields:
            table.add_row(each.field, each.category, FATES[each.fate], each.rule, each.norm)
        yield table
