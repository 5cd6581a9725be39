"""The Link header as RFC 8288 allows it to be written."""

import pytest

from connectors.sources.rest.paging import next_of


@pytest.mark.parametrize(
    "header",
    [
        "</p?2>; rel=next",
        '</p?2>; rel="next"',
        '</p?2>; title="weiter, Seite 2"; rel="next"',
        '</p?2> ; rel = "next"',
        "</p?2>;rel=next;title*=UTF-8'de'Seite%202",
        '</p?2>; REL="NEXT"',
        '</p?2>; rel="last next"',
        '</p?1>; rel="prev", </p?2>; rel="next"',
        '</p?2>; rel="next", </p?9>; rel="last"',
        '</a>; title="a; rel=\\"next\\""; rel="self", </p?2>; rel="next"',
        '</x>; rel="next"; anchor="/other", </p?2>; rel="next"',
        '</x>; rel="self"; rel="next", </p?2>; rel="next"',
        ', , </p?2>; ; rel="next";,',
        "</p?2>; crossorigin; rel=next",
        '</p?2>; rel="next", </p?2>; rel="next"; title="weiter"',
    ],
)
def test_the_next_page(header: str) -> None:
    assert next_of(header) == "/p?2"


@pytest.mark.parametrize(
    "header", ["", " , ", '</p>; rel="prev"', "</p>", '</p>; rel="nextpage"', '</p>; title="next"']
)
def test_no_next_page(header: str) -> None:
    assert next_of(header) is None


@pytest.mark.parametrize(
    "header",
    ["/p?2; rel=next", '</p?2; rel="next"', '</p?2>; rel="next', "<a> <b>; rel=next", "<a>; rel=next x"],
)
def test_what_is_no_link_header_is_no_end(header: str) -> None:
    with pytest.raises(ValueError, match="Link"):
        next_of(header)


def test_of_several_next_pages_nobody_can_tell_which_is_next() -> None:
    with pytest.raises(ValueError, match="several"):
        next_of('</p?2>; rel="next", </p?3>; rel="next"')
