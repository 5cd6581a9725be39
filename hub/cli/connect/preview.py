"""`hub connect preview`: what would leave the house, before anything does. No broker and no key service is asked."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connectors.looking.preview import Preview, RecordFate, alike, by_type
from connectors.looking.preview import preview as look
from connectors.runtime.config import load_config
from hub.cli.connect.given import clock_of, keys_to_look
from hub.cli.connect.pages import write_page
from hub.cli.connect.preview_page import FATES, near_misses, page, warnings
from hub.cli.connect.words import consents
from hub.cli.language import said
from hub.cli.output import AsJson, print_json
from hub.config import load_settings
from hub.domain.clock import berlin_day
from hub.policy.load import load_policy

SHOWN = 20


def preview(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML-Datei der Quelle")],
    as_json: AsJson = False,
    values: Annotated[
        bool, typer.Option("--values", help="mit den Werten, nur auf diesem Schirm (nie auf der Seite)")
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", help="als eine HTML-Seite in diese Datei")] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help="so viele Datensätze zeigen (Summen zählen immer alle)")
    ] = None,
) -> None:
    """Zeigt je Datensatz, welches Feld gesendet, pseudonymisiert oder zurückgehalten würde. Sendet nichts."""
    settings = load_config(config)
    now = clock_of(settings).now()
    policy_files = [*load_settings().policy_files]
    found = look(settings, keys_to_look(settings), now, policy_files)
    if html:
        period = load_policy([*policy_files, *settings.policy_files]).on(berlin_day(now))
        write_page(html, page(settings.agency, now, found, period.reasons if period else {}, limit))
    if as_json:
        print_json(as_object(found, limit, values=values))
    else:
        _print(found, SHOWN if limit is None else limit, values=values)
    if found.faults:
        raise typer.Exit(1)


def as_object(found: Preview, limit: int | None = None, *, values: bool = False) -> dict[str, Any]:
    """The contract's object, and beside it `read`, `faults`, `narrowing`, `protections` and `consents`."""
    return {
        "records": [record.as_json(values=values) for record in islice(found.records, limit)],
        "narrowing": [record.as_json(values=values) for record in found.narrowing],
        "totals": dict(sorted(found.totals.items())),
        "unmapped_columns": {name: list(columns) for name, columns in sorted(found.unmapped.items())},
        "faults": [fault._replace(remedy=said(fault.remedy))._asdict() for fault in found.faults],
        "held": [
            {"place": one.place, "column": one.column, "reason": one.reason, "remedy": said(one.remedy)}
            for one in found.faults
            if not one.stream
        ],
        "incidents": [
            {"stream": one.stream, "place": one.place, "reason": one.reason, "remedy": said(one.remedy)}
            for one in found.faults
            if one.stream
        ],
        "protections": {
            "unanswered": [one._asdict() for one in found.unanswered],
            "lookalikes": [one._asdict() for one in found.lookalikes],
        },
        "consents": {
            "effective": found.consents.effective,
            "without": found.consents.without,
            "flaws": dict(sorted(found.consents.flawed.items())),
        },
        "read": found.read,
    }


def _print(found: Preview, limit: int, *, values: bool) -> None:
    console = Console()
    console.print(_summary(found))
    for table in _records(islice(found.records, limit), values=values):
        console.print(table)
    left = len(found.records) - limit
    if left > 0:
        console.print(f"{left} weitere Datensätze: --limit {len(found.records)}, oder alle mit --html DATEI.")
    for fault, count in alike(found.faults):
        where = " ".join(filter(None, (fault.stream, fault.event_type, fault.column)))
        first = f"{where}: {fault.reason}, zuerst {fault.place}. {said(fault.remedy)}"
        console.print(f"Nicht lesbar ({count}): {first}", markup=False, highlight=False)
    for record in found.narrowing:
        line = f"Wirkt, obwohl die Zeile angehalten ist: {record.event_type} · {record.place}"
        console.print(line, markup=False, highlight=False)
    for stream, columns in sorted(found.unmapped.items()):
        console.print(f"Nicht zugeordnet, wird nie gesendet: {stream}: {', '.join(columns)}", markup=False)
    for warning in warnings(found):
        console.print(warning, style="red", markup=False, highlight=False)
    console.print(f"Einwilligungen: {consents(found.consents)}", markup=False, highlight=False)
    for sentence in near_misses(found):
        console.print(sentence, markup=False, highlight=False)
    for rule, count in sorted(found.totals.items()):
        console.print(f"Zurückgehalten nach {rule}: {count} Felder", highlight=False)


def _summary(found: Preview) -> Table:
    title = f"{found.read} Zeilen gelesen, {len(found.records)} Datensätze; gesendet wurde nichts"
    table = Table("Ereignis", "ginge hinaus", "insgesamt", title=title, title_justify="left")
    for name, sent, total in by_type(found.records):
        table.add_row(name, str(sent), str(total))
    return table


def _records(records: Iterable[RecordFate], *, values: bool) -> Iterator[Table]:
    columns = ("Feld", *(("Wert",) if values else ()), "Kategorie", "was geschieht", "Regel", "Norm")
    for record in records:
        about = f"{record.local_id} (Fall {record.case_id})" if values else record.subject_ref
        title = Text(f"{record.event_type} · {record.place} · {about}")
        table = Table(*columns, title=title, title_justify="left")
        for each in (*record.fields, *record.empty) if values else record.fields:
            shown = (_shown(each.value),) if values else ()
            fate = FATES[each.fate] if each.rule else "leer"
            table.add_row(*map(Text, (each.field, *shown, each.category, fate, each.rule, each.norm)))
        yield table


def _shown(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
