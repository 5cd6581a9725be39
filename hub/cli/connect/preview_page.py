"""The preview as one HTML page without any other file: for the data-protection officer's desk, and to print."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from itertools import islice

from connectors.looking.preview import Fault, FieldFate, Preview, RecordFate, alike, by_type
from hub.cli.connect.pages import table, whole
from hub.cli.connect.words import category, circumstance, consents
from hub.cli.language import in_german
from hub.domain.clock import BERLIN
from hub.policy.compiled import Reason
from hub.policy.explain import nearly_in_words
from hub.web.wording import words

FATES = {"sent": "wird gesendet", "pseudonymised": "als Pseudonym", "withheld": "bleibt im Haus"}


def page(
    agency: str,
    at: datetime,
    found: Preview,
    reasons: Mapping[str, Reason],
    limit: int | None = None,
) -> str:
    """The whole page; it names fields, categories, rules and places, and no value."""
    return whole(f"Was das Haus verlassen würde: {agency}", _body(at, found, reasons, limit))


def warnings(found: Preview) -> Iterator[str]:
    """What would protect and does not: circumstances that nobody mapped."""
    for one in found.unanswered:
        left = "; ".join(map(circumstance, one.circumstances))
        yield f"Schützt nicht: {one.event_type} ({one.stream}) sagt nichts zu {left}. Spalte nennen oder 'none'."
    for column in found.lookalikes:
        yield (
            f"Sieht nach Schutz aus und ist nicht zugeordnet: {column.stream}, Spalte {column.column} "
            f"({circumstance(column.circumstance)})."
        )


def near_misses(found: Preview) -> Iterator[str]:
    """Which consents nearly count, and for how many records."""
    counted = Counter(one for record in found.records for one in record.nearly)
    for one, count in sorted(counted.items()):
        yield f"R04 ({count} Datensätze): {nearly_in_words(one)}"


def _body(at: datetime, found: Preview, reasons: Mapping[str, Reason], limit: int | None) -> Iterator[str]:
    yield (
        f"<p>Stand {at.astimezone(BERLIN):%d.%m.%Y, %H:%M} Uhr. Gelesen: {found.read} Zeilen. Gesendet wurde "
        "<strong>nichts</strong>. Beurteilt nach den Einwilligungen, die dieses Amt selbst kennt; Werte stehen auf "
        "dieser Seite nicht.</p>"
    )
    yield from (f'<p class="warning">{escape(one)}</p>' for one in warnings(found))
    yield "<h2>Auf einen Blick</h2>"
    yield table("Datensätze", ("Ereignis", "ginge hinaus", "insgesamt"), _counted(found))
    yield f"<p>Einwilligungen: {escape(consents(found.consents))}.</p>"
    yield from (f"<p>{escape(one)}</p>" for one in near_misses(found))
    if found.totals:
        rows = ((rule, _text(rule, reasons), count) for rule, count in sorted(found.totals.items()))
        yield table("Zurückgehaltene Felder", ("Regel", "warum", "Felder"), rows)
    if found.unmapped:
        names = ((name, ", ".join(columns)) for name, columns in sorted(found.unmapped.items()))
        yield table("Nicht zugeordnet, wird nie gesendet", ("Quelle", "Spalten"), names)
    if found.faults:
        columns = ("Zuerst", "Datenstrom", "Ereignis", "Grund", "Spalte", "Abhilfe", "Anzahl")
        yield table("Nicht lesbar", columns, (_fault(*each) for each in alike(found.faults)))
    if found.narrowing:
        held = ((one.event_type, one.place) for one in found.narrowing)
        yield table("Wirkt, obwohl die Zeile angehalten ist", ("Ereignis", "Ort"), held)
    yield "<h2>Datensatz für Datensatz</h2>"
    for record in islice(found.records, limit):
        yield _record(record, reasons)
    if limit is not None and len(found.records) > limit:
        yield f"<p>{len(found.records) - limit} weitere Datensätze sind nur gezählt.</p>"


def _counted(found: Preview) -> Iterator[tuple[object, ...]]:
    return ((_event(name), sent, total) for name, sent, total in by_type(found.records))


def _event(name: str) -> str:
    label = words()["events"].get(name, ("", ""))[1]
    return f"{label} ({name})" if label else name


def _fault(fault: Fault, count: int) -> tuple[object, ...]:
    remedy = in_german(fault.remedy)
    return (fault.place, fault.stream, fault.event_type, fault.reason, fault.column, remedy, count)


def _text(rule: str, reasons: Mapping[str, Reason]) -> str:
    return reasons[rule].text if rule in reasons else ""


def _record(record: RecordFate, reasons: Mapping[str, Reason]) -> str:
    title = f"{_event(record.event_type)} · {record.place} · {record.subject_ref}"
    columns = ("Feld", "Kategorie", "was geschieht", "Regel", "warum", "Norm")
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    rows = "\n".join(_field(each, reasons) for each in record.fields)
    return f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _field(each: FieldFate, reasons: Mapping[str, Reason]) -> str:
    why = _text(each.rule, reasons) if each.fate == "withheld" else ""
    cells = (each.field, category(each.category), FATES[each.fate], each.rule, why, each.norm)
    return f'<tr class="{each.fate}">' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
