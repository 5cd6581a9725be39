"""Looks at an HTTP interface: one page of each list, where its rows stand, and how one page leads to the next.

Asks only (GET), keeps nothing. A token is named by its file or variable, never given.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from connectors.sources.rest.client import Answer, Client
from connectors.sources.rest.config import Access
from connectors.sources.rest.document import EACH, MISSING, NoRow, Pointer, find, parsed, rows_of, spelling
from connectors.sources.rest.paging import next_of
from connectors.tools.propose.profile import Table, Unread, left_out, table
from hub.errors import DataError

SAMPLE = 500
DEEP = 3  # how far down a list of rows, an address or a value is looked for
FORWARD = ("next", "weiter", "nextPage", "next_page", "@odata.nextLink")
JOIN = ","


class Asked(NamedTuple):
    """One list: its address below the interface, the pointer to its rows, columns that not every row has."""

    table: Table
    path: str
    rows: str
    optional: tuple[str, ...]

    @property
    def request(self) -> dict[str, Any]:
        """As a stream's `request` says it."""
        said = {"path": self.path, "rows": self.rows}
        return said | ({"optional": list(self.optional)} if self.optional else {})


class Interface(NamedTuple):
    """`paging` as the settings say it, where any list had a next page or says how it would; `left_out`: addresses whose
    answers could not be read."""

    lists: Sequence[Asked]
    paging: Mapping[str, str]
    left_out: Sequence[Table] = ()

    @property
    def tables(self) -> list[Table]:
        """Every list, the ones without an answer that can be read too."""
        return [*(one.table for one in self.lists), *self.left_out]


def parted(url: str) -> tuple[str, str]:
    """The interface and its list, where one address names both."""
    base, _, last = url.rstrip("/").rpartition("/")
    return (base, f"/{last}") if urlsplit(url).path.strip("/") else (url, "/")


def interface(access: Access, paths: Sequence[str]) -> Interface:
    """What these lists say now; raises AccessRefused, ServiceUnavailable, and DataError where no answer can be read."""
    lists, left, paging = list[Asked](), list[Table](), dict[str, str]()
    refused: list[DataError] = []
    with closing(Client(access)) as client:
        for path in paths:
            place = path.strip("/").replace("/", "_") or "list"
            answer = client.get(f"{client.base.path}{path}", place)
            try:
                document = parsed(answer.body, place)
                found = list(_listed(place, path, _longest(document, place), document))
            except DataError as error:
                refused.append(error)
                left.append(left_out(place, error))
                continue
            lists += found
            paging = paging or _paging(answer, document)
    if refused and not lists:
        raise refused[0]
    return Interface(lists, paging, left)


def _longest(document: Any, place: str) -> Pointer:
    """Where the longest list of objects stands."""
    found = max(_lists(document, ()), key=lambda at: len(_under(document, at)), default=None)
    if found is None:
        remedy = "name the address of a list with --path"
        raise DataError("holds no list of objects", reason="wrong_shape", place=place, remedy=remedy)
    return found


def _lists(document: Any, at: Pointer) -> Iterator[Pointer]:
    if isinstance(document, list) and 2 * len(_objects(document)) > len(document):
        yield at
    elif isinstance(document, Mapping) and len(at) < DEEP:
        for name, value in document.items():
            yield from _lists(value, (*at, name))


def _under(document: Any, at: Pointer) -> Any:
    for name in at:
        document = document[name]
    return document


def _listed(name: str, path: str, at: Pointer, document: Any) -> Iterator[Asked]:
    """The list, and the lists of objects in its rows."""
    rows, unread = _read(document, at, name)
    yield _asked(name, path, at, rows, unread)
    inner = dict.fromkeys(
        each for row in rows[:SAMPLE] for each in _lists(row, ()) if _is_rows(_under(row, each))
    )
    for each in inner:
        within = (*at, EACH, *each)
        found, unread = _read(document, within, name, frozenset({spelling(each)}))
        asked = _asked(f"{name}_{'_'.join(each)}", path, within, found, unread)
        lacking = any(find(row, each) is MISSING for row in rows)
        yield asked._replace(optional=(*asked.optional, spelling(each))) if lacking else asked


def _read(
    document: Any, at: Pointer, place: str, optional: frozenset[str] = frozenset()
) -> tuple[list[Mapping[str, Any]], list[Unread]]:
    """The rows there, and the members of the list that are none."""
    found = rows_of(document, at, place, optional)[0]
    unread = [
        Unread(f"{place}, row {number}", one.why)
        for number, one in enumerate(found, 1)
        if isinstance(one, NoRow)
    ]
    return [row for row in found if not isinstance(row, NoRow)], unread


def _objects(found: Sequence[Any]) -> list[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, Mapping)]


def _is_rows(found: Sequence[Any]) -> bool:
    """Objects with one member each are a list of values, `/kinder/*/id`."""
    return any(len(row) > 1 for row in _objects(found))


def _asked(
    name: str, path: str, at: Pointer, rows: Sequence[Mapping[str, Any]], unread: Sequence[Unread]
) -> Asked:
    flat = [dict(_cells(row, ())) for row in rows[:SAMPLE]]
    header = list(dict.fromkeys(column for row in flat for column in row))
    optional = tuple(column for column in header if any(column not in row for row in flat))
    sample = [[row.get(column, "") for column in header] for row in flat]
    found = table(name, header, sample, unreadable=unread)
    return Asked(found, path, "".join(f"/{_escaped(part)}" for part in at), optional)


def _cells(row: Mapping[str, Any], at: Pointer) -> Iterator[tuple[str, str]]:
    """Columns as the source names them; a list of objects is none, unless they have one member each."""
    for name, value in row.items():
        where = (*at, name)
        if isinstance(value, Mapping):
            yield from _cells(value, where) if len(where) < DEEP else ()
        elif isinstance(value, list):
            if all(isinstance(item, str) for item in value):
                yield spelling(where), JOIN.join(value)
            elif (member := _only_member(value)) is not None:
                each = (*where, EACH, member)
                yield spelling(each), JOIN.join(find(row, (name, EACH, member)))
        else:
            text = str(value).lower() if isinstance(value, bool) else value
            yield spelling(where), "" if text is None else text


def _only_member(found: Sequence[Any]) -> str | None:
    """The one member of all these objects, if it is a text."""
    names = {name for each in found for name in (each if isinstance(each, Mapping) else ("", ""))}
    plain = all(
        isinstance(each, Mapping) and all(isinstance(one, str) for one in each.values()) for each in found
    )
    return next(iter(names)) if plain and len(names) == 1 else None


def _paging(answer: Answer, document: Any) -> dict[str, str]:
    """A Link header, or an address in the answer; empty where neither is seen."""
    if _leads_on(answer.link):
        return {"kind": "link"}
    at = next(_forward(document, ()), None)
    return {"kind": "next", "at": "".join(f"/{_escaped(part)}" for part in at)} if at else {}


def _forward(document: Any, at: Pointer) -> Iterator[Pointer]:
    if isinstance(document, Mapping) and len(at) < DEEP:
        for name, value in document.items():
            if name in FORWARD and (value is None or (isinstance(value, str) and "/" in value)):
                yield (*at, name)
            else:
                yield from _forward(value, (*at, name))


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _leads_on(link: str) -> bool:
    """Whether a Link header names a next page; one that cannot be read is the reader's matter."""
    try:
        return next_of(link) is not None
    except ValueError:
        return False
