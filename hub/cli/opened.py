"""A hub's parts for the time of one verb, from the settings of the environment."""

from collections.abc import Iterator
from contextlib import contextmanager

from hub.bootstrap import build_parts
from hub.config import Settings, load_settings
from hub.parts import Parts


@contextmanager
def opened_parts(settings: Settings | None = None) -> Iterator[Parts]:
    """Opened, and closed again whatever happens; raises ConfigurationError before anything is read."""
    parts = build_parts(settings or load_settings())
    try:
        yield parts
    finally:
        close_parts(parts)


def close_parts(parts: Parts) -> None:
    """Let go of the log, the store and the keys."""
    parts.log.close()
    parts.store.close()
    parts.keys.close()
