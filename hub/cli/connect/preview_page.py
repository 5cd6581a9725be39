"""The preview as one HTML page without any other file: for the data-protection officer's desk, and to print."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from itertools import islice

from connectors.runtime.preview import FieldFate, Preview, RecordFate, alike, by_type
from hub.domain.clock import BERLIN

FATES = {"sent": "wird gesendet", "pseudonymised": "als Pseudonym", "withheld": "bleibt im Haus"}
_STYLE = """
:root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ccc; vertical-align: top; }
caption { text-align: left; font-weight: 600; padding: .5rem 0; overflow-wrap: anywhere; }
.withheld { background: #fdecea; } .pseudonymised { background: #fff7e0; } .sent { background: #e8f3e8; }
td.number { text-align: right; }
@media print { table { break-inside: avoid; } }
"""


def page(agency: str, at: datetime, found: Preview, limit: int | None = None) -> str:
    """The whole page; it names fields, categories and places, and no value."""
    body = "\n".join(_body(agency, at, found, limit))
    return (
        '<!doctype html>\n<html lang="de"><head><meta charset="utf-8">'
        f"<title>Vorschau {escape(agency)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _body(agency: str, at: datetime, found: Preview, limit: int | None) -> Iterator[str]:
    yield f"<h1>Was das Haus verlassen würde: {escape(agency)}</h1>"
    yield (
        f"<p>Stand {at.astimezone(BERLIN):%d.%m.%Y, %H:%M} Uhr. Gelesen: {found.read} Zeilen. Gesendet wurde "
        "<strong>nichts</strong>. Beurteilt nach den Einwilligungen, die dieses Amt selbst kennt; Werte stehen auf "
        "dieser Seite nicht.</p>"
    )
    yield "<h2>Auf einen Blick</h2>"
    yield _table("Datensätze", ("Ereignis", "ginge hinaus", "insgesamt"), by_type(found.records))
    if found.totals:
        yield _table("Zurückgehaltene Felder", ("Regel", "Felder"), sorted(found.totals.items()))
    if found.unmapped:
        rows = ((name, ", ".join(columns)) for name, columns in sorted(found.unmapped.items()))
        yield _table("Nicht zugeordnet, wird nie gesendet", ("Quelle", "Spalten"), rows)
    if found.faults:
        columns = ("Zuerst", "Ereignis", "Grund", "Spalte", "Abhilfe", "Anzahl")
        yield _table("Nicht lesbar", columns, ((*fault, count) for fault, count in alike(found.faults)))
    yield "<h2>Datensatz für Datensatz</h2>"
    for record in islice(found.records, limit):
        yield _record(record)
    if limit is not None and len(found.records) > limit:
        yield f"<p>{len(found.records) - limit} weitere Datensätze sind nur gezählt.</p>"


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    lines = "\n".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(cell: object) -> str:
    return f'<td class="number">{cell}</td>' if isinstance(cell, int) else f"<td>{escape(str(cell))}</td>"


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
