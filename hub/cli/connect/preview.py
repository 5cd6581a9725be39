"""`hub connect preview`: what would leave the house, before anything does. No broker and no key service is asked."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from connectors.pipeline.config.connector import load_config
from connectors.tools.dry_run.preview import Fault, FieldFate, Preview, RecordFate, alike, by_type
from connectors.tools.dry_run.preview import preview as look
from hub.cli.connect.given import clock_of, keys_to_look
from hub.cli.connect.pages import write_page
from hub.cli.connect.preview_page import fate, near_misses, page, totals, warnings
from hub.cli.connect.words import consents
from hub.cli.language import Message, message, said, verbatim
from hub.cli.messages import Cell, print_message_table, print_messages
from hub.cli.output import AsJson, print_json
from hub.config import load_settings
from hub.domain.clock import berlin_day
from hub.policy.load import load_policy

SHOWN, NEARLY = 20, 10
"""Records, and consents that nearly count, on the screen."""


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
    columns = (message("Event"), message("would leave"), message("in total"))
    rows = [(verbatim(name), sent, total) for name, sent, total in by_type(found.records)]
    print_message_table(
        message("{} rows read, {} records; nothing was sent", found.read, len(found.records)), columns, rows
    )
    for record in islice(found.records, limit):
        _print_record(record, values=values)
    print_messages(_below(found, len(found.records) - limit))
    print_messages(warnings(found), style="red")
    print_messages([message("Consents: {}", consents(found.consents)), *near_misses(found, NEARLY)])
    if (left := len({one for record in found.records for one in record.nearly}) - NEARLY) > 0:
        print_messages([message("R04: {} more consents that nearly count, with --html FILE.", left)])
    print_messages(totals(found))


def _below(found: Preview, left: int) -> Iterator[Message]:
    """Below the records: what is not shown, not read and not mapped."""
    if left > 0:
        shown = len(found.records)
        yield message("{} more records: --limit {}, or all with --html FILE.", left, shown)
    for fault, count in alike(found.faults):
        yield _unreadable(fault, count)
    for record in found.narrowing:
        yield message(
            "Takes effect although its row is held: {}",
            f"{record.event_type} · {record.place}",
        )
    for stream, columns in sorted(found.unmapped.items()):
        yield message("Not mapped, never sent: {}: {}", stream, ", ".join(columns))


def _unreadable(fault: Fault, count: int) -> Message:
    where = " ".join(filter(None, (fault.stream, fault.event_type, fault.column)))
    remedy = said(fault.remedy)
    return message("Unreadable ({}): {}: {}, first {}. {}", count, where, fault.reason, fault.place, remedy)


def _print_record(record: RecordFate, *, values: bool) -> None:
    about = record.subject_ref
    if values:
        about = message("{} (case {})", record.local_id, record.case_id)
    columns = (
        message("Field"),
        *((message("Value"),) if values else ()),
        message("Category"),
        message("Outcome"),
        message("Rule"),
        message("Norm"),
    )
    fields = (*record.fields, *record.empty) if values else record.fields
    title = verbatim(f"{record.event_type} · {record.place} · {about}")
    print_message_table(title, columns, [_row(each, values=values) for each in fields])


def _row(each: FieldFate, *, values: bool) -> tuple[Cell, ...]:
    shown = (_shown(each.value),) if values else ()
    return (
        verbatim(each.field),
        *shown,
        verbatim(each.category),
        fate(each) if each.rule else message("empty"),
        verbatim(each.rule),
        verbatim(each.norm),
    )


def _shown(value: Any) -> Message:
    if value is None:
        return verbatim("–")
    return verbatim(value if isinstance(value, str) else orjson.dumps(value).decode())
