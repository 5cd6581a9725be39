"""The key store over SQL, in a database of its own (SQLite or PostgreSQL).

Each call asks at most once for what the cache lacks, however many keys it wants. Two processes that provision the same
key agree: both insert, the first row stands, both read it. Nothing here shows key bytes; errors name no parameters.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Row, select

from hub.adapters.clocks import SystemClock
from hub.adapters.keys import destruction, tables
from hub.adapters.keys.cache import KeyCache
from hub.adapters.keys.engine import connect, forget_pages, transaction, unavailable
from hub.adapters.keys.kek import new_master
from hub.adapters.keys.wrapping import derived, fingerprint, only
from hub.domain.clock import micros
from hub.errors import ConfigurationError
from hub.ports import Certificate, Clock, Erased, Fenced, Key, KeyRef

Answer = Key | Erased | Fenced
_ATTEMPTS = 3  # a key may be fenced between being made and being read


class SqlKeyStore:
    """A `KeyStore` over the database at `url`; with `controller`, of that controller's keys only.

    `kek` is the hub's master key, or the controller's own. Opening the store creates missing tables, remembers a check
    value of each key-encryption key at its first use, and raises ConfigurationError when the key given is another one.
    Every method raises KeyServiceUnavailable when the database does not answer.
    """

    def __init__(
        self,
        url: str,
        kek: bytes,
        *,
        controller: str = "",
        clock: Clock | None = None,
        cache: KeyCache | None = None,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._cache = cache or KeyCache(time.monotonic)
        self._wrapper = only(controller, kek) if controller else derived(kek)
        self._engine = connect(url)
        self._wanted = tables.wanted_keys(self._engine)
        try:
            self._checked = self._start(controller)
        except BaseException:
            self.close()
            raise

    @classmethod
    def for_controller(
        cls,
        url: str,
        controller: str,
        kek: bytes,
        *,
        clock: Clock | None = None,
        cache: KeyCache | None = None,
    ) -> "SqlKeyStore":
        """A connector's store, under `kek.controller_kek(master, controller)`: it cannot touch any other's keys."""
        return cls(url, kek, controller=controller, clock=clock, cache=cache)

    def sealing(self, refs: Iterable[KeyRef]) -> Mapping[KeyRef, Key]:
        found, missing = self._cache.sealing(refs)
        for _ in range(_ATTEMPTS):
            if not missing:
                return found
            asked_at = self._cache.now()
            newest = {
                tables.ref_of(row): row for row in sorted(self._rows(missing), key=lambda row: row.version)
            }
            keys = [self._key(row) for row in newest.values() if row.state == "active"]
            self._cache.confirmed(keys, asked_at, may_seal=True)
            found |= {key.ref: key for key in keys}
            missing = [ref for ref in missing if ref not in found]
            self._provision({ref: newest[ref].version + 1 if ref in newest else 1 for ref in missing})
        raise unavailable("keys are fenced faster than they are made")

    def opening(self, wanted: Iterable[tuple[KeyRef, int]]) -> Mapping[tuple[KeyRef, int], Answer]:
        found, missing = self._cache.opening(wanted)
        if not missing:
            return found
        asked_at = self._cache.now()
        rows = {(tables.ref_of(row), row.version): row for row in self._rows([ref for ref, _ in missing])}
        answers = {one: self._answer(one, rows.get(one)) for one in missing}
        keys = [answer for answer in answers.values() if isinstance(answer, Key)]
        self._cache.confirmed(keys, asked_at, may_seal=False)
        return {**found, **answers}

    def fence(self, ref: KeyRef) -> None:
        self._wrapper(ref.controller)
        with transaction(self._engine) as connection:
            destruction.fence(connection, ref, self._now())
        self._cache.evict(ref)

    def destroy(self, ref: KeyRef) -> Certificate:
        self.fence(ref)
        with transaction(self._engine) as connection:
            now = self._now()
            destruction.destroy(connection, ref, now)
            certificate = destruction.certificate(connection, ref, now)
        self._cache.evict(ref)
        forget_pages(self._engine)
        return certificate

    def ledger(self) -> Sequence[Certificate]:
        """Every destruction there was: to be kept apart from the backups of keys and data."""
        with transaction(self._engine) as connection:
            return destruction.certificates(connection)

    def replay(self, ledger: Iterable[Certificate]) -> int:
        """Destroy again what a restored key database brought back, before the hub serves; how many versions lived."""
        proofs = list(ledger)
        with transaction(self._engine) as connection:
            count = destruction.replay(connection, proofs)
        for proof in proofs:
            self._cache.evict(proof.ref)
        forget_pages(self._engine)
        return count

    def close(self) -> None:
        self._engine.dispose()

    def _start(self, controller: str) -> set[str]:
        """Create what is missing and check every key-encryption key this store stands for."""
        tables.create_missing(self._engine)
        with transaction(self._engine) as connection:
            known = connection.scalars(select(tables.check.c.controller)).all()
            checked = {controller} if controller else {"", *known}
            for one in sorted(checked):
                self._check(connection, one)
        return checked

    def _rows(self, refs: Iterable[KeyRef]) -> Sequence[Row[Any]]:
        asked = list(dict.fromkeys(refs))
        unchecked = {ref.controller for ref in asked} - self._checked
        with transaction(self._engine) as connection:
            for controller in sorted(unchecked):
                self._check(connection, controller)
                self._checked.add(controller)
            return tables.find(connection, self._wanted, asked)

    def _check(self, connection: Connection, controller: str) -> None:
        """Whether ours is the key-encryption key under which the controller's keys were wrapped."""
        ours, table = self._wrapper(controller).check, tables.check
        tables.insert_new(connection, table, [{"controller": controller, "value": ours}])
        if connection.scalar(select(table.c.value).where(table.c.controller == controller)) != ours:
            raise ConfigurationError(
                "this is not the key-encryption key the keys were wrapped under",
                place=f"HUB_KEK ({controller or 'master'})",
                remedy="give the key this key database was begun with",
            )

    def _provision(self, versions: Mapping[KeyRef, int]) -> None:
        """Insert in one order everywhere, so that two processes wait for each other instead of deadlocking."""
        if versions:
            rows = [self._new_row(ref, version) for ref, version in sorted(versions.items())]
            with transaction(self._engine) as connection:
                tables.insert_new(connection, tables.key, rows)

    def _new_row(self, ref: KeyRef, version: int) -> dict[str, Any]:
        key = new_master()
        return {
            **ref._asdict(),
            "version": version,
            "state": "active",
            "wrapped": self._wrapper(ref.controller).wrap(ref, version, key),
            "fingerprint": fingerprint(key),
            "created_at": self._now(),
        }

    def _answer(self, wanted: tuple[KeyRef, int], row: Row[Any] | None) -> Answer:
        if row is None or row.state == "destroyed":
            return Erased(*wanted)
        return self._key(row) if row.state == "active" else Fenced(*wanted)

    def _key(self, row: Row[Any]) -> Key:
        """The key of an active row; unwrapped only when it is not in memory."""
        ref: KeyRef = tables.ref_of(row)
        known = self._cache.peek((ref, row.version))
        return known or Key(
            ref, row.version, AESGCM(self._wrapper(ref.controller).unwrap(ref, row.version, row.wrapped))
        )

    def _now(self) -> int:
        return micros(self._clock.now())
