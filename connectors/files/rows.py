"""Rows out of files: as they stand now, in a delivery or over several that hold changes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter

from connectors.files.delivery import SEPARATOR, Entry, Reader
from connectors.files.settings import FileStream
from connectors.runtime.ports import Batch, Row
from connectors.runtime.rows import applies

Open = Callable[[FileStream, Entry], Reader]
Content = Callable[[Sequence[str]], bytes]


def unhashed(_: Sequence[str]) -> bytes:
    """No content hash: who reads a row so only looks at it."""
    return b""


def standing(
    opened: Open, stream: FileStream, entries: Sequence[Entry], hash_key: Callable[[str], bytes],
    content: Content = unhashed,
) -> Iterator[Row]:  # fmt: skip
    """Every row of a stream as it stands: the last file's, or of files that hold changes the last row of each key."""
    if not stream.changes:
        yield from rows(opened, stream, entries[-1], content)
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
    """One row, with its derived columns."""
    values = stream.values(cells)
    key = SEPARATOR.join(values[name] for name in stream.stream.key)
    gone = stream.stream.gone is not None and applies(stream.stream.gone, values)
    return Row(stream.name, key, f"{entry.place}:{line}", values, entry.as_of, content, gone)


def key_of(stream: FileStream) -> Callable[[Sequence[str]], str]:
    """How a row's key is made of its cells."""
    names = stream.stream.key
    if any(name in stream.derived for name in names):
        return lambda cells: SEPARATOR.join(map(stream.values(cells).__getitem__, names))
    positions = [stream.columns.index(name) for name in names]
    if len(positions) == 1:
        return itemgetter(positions[0])
    return lambda cells: SEPARATOR.join(cells[position] for position in positions)


def subject_columns(stream: FileStream) -> list[str]:
    """The columns in which a row names whom it is about."""
    about = (event.subject or event.case for event in stream.stream.events)
    return sorted({reference.by for reference in about if not reference.lookup})
