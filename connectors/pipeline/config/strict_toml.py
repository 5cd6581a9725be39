"""Reading TOML tables strictly: every key is known, of its type, and named with its place when it is not."""

from collections.abc import Mapping
from typing import Any, TypeVar

from hub.errors import ConfigurationError

T = TypeVar("T")
_MISSING: Any = object()


class Table:
    """A table that must be used up: `close` refuses keys that nobody asked for."""

    def __init__(self, raw: Any, place: str) -> None:
        if not isinstance(raw, Mapping):
            raise ConfigurationError(
                "must be a table", place=place, remedy="write it as [table] or { key = … }"
            )
        self._rest, self.place = dict(raw), place

    def take(self, key: str, kind: type[T], default: Any = _MISSING) -> T:
        """The value of `key`, of exactly this type; without default it is required."""
        value = self._rest.pop(key, default)
        if value is _MISSING:
            raise ConfigurationError("is missing", place=f"{self.place}.{key}", remedy="set it")
        exact = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if value is not default and not exact and not (kind is float and type(value) is int):
            raise ConfigurationError(
                f"must be {kind.__name__}", place=f"{self.place}.{key}", remedy="correct its type"
            )
        return value  # type: ignore[no-any-return]

    def texts(self, key: str, default: Any = _MISSING) -> tuple[str, ...]:
        """One text or a list of texts."""
        value = self._rest.pop(key, default)
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise ConfigurationError(
                "must be a text or a list of texts", place=f"{self.place}.{key}", remedy="set it"
            )
        return tuple(value)

    def flag(self, key: str) -> bool:
        """True or false; false when absent."""
        return self.take(key, bool, False)  # noqa: FBT003  the default, not a switch

    def any(self, key: str, default: Any = None) -> Any:
        """The value as it stands."""
        return self._rest.pop(key, default)

    def table(self, key: str) -> "Table":
        """A sub-table; empty when absent."""
        return Table(self._rest.pop(key, {}), f"{self.place}.{key}")

    def tables(self, key: str) -> "Mapping[str, Table]":
        """Named sub-tables."""
        raw = self._rest.pop(key, {})
        if not isinstance(raw, Mapping):
            raise ConfigurationError("must be tables", place=f"{self.place}.{key}", remedy="write [key.name]")
        return {name: Table(item, f"{self.place}.{key}.{name}") for name, item in raw.items()}

    def items(self, key: str) -> "list[Table]":
        """A list of sub-tables."""
        raw = self._rest.pop(key, [])
        if not isinstance(raw, list):
            raise ConfigurationError(
                "must be a list of tables", place=f"{self.place}.{key}", remedy="write [[key]]"
            )
        return [Table(item, f"{self.place}.{key}[{n}]") for n, item in enumerate(raw)]

    def names(self) -> tuple[str, ...]:
        """What nobody has asked for yet."""
        return tuple(self._rest)

    def close(self) -> None:
        """Refuse what is left: a misspelt key would otherwise be a setting that silently does nothing."""
        if self._rest:
            names = ", ".join(sorted(self._rest))
            raise ConfigurationError(f"unknown key: {names}", place=self.place, remedy="correct or remove it")
