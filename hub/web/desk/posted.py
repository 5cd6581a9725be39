"""What a browser sent to the desk: a query or a form, within a limit, and from the desk's own pages only."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from starlette.requests import Request

from hub.errors import UsageError

FORM_LIMIT = 64_000  # bytes
Posted = Mapping[str, Sequence[str]]


def _from_elsewhere(request: Request) -> bool:
    """What the browser says of where the form stood; under our referrer policy its origin is "null" even at home."""
    site, origin = request.headers.get("sec-fetch-site", ""), request.headers.get("origin", "null")
    if site:
        return site not in ("same-origin", "none")
    return origin != "null" and origin.partition("://")[2] != request.headers.get("host")


async def read_posted(request: Request) -> Posted:
    """The query or the form, within a limit; a form from another site is refused."""
    if request.method == "POST" and _from_elsewhere(request):
        raise UsageError("posted from elsewhere", place="consent desk", remedy="open the desk itself")
    body = request.url.query.encode()
    if request.method == "POST":
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_LIMIT:
                raise UsageError("too much was posted", place="consent desk", remedy="post the form as it is")
    return parse_qs(body.decode("utf-8", "replace"))
