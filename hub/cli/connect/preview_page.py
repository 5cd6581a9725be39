"""The preview as one HTML page without any other file: for the data-protection officer's desk, and to print."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from connectors.tools.dry_run.preview import Fault, FieldFate, Preview, RecordFate, alike, by_type
from hub.cli.connect.pages import PageTable, page_of
from hub.cli.connect.words import category, circumstance, consents
from hub.cli.language import Message, message, said, spoken
from hub.domain.clock import BERLIN
from hub.policy.compiled import Reason
from hub.policy.explain import nearly_in_words
from hub.web.wording import words

_FATES = {"sent": "is sent", "pseudonymised": "as a pseudonym", "withheld": "stays in the agency"}


def page(
    agency: str,
    at: datetime,
    found: Preview,
    reasons: Mapping[str, Reason],
    limit: int | None = None,
) -> str:
    """The whole page; it names fields, categories, rules and places, and no value."""
    title = message("Data that would leave the agency: {}", agency)
    day, time = (at.astimezone(BERLIN).strftime(form) for form in ("%d.%m.%Y", "%H:%M"))
    left = 0 if limit is None else max(0, len(found.records) - limit)
    return page_of(
        "preview.html",
        title,
        as_of=message("As of {}, {} (Berlin). Rows read: {}.", day, time, found.read),
        nothing_sent=message("Nothing was sent."),
        judged_by=message("Judged by the consents that this agency itself knows; this page holds no values."),
        warnings=warnings(found),
        glance=message("At a glance"),
        counted=_counted(found),
        consents=message("Consents: {}", consents(found.consents)),
        near_misses=near_misses(found),
        tables=_tables(found, reasons),
        by_record=message("Record by record"),
        columns=_columns(),
        records=(_record(record, reasons) for record in islice(found.records, limit)),
        more=message("{} more records are only counted.", left) if left else "",
    )


def fate(each: FieldFate) -> Message:
    """Whether a field is sent, in words."""
    return message(_FATES[each.fate])


def warnings(found: Preview) -> Iterator[Message]:
    """Circumstances that would protect and that nobody mapped."""
    for one in found.unanswered:
        left = "; ".join(map(circumstance, one.circumstances))
        yield message(
            "Does not protect: {} ({}) answers nothing to {}. Name a column, or 'none'.",
            one.event_type,
            one.stream,
            left,
        )
    for column in found.lookalikes:
        yield message(
            "Looks like a protection and is not mapped: {}, column {} ({}).",
            column.stream,
            column.column,
            circumstance(column.circumstance),
        )


def near_misses(found: Preview, most: int | None = None) -> Iterator[Message]:
    """Consents that nearly count, and for how many records, those of the most records first; at most so many."""
    counted = Counter(one for record in found.records for one in record.nearly)
    order = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    for one, count in order[:most]:
        yield message("R04 ({} records): {}", count, nearly_in_words(one, spoken()))


def totals(found: Preview) -> Iterator[Message]:
    """How many fields each rule withholds."""
    for rule, count in sorted(found.totals.items()):
        yield message("Withheld by {}: {} fields", rule, count)


def _counted(found: Preview) -> PageTable:
    columns = (message("Event"), message("would leave"), message("in total"))
    rows = ((_event(name), sent, total) for name, sent, total in by_type(found.records))
    return PageTable(message("Records"), columns, rows)


def _tables(found: Preview, reasons: Mapping[str, Reason]) -> Iterator[PageTable]:
    """What is withheld, not mapped, unreadable or held; those that have rows."""
    event, place = message("Event"), message("Place")
    if found.totals:
        rows = ((rule, _text(rule, reasons), count) for rule, count in sorted(found.totals.items()))
        yield PageTable(
            message("Withheld fields"), (message("Rule"), message("why"), message("Fields")), rows
        )
    if found.unmapped:
        names = ((name, ", ".join(columns)) for name, columns in sorted(found.unmapped.items()))
        yield PageTable(message("Not mapped, never sent"), (message("Source"), message("Columns")), names)
    if found.faults:
        headings = (
            message("First"),
            message("Stream"),
            event,
            message("Reason"),
            message("Column"),
            message("Remedy"),
            message("Number"),
        )
        yield PageTable(message("Unreadable"), headings, (_fault(*each) for each in alike(found.faults)))
    if found.narrowing:
        held = ((one.event_type, one.place) for one in found.narrowing)
        yield PageTable(message("Takes effect although its row is held"), (event, place), held)


def _event(name: str) -> str:
    label = words()["events"].get(name, ("", ""))[1] if spoken() == "de" else ""
    return f"{label} ({name})" if label else name


def _fault(fault: Fault, count: int) -> tuple[object, ...]:
    remedy = said(fault.remedy)
    return (fault.place, fault.stream, fault.event_type, fault.reason, fault.column, remedy, count)


def _text(rule: str, reasons: Mapping[str, Reason]) -> str:
    if rule not in reasons:
        return ""
    return reasons[rule].text if spoken() == "de" else reasons[rule].text_en


class _FieldRow(NamedTuple):
    fate: str
    cells: tuple[str, ...]


class _RecordTable(NamedTuple):
    title: str
    fields: Iterator[_FieldRow]


def _columns() -> tuple[Message, ...]:
    return (
        message("Field"),
        message("Category"),
        message("Outcome"),
        message("Rule"),
        message("why"),
        message("Norm"),
    )


def _record(record: RecordFate, reasons: Mapping[str, Reason]) -> _RecordTable:
    title = f"{_event(record.event_type)} · {record.place} · {record.subject_ref}"
    return _RecordTable(title, (_field(each, reasons) for each in record.fields))


def _field(each: FieldFate, reasons: Mapping[str, Reason]) -> _FieldRow:
    why = _text(each.rule, reasons) if each.fate == "withheld" else ""
    return _FieldRow(each.fate, (each.field, category(each.category), fate(each), each.rule, why, each.norm))
