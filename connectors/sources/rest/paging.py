"""From one page to the next, as the interface tells it; a circle or a way to another server ends the reading."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from connectors.sources.rest.client import Answer, Client
from connectors.sources.rest.config import Endpoint, Paging
from connectors.sources.rest.document import MISSING, Member, find, parsed, rows_of
from hub.errors import DataError

_TARGET = re.compile(r"\s*<([^>]*)>")
_PARAMETER = re.compile(
    r"""\s*;\s*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)        # name
        (?:\s*=\s*(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\s;,"]+))?)?)?""",
    re.VERBOSE,
)
_COMMA = re.compile(r"\s*(?:,|$)")


def next_of(header: str) -> str | None:
    """The target of the link of relation `next`; None where there is none. Raises ValueError when the header is none,
    or names several next pages: an end that cannot be read is no end, and of several nobody can tell which is next.

    A parameter's value may hold commas and semicolons in quotes, blanks may stand around its sign, one link may have
    several relations, only the first `rel` counts, and a link with an anchor speaks of another document.
    """
    found, at = set[str](), 0
    while header[at:].strip(" \t,"):
        at += len(header[at:]) - len(header[at:].lstrip(" \t,"))
        target = _TARGET.match(header, at)
        if target is None:
            raise ValueError("is no Link header")
        parameters, at = _parameters(header, target.end())
        relations = parameters.get("rel", "").lower().split()
        if "next" in relations and not parameters.get("anchor"):
            found.add(target[1])
    if len(found) > 1:
        raise ValueError("is a Link header of several next pages")
    return found.pop() if found else None


def _parameters(header: str, at: int) -> tuple[dict[str, str], int]:
    """The parameters of one link, and where the next one begins."""
    parameters: dict[str, str] = {}
    while (one := _PARAMETER.match(header, at)) is not None:
        name, quoted, token = one.groups()
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token or ""
        if name:
            parameters.setdefault(name.lower(), value)
        at = one.end()
    if _COMMA.match(header, at) is None:
        raise ValueError("is no Link header")
    return parameters, at


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page. `counted`: as many as the interface counts, of inner rows what they are in. `unchanged`: the
    server says that all is as its ETag said. `total`: of all pages, or None."""

    place: str
    rows: list[Member] = field(repr=False)
    counted: int = 0
    etag: str = ""
    total: int | None = None
    unchanged: bool = False


class Pages:
    """Reads one stream's pages in order; raises what the client raises, and DataError."""

    def __init__(self, client: Client, paging: Paging, name: str, endpoint: Endpoint) -> None:
        self._client, self._paging, self._name, self._endpoint = client, paging, name, endpoint

    def read(self, more: Mapping[str, str], etag: str = "") -> Iterator[Page]:
        """All pages of one reading. An `etag` is shown with the first only."""
        target, seen, last = self._target(more, str(self._paging.first)), set[str](), b""
        count, number = self._paging.first, 0
        while target:
            number += 1
            place = f"{self._name}/page {number}"
            if target in seen or number > self._paging.most:
                raise _fault("pages come in a circle, or never end", "endless_pages", place)
            seen.add(target)
            answer = self._client.get(target, place, etag if number == 1 else "")
            if answer.status == 304:
                yield self._unchanged(place, etag, number)
                return
            document = parsed(answer.body, place)
            page = self._page(document, answer, place)
            if page.counted and answer.body == last:
                raise _fault("is the page before once more", "endless_pages", place)
            last = answer.body
            yield page
            count += 1 if self._paging.kind == "page" else page.counted
            target = self._next(document, answer, page, target, count, more)

    def _unchanged(self, place: str, etag: str, number: int) -> Page:
        if not etag or number > 1:
            raise _fault("is answered with 304 although nothing was asked so", "refused_request", place)
        return Page(place, [], etag=etag, unchanged=True)

    def _page(self, document: Any, answer: Answer, place: str) -> Page:
        pointer = self._endpoint.total
        rows, counted = rows_of(document, self._endpoint.rows, place, self._endpoint.optional)
        if pointer is None:
            return Page(place, rows, counted, answer.etag)
        total = find(document, pointer)
        if not isinstance(total, str) or not total.isdecimal():
            raise _fault("says no total number of rows", "wrong_shape", place)
        return Page(place, rows, counted, answer.etag, int(total))

    def _next(
        self, document: Any, answer: Answer, page: Page, target: str, count: int, more: Mapping[str, str]
    ) -> str:
        kind = self._paging.kind
        if kind in ("page", "offset"):
            return self._target(more, str(count)) if page.counted else ""
        linked = self._linked(answer, page.place)
        found: Any = find(document, self._paging.at) if kind in ("next", "cursor") else ""
        if kind == "link":
            found = linked
        if found is MISSING or found is None or found == "":
            if linked:
                raise _fault("is not the last page, says its Link header", "not_whole", page.place)
            return ""
        if not isinstance(found, str):
            raise _fault("says no next page, and no end", "wrong_shape", page.place)
        return self._target(more, found) if kind == "cursor" else self._inside(target, found, page.place)

    def _linked(self, answer: Answer, place: str) -> str:
        """Where the Link header says that the next page is; "" where it names none."""
        try:
            return next_of(answer.link) or ""
        except ValueError:
            raise _fault("has a Link header that cannot be read", "wrong_shape", place) from None

    def _target(self, more: Mapping[str, str], position: str) -> str:
        """The address of a page, without the server."""
        paging = self._paging
        counted = {paging.parameter: position} if paging.parameter and position else {}
        if paging.kind == "cursor" and position == str(paging.first):
            counted = {}
        query = urlencode({**self._endpoint.parameters, **paging.fixed, **more, **counted})
        path = f"{self._client.base.path}{self._endpoint.path}"
        return f"{path}?{query}" if query else path

    def _inside(self, target: str, found: str, place: str) -> str:
        """The next address, if it is on the server that was configured: our token is for no other."""
        base = self._client.base
        try:
            parts = urlsplit(urljoin(f"{base.scheme}://{base.netloc}{target}", found))
        except ValueError:
            raise _fault("names a next page that is no address", "wrong_shape", place) from None
        if (parts.scheme, parts.netloc) != (base.scheme, base.netloc):
            raise _fault("names a next page on another server", "next_elsewhere", place)
        if not parts.path.isascii() or any(sign <= " " for sign in parts.path + parts.query):
            raise _fault("names a next page that is no address", "wrong_shape", place)
        return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _fault(message: str, reason: str, place: str) -> DataError:
    return DataError(
        message, reason=reason, place=place, remedy=f"{message}; correct paging or the interface"
    )
