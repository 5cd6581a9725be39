"""Who is responsible today, at each agency, in each function: one answer in spite of letters and districts."""

from projections.shown import Row, ShownEntry, ShownView, latest, moment


def responsibilities(view: ShownView) -> list[Row]:
    """Who is responsible today; other agencies first, then agency, function. Equal ones stand once."""
    begun = (entry for entry in view.of("WorkerAssigned") if (entry.day("from") or view.today) <= view.today)
    newest = latest(begun, lambda entry: (entry.sender, entry.about, entry.text("function")))
    rows = [_row(entry) for entry in newest.values() if (entry.day("until") or view.today) >= view.today]
    unique = {tuple(map(str, row.values())): row for row in rows}
    return sorted(unique.values(), key=lambda row: _order(view, row))


def _order(view: ShownView, row: Row) -> tuple[object, ...]:
    return row["agency"] == view.controller, row["agency"], row["function"] or "", *map(str, row.values())


def _row(entry: ShownEntry) -> Row:
    protected = bool(entry.fields.get("protected"))
    return {
        "agency": entry.sender,
        "function": entry.text("function"),
        "name": None if protected else entry.text("name"),
        "substitute": None if protected else entry.text("substitute"),
        "contact": entry.text("contact"),
        "languages": sorted(entry.texts("language")),
        "since": entry.text("from") or moment(entry.occurred_at),
    }
