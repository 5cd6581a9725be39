"""Kinds of connectors, found by entry point; a kind whose source is always the same brings its own mapping."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hub.errors import ConfigurationError

GROUP = "hub.connectors"
_MAPPED = ("codes", "defaults", "lookups", "streams")


@cache
def _installed() -> Mapping[str, EntryPoint]:
    """Name → entry point; what is installed does not change while a process runs."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load_kind(name: str) -> Any:
    """The module of a kind: `spec`, `build` and perhaps `mapping`; raises ConfigurationError."""
    installed = _installed()
    if name not in installed:
        names = ", ".join(sorted(installed))
        raise ConfigurationError("unknown kind", place="config.connector.kind", remedy=f"one of {names}")
    entry = installed[name]
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        if not _is_missing(entry, error):
            raise
        raise ConfigurationError(
            f"the kind cannot be loaded ({type(error).__name__})",
            place=f"entry point {GROUP}: {name} = {entry.value}",
            remedy="repair or uninstall the package",
        ) from error


def _is_missing(entry: EntryPoint, error: ImportError | AttributeError) -> bool:
    """Whether what the entry point names is not there; a library that a kind needs is another matter."""
    if isinstance(error, ModuleNotFoundError):
        return f"{entry.module}.".startswith(f"{error.name}.")
    return True


def installed_kinds() -> Mapping[str, Any]:
    """Name → module of every kind that is installed. One that cannot be imported is left out: whoever names it in a
    file is told by `load_kind`."""
    found: dict[str, Any] = {}
    for name in sorted(_installed()):
        with suppress(ConfigurationError, ImportError):
            found[name] = load_kind(name)
    return found


def completed(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tables of a configuration with the mapping that its kind brings; raises ConfigurationError when the file has
    one too."""
    connector = raw.get("connector")
    name = connector.get("kind") if isinstance(connector, Mapping) else None
    module = load_kind(name) if isinstance(name, str) and name in _installed() else None
    if module is None or not hasattr(module, "mapping"):
        return raw
    if extra := [table for table in _MAPPED if table in raw]:
        raise ConfigurationError(
            f"a {name} brings its own mapping", place=f"config.{extra[0]}", remedy="remove this table"
        )
    brought: Mapping[str, Any] = module.mapping()
    return {**raw, **brought}
