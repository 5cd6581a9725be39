"""The Link header of an answer (RFC 8288): where the next page is. Pure."""

import re

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
