"""The elements of one XML file, followed from the root to each record; what a record needs is kept, all else let go.

What stands where nobody agreed on it is named (`strange`): a renamed element must not look like one that is empty.
"""

import codecs
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from xml.parsers import expat

from connectors.contract import Unreadable
from connectors.pipeline.config.protecting import protects
from connectors.sources.files.delivery import Entry
from connectors.sources.files.settings import FileStream, listed, unreadable
from connectors.sources.xml.config import Place, XmlSettings
from hub.errors import DataError

CHUNK = 64 * 1024
SPLIT = "\x1f"
TEXT = "text()"
DRIFT = "header_drift"
MOST_STRANGE, SHOWN = 200, 40
"""Names that are told of what nobody agreed on."""
_MOST_MET = 10_000
"""Places of one file that are looked at for a name that would protect."""
_CORRECT = "correct the record in the export, or its column in the mapping"
_HELD = 20_000
"""Records that may wait for a value which stands behind them."""


class Found(NamedTuple):
    """One record: the line on which it begins, and its value of each column."""

    line: int
    values: Mapping[str, str]


@dataclass(slots=True)
class _Text:
    """The text of one element or attribute. `own`: some stands in it directly; `inner`: some in elements within it."""

    text: str = ""
    own: bool = False
    inner: bool = False


@dataclass(slots=True)
class _Waiting:
    """A record whose columns `missing` stand behind it, or nowhere."""

    line: int
    values: dict[str, str]
    missing: dict[str, Place] = field(default_factory=dict)


class Plan:
    """What one stream looks for, and what all streams agreed on. Places are counted from the root."""

    def __init__(self, stream: FileStream, settings: XmlSettings) -> None:
        self.records = records = settings.records[stream.name]
        self.path = records.path
        wanted = {name: path for name, path in records.columns.items() if name in stream.columns}
        self.inside = {name: _below(self.path, path) for name, path in wanted.items() if path[0] != ""}
        self.above = {name: path[1:] for name, path in wanted.items() if path[0] == ""}
        self.leaves = frozenset(self.inside.values()) | frozenset(self.above.values())
        self.known = frozenset(
            place[:size]
            for each in settings.records.values()
            for place in each.places
            for size in range(len(place) + 1)
        )
        self.texts = frozenset(place for each in settings.records.values() for place in each.leaves)
        self.left_out = frozenset(place for each in settings.records.values() for place in each.left_out)
        self.required = {*_parts(stream), *records.required}
        self.expected = () if stream.changes else sorted(wanted.keys() - records.optional)
        self._owners: dict[Place, Place | None] = {}

    @cached_property
    def scopes(self) -> Mapping[str, Place]:
        """Column above the records → the innermost element that holds both it and the records."""
        return {name: _common(place, self.path) for name, place in self.above.items()}

    def owner(self, place: Place) -> Place | None:
        """The mapped place to which text at `place` belongs: itself, or the nearest mapped element around it. What is
        said in an attribute, and what is left out, belongs to nothing around it."""
        if place not in self._owners:
            if len(self._owners) > 10_000:
                self._owners.clear()
            around = (place[:size] for size in range(len(place), 0, -1))
            ends = (one for one in around if self._owns(one, place) or self._stands_alone(one))
            self._owners[place] = next((one if self._owns(one, place) else None for one in ends), None)
        return self._owners[place]

    def _stands_alone(self, place: Place) -> bool:
        return place[-1].startswith("@") or place in self.left_out

    def _owns(self, one: Place, place: Place) -> bool:
        return one in self.leaves and (one == place or one != self.path[: len(one)])

    def ignores(self, place: Place) -> bool:
        """Whether this place, or one that it stands in, is known and not read."""
        if self.records.ignores_all:
            return True
        return any(place[:size] in self.left_out for size in range(1, len(place) + 1))

    def is_strange(self, place: Place) -> bool:
        """Whether nobody agreed on it, though somebody did on what it stands in."""
        if self.ignores(place) or place in self.known:
            return False
        read, attribute = self.owner(place[:-1]) is not None, place[-1].startswith("@")
        return (read and attribute) or (place[:-1] in self.known and (attribute or not read))

    def hides(self, place: Place) -> bool:
        """Whether this place is known, is read by nobody, and has a name that would protect."""
        own = self.records
        within = own.ignores_all or any(place[:size] in own.left_out for size in range(1, len(place) + 1))
        return within and place not in self.known and bool(protects(named_locally(place[-1])))

    def is_strange_text(self, place: Place) -> bool:
        return place in self.known and place not in self.texts and not self.ignores((*place, TEXT))


class Tree:
    """Reads the pieces of one file; raises DataError with reason and place."""

    def __init__(self, stream: FileStream, settings: XmlSettings, entry: Entry) -> None:
        self._settings, self._entry, self._plan = settings, entry, Plan(stream, settings)
        self._path: list[str] = []
        self._above: dict[Place, _Text] = {}
        self._texts: dict[Place, list[_Text]] = {}
        self._waiting: deque[_Waiting] = deque()
        self._seen: set[str] = set()
        self._strange: dict[Place, None] = {}
        self._met: dict[Place, bool] = {}
        self._root, self._kept, self._start, self._fed, self._count = "", 0, 0, 0, 0
        self._parser = self._made()

    @property
    def strange(self) -> frozenset[str]:
        """Elements, attributes and texts on which nobody agreed, as `ignored` would write them."""
        return frozenset(f"/{self._settings.spelt(place)}" for place in self._strange)

    @property
    def hidden(self) -> frozenset[str]:
        """Elements and attributes that would protect and that `ignored` leaves out."""
        return frozenset(f"/{self._settings.spelt(place)}" for place, hides in self._met.items() if hides)

    def feed(self, chunk: bytes) -> Iterator[Found]:
        self._fed += len(chunk)
        try:
            self._parser.Parse(chunk)
        except expat.ExpatError as error:
            raise self._broken(error) from None
        if self._fed - self._parser.CurrentByteIndex > self._settings.limits.record_bytes + CHUNK:
            raise self._fault("has a tag, attribute or comment that is too large", "too_large")
        yield from self._complete()

    def end(self) -> Iterator[Found]:
        """What still waits; the document must be whole and built as agreed."""
        try:
            self._parser.Parse(b"", True)  # noqa: FBT003  expat's own: this was all
        except expat.ExpatError as error:
            raise self._broken(error) from None
        self._check_root()
        yield from self._complete()
        self._check_shape()

    def _check_root(self) -> None:
        agreed = self._plan.path[0]
        if self._root != agreed:
            found, wanted = self._settings.spelt((self._root,)), self._settings.spelt((agreed,))
            where = "" if found != wanted else f" ({self._root}, agreed {agreed})"
            raise self._drift(f"root element {found} found, agreed was {wanted}{where}")

    def _check_shape(self) -> None:
        """Containers and columns that were agreed and are nowhere in the file."""
        strange = ", ".join(sorted(self.strange)[:10])
        if not self._count:
            if strange:
                raise self._drift(f"no {self._settings.spelt(self._plan.path)} found, but {strange}")
            return
        missing = [name for name in self._plan.expected if name not in self._seen]
        if missing:
            besides = f"; found besides {strange}" if strange else ""
            raise self._drift(f"column {missing[0]} is nowhere in the file{besides}")

    def check_names(self) -> None:
        """A name that nobody agreed on may be a column that was renamed, or one that protects."""
        if strange := sorted(self.strange):
            names = ", ".join(strange[:SHOWN])
            raise DataError(
                f"nobody agreed on {len(strange)} names: {names}",
                reason=DRIFT,
                place=self._entry.place,
                remedy=f"nobody agreed on {names}: map them in records.columns, or list them in records.ignored",
            )

    def _made(self) -> Any:
        parser = expat.ParserCreate(namespace_separator=SPLIT)
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._begins, self._ends
        parser.CharacterDataHandler = self._text
        parser.XmlDeclHandler = self._declared
        parser.StartDoctypeDeclHandler = self._forbidden
        parser.EntityDeclHandler = self._forbidden
        parser.ExternalEntityRefHandler = self._forbidden
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        return parser

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        told = codecs.lookup(encoding).name if encoding and _known(encoding) else encoding or "utf-8"
        agreed = codecs.lookup(self._settings.encoding).name.replace("-sig", "").replace("_sig", "")
        if told != agreed:
            raise self._fault(f"says that it is {told}, agreed was {agreed}", "wrong_encoding")

    def _forbidden(self, *_: Any) -> int:
        raise self._fault("has a document type or an entity", "forbidden_xml")

    def _begins(self, name: str, attributes: dict[str, str]) -> None:
        limits = self._settings.limits
        self._path.append(named(name))
        if len(self._path) > limits.depth or len(attributes) > limits.attributes:
            raise self._fault("is nested too deep or has too many attributes", "too_large")
        place = tuple(self._path)
        self._root = self._root or place[0]
        if place == self._plan.path:
            self._texts = {}
            self._kept, self._start = 0, self._parser.CurrentLineNumber
        self._weigh(1)
        self._new(place)
        for attribute, value in attributes.items():
            at = (*place, f"@{named(attribute)}")
            self._new(at)
            self._keep(at, value)
            self._settle(at)

    def _text(self, text: str) -> None:
        place = tuple(self._path)
        if not self._keep(place, text) and text.strip() and self._plan.is_strange_text(place):
            self._note((*place, TEXT))

    def _new(self, place: Place) -> None:
        """An element or attribute begins; its text comes in pieces."""
        if place not in self._met and len(self._met) < _MOST_MET:
            self._met[place] = self._plan.hides(place)
        if self._plan.is_strange(place):
            self._note(place)
        if place not in self._plan.leaves:
            return
        if self._within(place):
            self._texts.setdefault(place, []).append(_Text())
        else:
            self._above[place] = _Text()

    def _keep(self, place: Place, text: str) -> bool:
        """Whether a column takes this text."""
        owner = self._plan.owner(place)
        if owner is not None or self._within(place):
            self._weigh(len(text))
        if owner is None:
            return False
        kept = self._texts[owner][-1] if self._within(owner) else self._above[owner]
        kept.text += text
        if text.strip():
            kept.own, kept.inner = kept.own or owner == place, kept.inner or owner != place
        return True

    def _within(self, place: Place) -> bool:
        size = len(self._plan.path)
        return place[:size] == self._plan.path

    def _weigh(self, size: int) -> None:
        self._kept += size
        if self._kept > self._settings.limits.record_bytes:
            raise self._fault("has a record that is too large", "too_large")

    def _ends(self, name: str) -> None:
        place = tuple(self._path)
        self._path.pop()
        if place == self._plan.path:
            self._record()
        elif not self._within(place):
            self._kept = 0
            self._settle(place)
            if place == self._plan.path[: len(place)]:
                self._forget(place)

    def _record(self) -> None:
        self._count += 1
        found = _Waiting(self._start, {name: self._inner(name, at) for name, at in self._plan.inside.items()})
        for name, place in self._plan.above.items():
            if place in self._above:
                found.values[name] = self._value([self._above[place]])
                self._seen.add(name)
            else:
                found.missing[name] = place
        self._waiting.append(found)
        if len(self._waiting) > _HELD and self._waiting[0].missing:
            column = next(iter(self._waiting[0].missing))
            raise self._fault(f"column {column} stands behind too many records", "too_large")
        self._texts, self._kept = {}, 0

    def _inner(self, name: str, place: Place) -> str:
        texts = self._texts.get(place)
        if texts is None:
            if name in self._plan.required:
                raise self._fault(f"column {name} is not there", "column_missing")
            return ""
        self._seen.add(name)
        return self._value(texts)

    def _value(self, parts: Sequence[_Text]) -> str:
        """One text, or a list of what is there several times, empty or not; unreadable where a part may be a list
        itself."""
        if any(part.inner and not part.own for part in parts):
            return unreadable(Unreadable("holds elements and no text of its own", _CORRECT, "wrong_shape"))
        there = [part.text.strip() for part in parts]
        texts = [text for text in there if text]
        split = self._settings.split
        if len(texts) > 1 and (not split or any(split in text for text in texts)):
            return unreadable(Unreadable("is there several times, and no list", _CORRECT, "wrong_shape"))
        return listed(there) if split and texts and len(there) > 1 else "".join(texts)

    def _settle(self, place: Place) -> None:
        """Give records that stand before this element or attribute its value."""
        if place not in self._above or not any(one.missing for one in self._waiting):
            return
        for one in self._waiting:
            for name in [name for name, at in one.missing.items() if at == place]:
                one.values[name] = self._value([self._above[place]])
                self._seen.add(name)
                del one.missing[name]

    def _forget(self, ended: Place) -> None:
        """What stands in a branch that has ended belongs to no later record, and no later element to its records."""
        for place in [place for place in self._above if place[: len(ended)] == ended]:
            del self._above[place]
        for one in self._waiting:
            for name in [name for name in one.missing if self._plan.scopes[name][: len(ended)] == ended]:
                if name in self._plan.required:
                    raise self._fault(f"column {name} is not there", "column_missing")
                one.values[name] = ""
                del one.missing[name]

    def _complete(self) -> Iterator[Found]:
        while self._waiting and not self._waiting[0].missing:
            one = self._waiting.popleft()
            yield Found(one.line, one.values)

    def _note(self, place: Place) -> None:
        if len(self._strange) < MOST_STRANGE:
            self._strange[place] = None

    def _broken(self, error: expat.ExpatError) -> DataError:
        kind = expat.errors.codes.get(expat.errors.XML_ERROR_NO_ELEMENTS)
        cut = error.code in (kind, *(expat.errors.codes[text] for text in _CUT))
        message = f"is no whole XML (line {error.lineno}, column {error.offset})"
        return fault(self._entry, message, "truncated" if cut else "unreadable_xml", error.lineno)

    def _drift(self, message: str) -> DataError:
        return fault(self._entry, message, DRIFT, 0)

    def _fault(self, message: str, reason: str) -> DataError:
        return fault(self._entry, message, reason, self._parser.CurrentLineNumber)


_CUT = (
    expat.errors.XML_ERROR_UNCLOSED_TOKEN,
    expat.errors.XML_ERROR_PARTIAL_CHAR,
    expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
)


def named(name: str) -> str:
    """`{uri}Name`, as the configuration's paths are written out."""
    uri, split, local = name.rpartition(SPLIT)
    return f"{{{uri}}}{local}" if split else name


def named_locally(step: str) -> str:
    """The name without its namespace."""
    return step.removeprefix("@").rpartition("}")[2]


def fault(entry: Entry, message: str, reason: str, line: int) -> DataError:
    place = f"{entry.place}:{line}" if line else entry.place
    return DataError(message, reason=reason, place=place, remedy=f"{message}; export it again")


def _below(path: Place, column: Place) -> Place:
    return path if column == (".",) else (*path, *column)


def _parts(stream: FileStream) -> set[str]:
    """The columns that a row's key is made of."""
    derived = stream.derived
    return {
        part for name in stream.stream.key for part in (derived[name].used if name in derived else (name,))
    }


def _common(place: Place, path: Place) -> Place:
    size = next((n for n, (one, other) in enumerate(zip(place, path, strict=False)) if one != other), None)
    return place[: min(len(place), len(path)) if size is None else size]


def _known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True
