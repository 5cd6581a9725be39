"""The keys in their database (SQLite or PostgreSQL): provisioned, fenced, destroyed, and never shown unwrapped.

Two processes that provision the same key agree: both insert, the first row stands, both read it. Errors name no
parameters.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from hub.adapters.clocks import SystemClock
from hub.adapters.keys import destruction, restored, rotation, tables
from hub.adapters.keys.engine import connect, transaction, unavailable
from hub.adapters.keys.journal import DestructionJournal
from hub.adapters.keys.purge import LogEmptier, remains
from hub.adapters.keys.source import Answer, Material, Wanted
from hub.adapters.keys.wrapping import Keks, Wrappers, fingerprint, hub_secret, new_master
from hub.domain.clock import micros, moment
from hub.ports import Certificate, Clock, Erased, FencedKey, KeyRef, RestoreNumbers

_ATTEMPTS = 3  # a key may be fenced between being made and being read
_HUB = KeyRef("hub", "", "")


class KeyDatabase:
    """A `KeySource` over the database at `url`; with `controller`, of that controller's keys only.

    `keks` reads the hub's master key, or the controller's own. Opening creates missing tables, remembers the name of
    each key-encryption key at its first use, and raises ConfigurationError when the key given is another one. Every
    method raises KeyServiceUnavailable when the database does not answer, and KeysAreOlder when `journal` tells that
    keys were destroyed which are there again.
    """

    def __init__(
        self,
        url: str,
        keks: Keks,
        *,
        controller: str = "",
        clock: Clock | None = None,
        journal: Path | None = None,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self.wrappers = Wrappers(keks, controller)
        self.engine = connect(url)
        self._wanted = tables.wanted_keys(self.engine)
        self._emptier = LogEmptier(self.engine)
        try:
            self._verified = self._start(controller)
            self._journal = DestructionJournal(journal) if journal else None
            self.older = restored.finish(self.engine, self._journal)
            self._emptier.empty()
        except BaseException:
            self.close()
            raise

    def newest(self, refs: Iterable[KeyRef]) -> Mapping[KeyRef, Material]:
        found: dict[KeyRef, Material] = {}
        missing = list(dict.fromkeys(refs))
        for _ in range(_ATTEMPTS):
            if not missing:
                return found
            rows = sorted(self._rows(missing), key=lambda row: row.version)
            last = {tables.ref_of(row): row for row in rows}
            found |= {ref: self._material(row) for ref, row in last.items() if row.state == "active"}
            missing = [ref for ref in missing if ref not in found]
            self._provision({ref: last[ref].version + 1 if ref in last else 1 for ref in missing})
        raise unavailable("keys are fenced faster than they are made")

    def versions(self, wanted: Iterable[Wanted]) -> Mapping[Wanted, Answer]:
        asked = list(dict.fromkeys(wanted))
        rows = {(tables.ref_of(row), row.version): row for row in self._rows([ref for ref, _ in asked])}
        return {one: self._answer(one, rows.get(one)) for one in asked}

    def fence(self, ref: KeyRef) -> None:
        self._may(ref.controller)
        with transaction(self.engine) as connection:
            destruction.fence(connection, ref, self._now())

    def destroy(self, ref: KeyRef) -> Certificate:
        """Fence, enter in the journal, destroy: what is destroyed can always be destroyed again."""
        self.fence(ref)
        now = self._now()
        with transaction(self.engine) as connection:
            living = destruction.alive(connection, ref)
        versions, fingerprints = tuple(one for one, _ in living), tuple(one for _, one in living)
        if self._journal and living:
            self._journal.enter(Certificate(ref, versions, fingerprints, moment(now)))
        with transaction(self.engine) as connection:
            destruction.destroy(connection, ref, now, versions)
            certificate = destruction.certificate(connection, ref, now)
        left = remains(self.engine, emptied=self._emptier.empty())
        return replace(certificate, remains=left if certificate.versions else ())

    def ledger(self) -> Sequence[Certificate]:
        with transaction(self.engine) as connection:
            return destruction.certificates(connection)

    def replay(self, ledger: Sequence[Certificate]) -> int:
        kept = [*(self._journal.entries() if self._journal else ()), *ledger]
        with transaction(self.engine) as connection:
            count = destruction.replay(connection, kept)
        self._emptier.empty()
        self.older = 0
        return count

    def standing(self, reached: int = 0) -> RestoreNumbers:
        restored.refuse(self.older)
        with transaction(self.engine) as connection:
            return RestoreNumbers(restored.remember(connection, reached), destruction.count(connection))

    def secret(self) -> bytes:
        """Made of the first master key at its first use, and wrapped like every other key from then on."""
        for _ in range(_ATTEMPTS):
            rows = self._rows([_HUB])
            if rows:
                return self._material(rows[0]).reveal()
            self._insert({_HUB: 1}, lambda: hub_secret(self.wrappers.first_master()))
        raise unavailable("the hub's secret was not kept")

    def close(self) -> None:
        self._emptier.close()
        self.engine.dispose()

    def _start(self, controller: str) -> set[str]:
        """Create what is missing and check every key-encryption key this process stands for."""
        tables.create_missing(self.engine)
        with transaction(self.engine) as connection:
            known = connection.scalars(select(tables.check.c.controller)).all()
            standing_for = {controller} if controller else {"", *known}
            for one in sorted(standing_for):
                rotation.verify(connection, self.wrappers, one)
            return standing_for

    def _may(self, controller: str) -> None:
        """Raises ConfigurationError for keys that this process may not hold."""
        if controller not in self._verified:
            with transaction(self.engine) as connection:
                rotation.verify(connection, self.wrappers, controller)
            self._verified.add(controller)

    def _rows(self, refs: Iterable[KeyRef]) -> Sequence[Row[Any]]:
        restored.refuse(self.older)
        asked = list(dict.fromkeys(refs))
        for controller in sorted({ref.controller for ref in asked}):
            self._may(controller)
        with transaction(self.engine) as connection:
            return tables.find(connection, self._wanted, asked)

    def _provision(self, versions: Mapping[KeyRef, int]) -> None:
        if versions:
            self._insert(versions, new_master)

    def _insert(self, versions: Mapping[KeyRef, int], make: Any) -> None:
        """Insert in one order everywhere, so that two processes wait for each other instead of deadlocking."""
        with transaction(self.engine) as connection:
            wrapping = rotation.current(connection, self.wrappers, {ref.controller for ref in versions})
            rows = []
            for ref, version in sorted(versions.items()):
                secret, wrapper = make(), wrapping[ref.controller]
                rows.append(
                    {
                        **ref._asdict(),
                        "version": version,
                        "state": "active",
                        "kek": wrapper.name,
                        "wrapped": wrapper.wrap(ref, version, secret),
                        "fingerprint": fingerprint(secret),
                        "created_at": self._now(),
                    }
                )
            tables.insert_new(connection, tables.key, rows)

    def _answer(self, wanted: Wanted, row: Row[Any] | None) -> Answer:
        if row is None or row.state == "destroyed":
            return Erased(*wanted)
        return self._material(row) if row.state == "active" else FencedKey(*wanted)

    def _material(self, row: Row[Any]) -> Material:
        return Material(tables.ref_of(row), row.version, partial(self._unwrap, row))

    def _unwrap(self, row: Row[Any]) -> bytes:
        ref: KeyRef = tables.ref_of(row)
        return self.wrappers.require(ref.controller, row.kek).unwrap(ref, row.version, row.wrapped)

    def _now(self) -> int:
        return micros(self._clock.now())
