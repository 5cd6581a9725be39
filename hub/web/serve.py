"""Serving on this machine only, until people can log in."""

import uvicorn
from prometheus_client import CollectorRegistry

from hub.errors import ConfigurationError
from hub.metrics.named import PROCESS
from hub.operations.restore_guard import require_current
from hub.parts import Parts
from hub.web.app import Desks, create_app
from hub.web.viewers import ViewerDirectory

LOOPBACK = "127.0.0.1"


def serve(
    parts: Parts,
    directory: ViewerDirectory,
    *,
    host: str = LOOPBACK,
    port: int = 8080,
    registry: CollectorRegistry = PROCESS,
    desks: Desks | None = None,
) -> None:
    """Serve until stopped. Raises ConfigurationError for any other address and for people who are not simulated.

    There is no access log: a path names a case. `hub.web` logs the route's pattern and the status instead.
    """
    uvicorn.Server(config(parts, directory, host=host, port=port, registry=registry, desks=desks)).run()


def config(
    parts: Parts,
    directory: ViewerDirectory,
    *,
    host: str = LOOPBACK,
    port: int = 8080,
    registry: CollectorRegistry = PROCESS,
    desks: Desks | None = None,
) -> uvicorn.Config:
    """What `serve` runs, for a host that already has an event loop. Raises KeysAreOlder or StoreIsOlder after a restore
    that nobody has dealt with."""
    if host != LOOPBACK:
        raise ConfigurationError(
            "the joint view may be reached from this machine only before users can log in",
            place="web",
            remedy=f"bind {LOOPBACK}",
        )
    require_current(parts)
    return uvicorn.Config(
        create_app(parts, directory, registry, desks=desks),
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
    )
