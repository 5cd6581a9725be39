"""The web side: choose who you are, look at a family, see how the hub is doing.

Until people can log in it serves simulated data only, on loopback only (`hub.web.serve`).
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from urllib.parse import parse_qs

from jinja2 import Environment
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from hub.desk.desk import Desk
from hub.domain.clock import micros
from hub.errors import ConfigurationError, ServiceUnavailable, TryAgain
from hub.metrics.connectors import connector_collector
from hub.metrics.named import PROCESS, metrics
from hub.metrics.store import StoreCollector
from hub.pages import environment
from hub.parts import Parts
from hub.subjects.consent_barrier import is_open
from hub.views.opening import open_view
from hub.web.desk.app import DeskWeb, Endpoint
from hub.web.guard import Guard
from hub.web.health import readiness
from hub.web.present import Page, present
from hub.web.viewers import Sessions, Viewer, ViewerDirectory
from hub.web.wording import unbroken, word

PURPOSE = "joint_case_management"
COOKIE = "fallbruecke"
HOSTS = ("127.0.0.1", "localhost")
BEAT = 0.25  # seconds
_FORM_LIMIT = 4096
_CASE_REF = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Desks:
    """The consent desks that this process serves: agency id → desk; `woken` hears of what there is to publish."""

    desks: Mapping[str, Desk] = field(default_factory=dict)
    woken: Callable[[], None] = lambda: None


def create_app(
    parts: Parts,
    directory: ViewerDirectory,
    registry: CollectorRegistry = PROCESS,
    *,
    beat: float = BEAT,
    desks: Desks | None = None,
) -> Starlette:
    """The application; raises ConfigurationError unless everybody in the directory is simulated.

    Joint views leave at the next `beat` (seconds) after they were asked for: how long the hub looked, and so how much
    there is that it does not show, cannot be timed. 0 switches it off.
    """
    if not directory.simulated:
        raise ConfigurationError(
            "real people may not be shown before users can log in",
            place="web",
            remedy="serve simulated data only",
        )
    registry.register(StoreCollector(parts))
    registry.register(connector_collector(parts))
    pages = environment("hub.web", finalize=unbroken)
    web = Web(parts, directory, registry, beat, pages, with_desk=desks is not None)
    endpoints: list[Endpoint] = [
        ("/", web.choose, ["GET"]),
        ("/ansicht", web.take_role, ["POST"]),
        ("/fall/{case_ref}", web.family, ["GET"]),
        ("/style.css", web.style, ["GET"]),
        ("/desk.js", web.script, ["GET"]),
        ("/metrics", web.metrics, ["GET"]),
        ("/health/live", web.live, ["GET"]),
        ("/health/ready", web.ready, ["GET"]),
    ]
    if desks is not None:
        endpoints += DeskWeb(parts, directory, desks.desks, pages, desks.woken).endpoints()
    guard = Middleware(
        Guard,
        metrics=metrics(registry),
        routes={endpoint.__name__: path for path, endpoint, _ in endpoints},
        failed=lambda: web.unavailable(500),
    )
    return Starlette(
        routes=[Route(path, endpoint, methods=methods) for path, endpoint, methods in endpoints],
        middleware=[guard, Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))],
        exception_handlers={404: web.not_found, 405: web.not_found},
    )


def until_beat(seconds: float, beat: float) -> float:
    """How long to wait after `seconds` of work until the next beat."""
    return -seconds % beat if beat else 0.0


class Web:
    """The endpoints. Everything that reads the store runs in a thread."""

    def __init__(
        self,
        parts: Parts,
        directory: ViewerDirectory,
        registry: CollectorRegistry,
        beat: float,
        pages: Environment,
        *,
        with_desk: bool,
    ) -> None:
        self._pages, self._with_desk = pages, with_desk
        self._parts, self._directory, self._registry, self._beat = parts, directory, registry, beat
        self._sessions = Sessions()
        self._started = micros(parts.clock.now())
        self._style = (files("hub.web.templates") / "style.css").read_bytes()
        self._script = (files("hub.web.templates") / "desk.js").read_bytes()

    async def choose(self, request: Request) -> Response:
        """Who looks (office and role), then which family of that office."""
        viewer = self._viewer(request)
        offices = [
            (
                agency.name,
                [
                    (one.key, word("roles", one.role))
                    for one in self._directory.viewers
                    if one.agency == agency.id
                ],
            )
            for agency in self._parts.agencies.values()
        ]
        return self._page(
            "choose.html",
            offices=[office for office in offices if office[1]],
            with_desk=self._with_desk,
            chosen=viewer.key if viewer else "",
            office=self._parts.agencies[viewer.agency].name if viewer else "",
            families=self._directory.families.get(viewer.agency, ()) if viewer else (),
        )

    async def take_role(self, request: Request) -> Response:
        """Keep the choice in a session of ours; nothing of it goes into an address."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _FORM_LIMIT:
                return self._page("unavailable.html", 413)
        wanted = parse_qs(body.decode("ascii", "replace")).get("viewer", [""])[0]
        response = RedirectResponse("/", status_code=303)
        viewer = self._directory.viewer(wanted)
        if viewer is not None:
            token = self._sessions.open(viewer)
            response.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/")
        return response

    async def family(self, request: Request) -> Response:
        """The joint view; "not available" and nothing else while consents are behind or a part does not answer."""
        viewer = self._viewer(request)
        if viewer is None:
            return RedirectResponse("/", status_code=303)
        began = time.monotonic()
        try:
            page = await asyncio.to_thread(self._open, viewer, request.path_params["case_ref"])
        except ServiceUnavailable:
            return self.unavailable(503)
        answer = self._page("family.html", page=page)
        await asyncio.sleep(until_beat(time.monotonic() - began, self._beat))
        return answer

    async def style(self, _request: Request) -> Response:
        return Response(self._style, media_type="text/css")

    async def script(self, _request: Request) -> Response:
        return Response(self._script, media_type="text/javascript")

    async def metrics(self, _request: Request) -> Response:
        text = await asyncio.to_thread(generate_latest, self._registry)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def live(self, _request: Request) -> Response:
        return Response("live\n", media_type="text/plain")

    async def ready(self, _request: Request) -> Response:
        """200 when store, keys and log answer and all consents are read; 503 names the part that does not."""
        found = await asyncio.to_thread(readiness, self._parts, self._started)
        text = "".join(f"{part}: {'ok' if fine else 'not ready'}\n" for part, fine in found.items())
        return Response(text, 200 if all(found.values()) else 503, media_type="text/plain")

    async def not_found(self, _request: Request, _error: Exception) -> Response:
        return self._page("not_found.html", 404)

    def unavailable(self, status: int) -> Response:
        response = self._page("unavailable.html", status)
        response.headers["Retry-After"] = "30"
        return response

    def _open(self, viewer: Viewer, case_ref: str) -> Page:
        if not is_open(self._parts, self._started):
            raise TryAgain("consents are not read to their end yet", place="web", remedy="wait")
        known = case_ref if _CASE_REF.fullmatch(case_ref) else "none"
        recipient = self._directory.recipient(viewer, known, self._parts.agencies[viewer.agency])
        return present(open_view(self._parts, known, recipient, PURPOSE), self._parts.agencies)

    def _viewer(self, request: Request) -> Viewer | None:
        return self._directory.viewer(self._sessions.chosen(request.cookies.get(COOKIE)))

    def _page(self, template: str, status: int = 200, **values: object) -> Response:
        return HTMLResponse(self._pages.get_template(template).render(**values), status)
