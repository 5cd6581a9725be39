"""A person's master data as both agencies hold them: said once where they agree, with their source where not. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hub.domain.agencies import Agency
from hub.domain.clock import berlin_day
from hub.views.redaction import Entry
from hub.web.wording import day_text, value_text, word

Entries = Sequence[tuple[str, Entry]]
_MASTER = frozenset({"PersonRegistered", "PersonChanged"})
_ORDER = ("names", "birth_date", "sex", "address", "sozialraum_code", "contact", "languages", "interpreter")


@dataclass(frozen=True, slots=True)
class Fact:
    """One item, and who says so since when."""

    label: str
    text: str = field(repr=False)
    sources: tuple[str, ...]
    disputed: bool


def name_of(entries: Entries) -> str:
    """ "Last, First" as First Last; the first agency that shows a name names the person."""
    for _, entry in latest(entries):
        if names := str(entry.fields.get("names", "")).strip():
            last, _, first = names.partition(",")
            return f"{first.strip()} {last.strip()}".strip()
    return ""


def facts(entries: Entries, agencies: Mapping[str, Agency]) -> tuple[Fact, ...]:
    """Items in a fixed order; agencies that say the same share one line."""
    found: dict[tuple[str, str], Fact] = {}
    newest = latest(entries)
    for name in _ORDER:
        for sender, entry in newest:
            if name not in entry.fields:
                continue
            day = berlin_day(entry.occurred_at)
            text = value_text(entry.event_type, name, entry.fields[name], day)
            source = _source(entry, agencies[sender])
            before = found.get((name, text))
            found[name, text] = Fact(
                word("fields", name),
                text,
                (*before.sources, source) if before else (source,),
                name in entry.marked or (before is not None and before.disputed),
            )
    return _without_undoubted_name(found, newest)


def sources(entries: Entries, agencies: Mapping[str, Agency]) -> tuple[str, ...]:
    """All agencies that hold master data of this person, and since when."""
    return tuple(_source(entry, agencies[sender]) for sender, entry in latest(entries))


def latest(entries: Entries) -> list[tuple[str, Entry]]:
    """The newest master data of each agency."""
    newest: dict[str, Entry] = {}
    for sender, entry in entries:
        held = newest.get(sender)
        if entry.event_type in _MASTER and (held is None or held.occurred_at <= entry.occurred_at):
            newest[sender] = entry
    return list(newest.items())


def _source(entry: Entry, agency: Agency) -> str:
    return f"{agency.name}, Stand {day_text(berlin_day(entry.occurred_at))}"


def _without_undoubted_name(
    found: Mapping[tuple[str, str], Fact], newest: Iterable[tuple[str, Entry]]
) -> tuple[Fact, ...]:
    """The name stands above the card; it is repeated only where agencies differ or the person disputes it."""
    names = {text for name, text in found if name == "names"}
    disputed = any("names" in entry.marked for _, entry in newest)
    return tuple(fact for (name, _), fact in found.items() if name != "names" or len(names) > 1 or disputed)
