"""Around every answer: security headers, a count and a duration, and no traceback that could hold a value."""

import logging
import time
from collections.abc import Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.metrics.named import Metrics

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_log = logging.getLogger("hub.web")


class Guard:
    """ASGI middleware. `routes` names the pattern of each endpoint: paths are neither logged nor counted."""

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, routes: dict[str, str], failed: Callable[[], Response]
    ) -> None:
        self._app, self._metrics, self._routes, self._failed = app, metrics, routes, failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        try:
            await self._app(scope, receive, send_guarded)
        except Exception as error:  # noqa: BLE001  a traceback may hold values: only the kind of error goes on
            _log.error("web.failed route=%s error=%s", self._route(scope), type(error).__name__)
            if not status:
                await self._failed()(scope, receive, send_guarded)
        self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = self._route(scope)
        self._metrics.record_view(route, status, seconds)
        _log.info("web.answered route=%s status=%d", route, status)

    def _route(self, scope: Scope) -> str:
        endpoint: Any = scope.get("endpoint")
        return self._routes.get(getattr(endpoint, "__name__", ""), "other")
