"""The key store over its database, in this very process: for the embedded hub, and where there is no key service."""

from pathlib import Path

from hub.adapters.keys.cache import CachedKeys, KeyCache
from hub.adapters.keys.database import KeyDatabase
from hub.adapters.keys.wrapping import Keks
from hub.ports import Clock


class SqlKeyStore(CachedKeys):
    """A `HubKeyStore` over the database at `url`; with `controller`, of that controller's keys only.

    `kek` is the hub's master key, or the controller's own, or what reads it. Errors: see `KeyDatabase`.
    """

    def __init__(
        self,
        url: str,
        kek: bytes | Keks,
        *,
        controller: str = "",
        clock: Clock | None = None,
        cache: KeyCache | None = None,
        journal: Path | None = None,
    ) -> None:
        keks = (lambda: (kek,)) if isinstance(kek, bytes) else kek
        self.database = KeyDatabase(url, keks, controller=controller, clock=clock, journal=journal)
        super().__init__(self.database, cache)

    @classmethod
    def for_controller(
        cls,
        url: str,
        controller: str,
        kek: bytes | Keks,
        *,
        clock: Clock | None = None,
        cache: KeyCache | None = None,
    ) -> "SqlKeyStore":
        """A connector's store, under `kek.controller_kek(master, controller)`: it cannot touch any other's keys."""
        return cls(url, kek, controller=controller, clock=clock, cache=cache)
