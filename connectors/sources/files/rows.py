"""Rows out of files: as they stand now, in a delivery or over several that hold changes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from connectors.contract import Batch, Row
from connectors.pipeline.mapping.row_rules import UNNAMED, Identified, identified
from connectors.sources.files.delivery import BadRow, Entry, HeldRow, Reader
from connectors.sources.files.settings import FileStream

Open = Callable[[FileStream, Entry], Reader]
Content = Callable[[Sequence[str]], bytes]


def unhashed(_: Sequence[str]) -> bytes:
    """No content hash: who reads a row so only looks at it."""
    return b""


def standing(
    opened: Open,
    stream: FileStream,
    entries: Sequence[Entry],
    hash_key: Callable[[str], bytes],
    content: Content = unhashed,
) -> Iterator[Row]:
    """Every row of a stream as it stands: those of all parts of a stock, or of files that hold changes the last row of
    each key."""
    if not stream.changes:
        for entry in entries:
            yield from rows(opened, stream, entry, content)
        return
    last: dict[bytes, tuple[int, int]] = {}
    key = key_of(stream)
    for number, entry in enumerate(entries):
        for line, cells in opened(stream, entry).cells():
            last[hash_key(key(cells))] = number, line
    lines = set(last.values())
    for number, entry in enumerate(entries):
        for line, cells in opened(stream, entry).cells():
            if (number, line) in lines:
                yield row(stream, entry, line, cells, content(cells))


def rows(opened: Open, stream: FileStream, entry: Entry, content: Content = unhashed) -> Iterator[Row]:
    """Every row of a file."""
    for line, cells in opened(stream, entry).cells():
        yield row(stream, entry, line, cells, content(cells))


def paged(stream: str, found: Iterable[Row], limit: int) -> Iterator[Batch]:
    """Rows in batches, as they come."""
    left = iter(found)
    while page := list(islice(left, limit)):
        yield Batch(stream, page)


def row(stream: FileStream, entry: Entry, line: int, cells: Sequence[str], content: bytes = b"") -> Row:
    """One row, with its derived columns; one that does not fit its file says nothing."""
    found, values = identify(stream, cells), {} if isinstance(cells, BadRow) else stream.values(cells)
    changed = stream.changed.of(values) if stream.changed and values else None
    timeless = stream.changed is not None and changed is None
    hour = stream.changed.hour_of(values) if stream.changed and values else ""
    place = f"{entry.place}:{line}"
    return Row(
        stream.name,
        found.key,
        place,
        values,
        entry.as_of,
        content,
        found.gone,
        found.fault,
        changed,
        timeless,
        hour=hour,
        before=found.before,
    )


def key_of(stream: FileStream) -> Callable[[Sequence[str]], str]:
    """How a row's key is made of its cells."""
    return lambda cells: identify(stream, cells).key


def identify(stream: FileStream, cells: Sequence[str]) -> Identified:
    """Under which key a row counts. One without a key, or that does not fit, stands for itself alone: there may be
    several."""
    if isinstance(cells, BadRow):
        return Identified(f"{UNNAMED}{list(cells)}", fault=cells.fault, named=False)
    found = identified(stream.stream, stream.values(cells))
    return found._replace(gone=False, fault=cells.fault) if isinstance(cells, HeldRow) else found


def subject_columns(stream: FileStream) -> list[str]:
    """The columns in which a row names whom it is about."""
    about = (event.subject or event.case for event in stream.stream.events)
    return sorted({reference.by for reference in about if not reference.lookup})
