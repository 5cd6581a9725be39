"""Looks at a folder of XML exports: which elements repeat and so are records, and a sample of each kind of record.

Reads only, keeps nothing. A document type ends the reading before anything is resolved.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from connectors.pipeline.config.protecting import plain
from connectors.sources.xml.tree import CHUNK, SPLIT, named, named_locally
from connectors.tools.propose.exported import SAMPLE, newest, pattern
from connectors.tools.propose.profile import Table, left_out, table
from hub.errors import ConfigurationError, NoInput

SUFFIX = ".xml"
SEVERAL = ","
MOST_PLACES = 5000
_GENERAL = frozenset({"nr", "nummer", "id", "lfd"})
"""Names that say little without the element in which they stand."""

Place = tuple[str, ...]


@dataclass(slots=True)
class Shape:
    """The structure of one kind of file. `most`: element → how often it stands in one element around it, at most;
    `places`: elements and attributes in order; `texts`: elements with text of their own."""

    most: dict[Place, int] = field(default_factory=dict)
    places: dict[Place, None] = field(default_factory=dict)
    texts: set[Place] = field(default_factory=set)
    prefixes: dict[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"

    @property
    def leaves(self) -> list[Place]:
        """Where values stand: attributes, and elements with text or with nothing in them."""
        inner = {place[:-1] for place in self.places if not place[-1].startswith("@")}
        found = [p for p in self.places if p[-1].startswith("@") or p in self.texts or p not in inner]
        texts = self.texts & inner
        return [p for p in found if not any(p[:size] in texts for size in range(1, len(p)) if p != p[:size])]

    @property
    def records(self) -> list[Place]:
        """Elements that repeat within one element and hold more than one value."""
        leaves = self.leaves
        return [
            place
            for place, most in self.most.items()
            if most > 1 and sum(len(leaf) > len(place) == _shared(leaf, place) for leaf in leaves) > 1
        ]


class Record(NamedTuple):
    """One kind of record: its file's pattern, where it stands, its columns, those that not every record has, and each
    place of the file."""

    table: Table
    file: str
    path: Place
    columns: Mapping[str, Place]
    optional: tuple[str, ...]
    shape: Shape

    def request(self, active: Sequence["Record"]) -> dict[str, Any]:
        """As a stream says it, beside the other streams that are read of the file."""
        columns = {name: self._spelt(place) for name, place in self.columns.items()}
        said: dict[str, Any] = {"path": self._steps(self.path), "columns": columns}
        ignored = list(dict.fromkeys(f"/{self._steps(place)}" for place in self._left(active)))
        said |= {"optional": list(self.optional)} if self.optional else {}
        return {"file": self.file, "records": said | ({"ignored": ignored} if ignored else {})}

    def _left(self, active: Sequence["Record"]) -> Iterator[Place]:
        """The places that no stream reads, each by its outermost element."""
        mine = [one for one in active if one.file == self.file]
        read = {place for one in mine for place in (one.path, *one.columns.values())}
        known = {place[:size] for place in read for size in range(len(place) + 1)}
        for place in self.shape.places:
            if place not in known and not any(
                place[:size] in read - {one.path for one in mine} for size in range(1, len(place))
            ):
                yield place[: next(size for size in range(1, len(place) + 1) if place[:size] not in known)]

    def _spelt(self, place: Place) -> str:
        """From the record, or from the root."""
        if place[: len(self.path)] == self.path and len(place) > len(self.path):
            return self._steps(place[len(self.path) :])
        return f"/{self._steps(place)}"

    def _steps(self, place: Place) -> str:
        return "/".join(map(self._step, place))

    def _step(self, step: str) -> str:
        uri, brace, local = step.removeprefix("@").removeprefix("{").rpartition("}")
        mark = "@" if step.startswith("@") else ""
        return f"{mark}{self.shape.prefixes[uri]}:{local}" if brace else step


def xml_files(folder: Path) -> dict[str, Path]:
    """Kind of file → the newest of it; none where the folder holds no XML."""
    there = newest(folder)
    return {pattern(f.name): f for f in sorted(there.iterdir()) if f.is_file() and f.suffix.lower() == SUFFIX}


class Documents(NamedTuple):
    """The kinds of record in a folder; `left_out`: files that could not be read."""

    records: list[Record]
    left_out: list[Table]

    @property
    def tables(self) -> list[Table]:
        """Every kind of record, and the files that could not be read."""
        return [*(one.table for one in self.records), *self.left_out]


def documents(files: Mapping[str, Path]) -> Documents:
    """Every kind of record in these files, from a sample. Raises ConfigurationError naming file and line where none can
    be read, NoInput where there is no record."""
    found, refused = list[Record](), dict[str, ConfigurationError]()
    for file, path in files.items():
        try:
            found += list(_of_file(file, path))
        except ConfigurationError as error:
            refused[file] = error
    if refused and len(refused) == len(files):
        raise next(iter(refused.values()))
    return Documents(_told_apart(found, files), [left_out(file, error) for file, error in refused.items()])


def _told_apart(found: list[Record], files: Iterable[str]) -> list[Record]:
    """The records with names that stand once; raises NoInput where there is none."""
    if not found:
        raise NoInput(
            "no element holds several values and comes more than once",
            place=", ".join(files),
            remedy="give an export of several records, or write the file by hand, kind xml",
        )
    twice = Counter(one.table.name for one in found)
    return [
        one._replace(table=_renamed(one.table, f"{named_locally(one.path[-2])}_{one.table.name}"))
        if twice[one.table.name] > 1 and len(one.path) > 1
        else one
        for one in found
    ]


def _renamed(one: Table, name: str) -> Table:
    return Table(name, one.columns, one.rows, one.key, one.unreadable, one.equal)


def _of_file(file: str, path: Path) -> Iterator[Record]:
    shape = _Looking(path).shape()
    for place in shape.records:
        inner = [other for other in shape.records if other != place and other[: len(place)] == place]
        own = [p for p in shape.leaves if len(p) > len(place) == _shared(p, place) and not _within(p, inner)]
        above = [
            p
            for p in shape.leaves
            if p[:-1] == place[: len(p) - 1] and len(p) <= len(place) and shape.most.get(p, 1) == 1
        ]
        columns = _named([*own, *above])
        rows = _Sampling(path, place, list(columns.values())).rows()
        lacking = tuple(name for at, name in enumerate(columns) if any(row[at] is None for row in rows))
        cells = [["" if cell is None else cell for cell in row] for row in rows]
        yield Record(
            table(named_locally(place[-1]), list(columns), cells), file, place, columns, lacking, shape
        )


def _within(place: Place, outer: Sequence[Place]) -> bool:
    return any(place[: len(one)] == one for one in outer)


def _shared(place: Place, other: Place) -> int:
    """How many steps both begin with."""
    return next(
        (n for n, (a, b) in enumerate(zip(place, other, strict=False)) if a != b), min(len(place), len(other))
    )


def _named(places: Sequence[Place]) -> dict[str, Place]:
    """A name for each: its own, with the element around it where that says more or tells it apart."""
    counted = Counter(plain(named_locally(place[-1])) for place in places)
    found: dict[str, Place] = {}
    for place in places:
        name, around = named_locally(place[-1]), named_locally(place[-2]) if len(place) > 1 else ""
        if around and (counted[plain(name)] > 1 or plain(name) in _GENERAL):
            name = f"{around}_{name}"
        while name in found:
            name = f"{name}_2"
        found[name] = place
    return found


class _Parsing:
    """One file through expat, hardened."""

    def __init__(self, path: Path) -> None:
        self._path_of_file = path
        self._path: list[str] = []

    def _run(self) -> None:
        parser = expat.ParserCreate(namespace_separator=SPLIT)
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._starts, self._ends
        parser.CharacterDataHandler = self._text
        parser.StartNamespaceDeclHandler, parser.XmlDeclHandler = self._prefix, self._declared
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = self._forbidden
        try:
            with self._path_of_file.open("rb") as file:
                while chunk := file.read(CHUNK):
                    parser.Parse(chunk)
                    if self._enough():
                        return
                parser.Parse(b"", True)  # noqa: FBT003  expat's own: this was all
        except (expat.ExpatError, ValueError, LookupError):
            raise ConfigurationError(
                "is no XML that can be read",
                place=f"{self._path_of_file.name}, line {parser.CurrentLineNumber}",
                remedy="ask how the export is written: without a document type, in the encoding that it names",
            ) from None

    def _starts(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(named(name))
        self._begins(tuple(self._path), {f"@{named(each)}": value for each, value in attributes.items()})

    def _begins(self, place: Place, attributes: Mapping[str, str]) -> None: ...

    def _ends(self, _: str) -> None:
        self._closes(tuple(self._path))
        self._path.pop()

    def _closes(self, place: Place) -> None: ...

    def _text(self, text: str) -> None: ...

    def _prefix(self, prefix: str | None, uri: str) -> None: ...

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None: ...

    def _enough(self) -> bool:
        return False

    def _forbidden(self, *_: Any) -> None:
        raise ValueError


class _Looking(_Parsing):
    """The structure of the file."""

    def shape(self) -> Shape:
        self._found, self._counts = Shape(), [Counter[str]()]
        self._run()
        return self._found

    def _begins(self, place: Place, attributes: Mapping[str, str]) -> None:
        counted = self._counts[-1]
        counted[place[-1]] += 1
        found = self._found
        found.most[place] = max(found.most.get(place, 0), counted[place[-1]])
        found.places |= dict.fromkeys([place, *((*place, name) for name in attributes)])
        if len(found.places) > MOST_PLACES:
            raise ValueError
        self._counts.append(Counter())

    def _closes(self, place: Place) -> None:
        self._counts.pop()

    def _text(self, text: str) -> None:
        if text.strip():
            self._found.texts.add(tuple(self._path))

    def _prefix(self, prefix: str | None, uri: str) -> None:
        known = self._found.prefixes
        if uri and uri not in known:
            free = chain([prefix or "d"], (f"n{n}" for n in range(1, len(known) + 2)))
            known[uri] = next(name for name in free if name not in known.values())

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        self._found.encoding = (encoding or "utf-8").lower()


class _Sampling(_Parsing):
    """The first records of one kind; a value that is nowhere in its record is None."""

    def __init__(self, path: Path, record: Place, columns: Sequence[Place]) -> None:
        super().__init__(path)
        self._record, self._columns, self._wanted = record, columns, frozenset(columns)
        self._values: dict[Place, list[str]] = {}
        self._rows: list[list[str | None]] = []

    def rows(self) -> list[list[str | None]]:
        self._run()
        return self._rows

    def _begins(self, place: Place, attributes: Mapping[str, str]) -> None:
        if place in self._wanted:
            self._values.setdefault(place, []).append("")
        for name, value in attributes.items():
            if (at := (*place, name)) in self._wanted:
                self._values.setdefault(at, []).append(value)

    def _text(self, text: str) -> None:
        place = tuple(self._path)
        owner = next(
            (place[:size] for size in range(len(place), 0, -1) if place[:size] in self._wanted), None
        )
        if owner:
            self._values[owner][-1] += text

    def _closes(self, place: Place) -> None:
        if place == self._record:
            found = [self._values.get(each) for each in self._columns]
            self._rows.append(
                [None if each is None else SEVERAL.join(map(str.strip, each)) for each in found]
            )
        if place == self._record[: len(place)]:
            inside = [each for each in self._values if each[: len(place)] == place]
            for each in inside:
                del self._values[each]

    def _enough(self) -> bool:
        return len(self._rows) >= SAMPLE
