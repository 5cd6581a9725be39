"""The preview as one HTML page without any other file: for the data-protection officer's desk, and to print."""

from collections.abc import Iterator
from datetime import datetime
from html import escape
from itertools import islice

from connectors.looking.preview import FieldFate, Preview, RecordFate, alike, by_type
from hub.cli.connect.pages import table, whole
from hub.domain.clock import BERLIN

FATES = {"sent": "wird gesendet", "pseudonymised": "als Pseudonym", "withheld": "bleibt im Haus"}


def page(agency: str, at: datetime, found: Preview, limit: int | None = None) -> str:
    """The whole page; it names fields, categories and places, and no value."""
    return whole(f"Was das Haus verlassen würde: {agency}", _body(at, found, limit))


def _body(at: datetime, found: Preview, limit: int | None) -> Iterator[str]:
    yield (
        f"<p>Stand {at.astimezone(BERLIN):%d.%m.%Y, %H:%M} Uhr. Gelesen: {found.read} Zeilen. Gesendet wurde "
        "<strong>nichts</strong>. Beurteilt nach den Einwilligungen, die dieses Amt selbst kennt; Werte stehen auf "
        "dieser Seite nicht.</p>"
    )
    yield "<h2>Auf einen Blick</h2>"
    yield table("Datensätze", ("Ereignis", "ginge hinaus", "insgesamt"), by_type(found.records))
    if found.totals:
        yield table("Zurückgehaltene Felder", ("Regel", "Felder"), sorted(found.totals.items()))
    if found.unmapped:
        rows = ((name, ", ".join(columns)) for name, columns in sorted(found.unmapped.items()))
        yield table("Nicht zugeordnet, wird nie gesendet", ("Quelle", "Spalten"), rows)
    if found.faults:
        columns = ("Zuerst", "Ereignis", "Grund", "Spalte", "Abhilfe", "Anzahl")
        yield table("Nicht lesbar", columns, ((*fault, count) for fault, count in alike(found.faults)))
    yield "<h2>Datensatz für Datensatz</h2>"
    for record in islice(found.records, limit):
        yield _record(record)
    if limit is not None and len(found.records) > limit:
        yield f"<p>{len(found.records) - limit} weitere Datensätze sind nur gezählt.</p>"


def _record(record: RecordFate) -> str:
    title = f"{record.event_type} · {record.place} · {record.subject_ref}"
    head = "".join(
        f'<th scope="col">{n}</th>' for n in ("Feld", "Kategorie", "was geschieht", "Regel", "Norm")
    )
    rows = "\n".join(_field(each) for each in record.fields)
    return f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _field(each: FieldFate) -> str:
    cells = (each.field, each.category, FATES[each.fate], each.rule, each.norm)
    return f'<tr class="{each.fate}">' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
