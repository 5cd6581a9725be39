"""The one contract of every key store; each backend only says where its database is, how to open and to lose it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hub.adapters.clocks import ManualClock
from hub.adapters.keys import destruction
from hub.adapters.keys.cache import KeyCache
from hub.adapters.keys.engine import connect
from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.wrapping import controller_kek, hub_secret, new_master
from hub.domain.seal import open_box, seal
from hub.errors import ConfigurationError, KeysAreOlder, KeyServiceUnavailable
from hub.ports import Erased, FencedKey, HubKeyStore, Key, KeyRef, RestoreNumbers

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
MASTER = new_master()
ANNA = KeyRef("box", "jc", "p_anna")
BEN = KeyRef("box", "jc", "p_ben")
VIEW = KeyRef("view", "ja", "p_anna", "jc")
NO_LEDGER = {
    "sqlite": "DROP TRIGGER ledger_DELETE",
    "postgresql": "DROP TRIGGER ledger_DELETE ON ledger",
}
"""What a backup from before the destruction amounts to: the ledger has no entry, and the key is alive."""


class Seconds:
    """A monotonic clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class KeyStoreContract(ABC):
    """Subclasses give the fixture `url`, a database that is empty, and `lose`."""

    @abstractmethod
    def open(self, seconds: Seconds) -> HubKeyStore:
        """The hub's store over the database, with a cache of its own; each is closed by its test."""

    @abstractmethod
    def open_connector(self, controller: str) -> HubKeyStore:
        """A connector's store over the same database."""

    @abstractmethod
    def restart(self) -> None:
        """End the process that has the database, and start it again; a library has none but the test's own."""

    @abstractmethod
    def lose(self, url: str) -> None:
        """Make the database stop answering."""

    @pytest.fixture
    def seconds(self) -> Seconds:
        return Seconds()

    @pytest.fixture
    def store(self, url: str, seconds: Seconds) -> Iterator[HubKeyStore]:
        self.database = url
        self.clock = ManualClock(NOW)
        store = self.open(seconds)
        yield store
        store.close()

    @pytest.fixture
    def other(self, store: HubKeyStore, seconds: Seconds) -> Iterator[HubKeyStore]:
        """Another process: it shares the database and nothing else."""
        store = self.open(seconds)
        yield store
        store.close()

    def test_seals_and_opens_again(self, store: HubKeyStore, other: HubKeyStore) -> None:
        key = store.sealing([ANNA])[ANNA]
        box = seal(key.cipher, key.version, b"secret", b"place")
        opening = other.opening([(ANNA, 1)])[ANNA, 1]
        assert isinstance(opening, Key)
        assert open_box(opening.cipher, box, b"place") == b"secret"

    def test_a_version_that_somebody_has_seen_is_asked_for(
        self, store: HubKeyStore, other: HubKeyStore
    ) -> None:
        """The hub has named a newer key than this process remembers: it seals with that one at once."""
        assert store.sealing([ANNA])[ANNA].version == 1
        other.fence(ANNA)
        assert other.sealing([ANNA])[ANNA].version == 2
        assert store.sealing([ANNA])[ANNA].version == 1, "remembered for a moment"
        assert store.sealing([ANNA], {ANNA: 2})[ANNA].version == 2
        assert store.sealing([ANNA])[ANNA].version == 2

    def test_every_person_controller_and_kind_has_a_key_of_its_own(self, store: HubKeyStore) -> None:
        refs = [
            ANNA,
            BEN,
            VIEW,
            ANNA._replace(kind="proof"),
            ANNA._replace(controller="ja"),
            VIEW._replace(sender="x"),
        ]
        keys = store.sealing(refs)
        nonce, sealed = bytes(12), set()
        for ref in refs:
            sealed.add(keys[ref].cipher.encrypt(nonce, b"same", None))
        assert len(sealed) == len(refs)

    def test_provisions_once_from_two_stores_at_the_same_time(
        self, store: HubKeyStore, other: HubKeyStore
    ) -> None:
        refs = [KeyRef("box", "jc", f"p_{number}") for number in range(200)]
        orders = [(store, refs), (other, refs[::-1]), (store, refs[::-1]), (other, refs)]
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda order: order[0].sealing(order[1]), orders))
        assert self.count() == 200
        for ref in refs:
            assert len({answer[ref].cipher.encrypt(bytes(12), b"same", None) for answer in answers}) == 1

    def test_asks_the_database_once_for_many(self, store: HubKeyStore, other: HubKeyStore) -> None:
        refs = [KeyRef("box", "jc", f"p_{number}") for number in range(2500)]
        assert len(store.sealing(refs + refs[:10])) == 2500
        found = other.opening([(ref, 1) for ref in refs] + [(refs[0], 2)])
        assert sum(isinstance(answer, Key) for answer in found.values()) == 2500
        assert found[refs[0], 2] == Erased(refs[0], 2)

    def test_asks_for_nothing_when_nothing_is_wanted(self, store: HubKeyStore) -> None:
        self.lose(self.database)
        assert dict(store.sealing([])) == {}
        assert dict(store.opening([])) == {}

    def test_a_fenced_version_seals_nothing_more(self, store: HubKeyStore) -> None:
        store.sealing([ANNA, BEN])
        store.fence(ANNA)
        assert store.opening([(ANNA, 1)])[ANNA, 1] == FencedKey(ANNA, 1)
        keys = store.sealing([ANNA, BEN])
        assert (keys[ANNA].version, keys[BEN].version) == (2, 1)

    def test_a_fence_is_seen_by_another_process_within_its_sealing_life(
        self, store: HubKeyStore, other: HubKeyStore, seconds: Seconds
    ) -> None:
        assert other.sealing([ANNA])[ANNA].version == 1
        store.fence(ANNA)
        seconds.now += 5.0
        assert other.sealing([ANNA])[ANNA].version == 2

    def test_a_destroyed_key_is_erased_and_certified(self, store: HubKeyStore) -> None:
        store.sealing([ANNA, BEN])
        certificate = store.destroy(ANNA)
        assert (certificate.ref, certificate.versions, certificate.at) == (ANNA, (1,), NOW)
        assert store.opening([(ANNA, 1)])[ANNA, 1] == Erased(ANNA, 1)
        assert isinstance(store.opening([(BEN, 1)])[BEN, 1], Key)

    def test_another_process_forgets_a_destroyed_key_within_the_cache_life(
        self, store: HubKeyStore, other: HubKeyStore, seconds: Seconds
    ) -> None:
        store.sealing([ANNA])
        assert isinstance(other.opening([(ANNA, 1)])[ANNA, 1], Key)
        store.destroy(ANNA)
        seconds.now += 300.0
        assert other.opening([(ANNA, 1)])[ANNA, 1] == Erased(ANNA, 1)

    def test_destroying_again_says_the_same(self, store: HubKeyStore) -> None:
        store.sealing([ANNA])
        first = store.destroy(ANNA)
        self.clock.set(NOW + timedelta(days=1))
        assert store.destroy(ANNA) == first

    def test_what_never_was_is_erased_and_can_be_destroyed(self, store: HubKeyStore) -> None:
        assert store.opening([(ANNA, 7)])[ANNA, 7] == Erased(ANNA, 7)
        assert store.destroy(ANNA).versions == ()

    def test_after_a_destruction_there_is_a_new_version(self, store: HubKeyStore) -> None:
        store.sealing([ANNA])
        store.destroy(ANNA)
        assert store.sealing([ANNA])[ANNA].version == 2
        assert store.destroy(ANNA).versions == (1, 2)

    def test_nothing_of_a_destroyed_key_stays_in_the_table(self, store: HubKeyStore) -> None:
        store.sealing([ANNA])
        store.destroy(ANNA)
        assert self.rows("SELECT wrapped, state FROM key") == [(None, "destroyed")]

    def test_the_ledger_outlives_a_restored_database(self, store: HubKeyStore, other: HubKeyStore) -> None:
        store.sealing([ANNA, BEN])
        ((kept,),) = self.rows("SELECT wrapped FROM key WHERE subject = 'p_anna'")
        store.destroy(ANNA)
        ledger = store.ledger()
        restore = "UPDATE key SET wrapped = :kept, state = 'active' WHERE subject = 'p_anna'"
        self.write(restore, kept=kept)
        assert isinstance(other.opening([(ANNA, 1)])[ANNA, 1], Key)
        assert other.replay(ledger) == 1
        assert other.opening([(ANNA, 1), (BEN, 1)])[ANNA, 1] == Erased(ANNA, 1)
        assert other.replay(ledger) == 0

    def test_a_replayed_key_is_not_numbered_anew_where_the_backup_never_had_it(
        self, store: HubKeyStore
    ) -> None:
        store.sealing([ANNA])
        store.destroy(ANNA)
        ledger = store.ledger()
        self.write("DELETE FROM key")
        store.replay(ledger)
        assert store.sealing([ANNA])[ANNA].version == 2

    @pytest.mark.parametrize("statement", ["DELETE FROM ledger", "UPDATE ledger SET version = 9"])
    def test_the_ledger_is_append_only(self, store: HubKeyStore, statement: str) -> None:
        store.sealing([ANNA])
        store.destroy(ANNA)
        with pytest.raises(DBAPIError, match="append-only"):
            self.write(statement)

    def test_a_connectors_store_has_its_own_keys_only(self, store: HubKeyStore) -> None:
        own = store.sealing([ANNA])[ANNA].cipher.encrypt(bytes(12), b"same", None)
        store.sealing([VIEW])
        connector = self.open_connector("jc")
        assert connector.sealing([ANNA])[ANNA].cipher.encrypt(bytes(12), b"same", None) == own
        for attempt in (
            lambda: connector.opening([(VIEW, 1)]),
            lambda: connector.sealing([VIEW]),
            lambda: connector.fence(VIEW),
            lambda: connector.destroy(VIEW),
        ):
            with pytest.raises(ConfigurationError, match="out of reach"):
                attempt()
        connector.close()

    def test_a_row_that_was_moved_opens_nothing(self, store: HubKeyStore, other: HubKeyStore) -> None:
        store.sealing([ANNA, BEN])
        self.write("UPDATE key SET wrapped = (SELECT wrapped FROM key WHERE subject = 'p_ben')")
        with pytest.raises(KeyServiceUnavailable, match="changed or moved"):
            other.opening([(ANNA, 1)])

    def test_without_its_database_it_serves_for_the_cache_life_and_then_fails_closed(
        self, store: HubKeyStore, seconds: Seconds
    ) -> None:
        store.sealing([ANNA])
        self.lose(self.database)
        seconds.now += 4.9
        assert store.sealing([ANNA])[ANNA].version == 1
        seconds.now += 0.2
        with pytest.raises(KeyServiceUnavailable):
            store.sealing([ANNA])
        seconds.now = 299.9
        assert isinstance(store.opening([(ANNA, 1)])[ANNA, 1], Key)
        seconds.now = 300.0
        with pytest.raises(KeyServiceUnavailable):
            store.opening([(ANNA, 1)])
        with pytest.raises(KeyServiceUnavailable):
            store.destroy(ANNA)

    def test_errors_and_reprs_name_nobody(self, store: HubKeyStore) -> None:
        keys = store.sealing([ANNA])
        self.lose(self.database)
        with pytest.raises(KeyServiceUnavailable) as caught:
            store.opening([(BEN, 1)])
        assert "p_ben" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
        assert "cipher" not in repr(keys)
        assert MASTER.hex() not in repr(vars(store))

    def test_a_key_that_was_fetched_while_it_was_destroyed_is_not_kept(
        self, store: HubKeyStore, other: HubKeyStore
    ) -> None:
        """The answer was under way when its key went: it serves the one who asked, and nobody after it."""
        store.sealing([ANNA])
        source = store._source  # type: ignore[attr-defined]

        def destroyed_meanwhile(wanted: Iterable[tuple[KeyRef, int]]) -> object:
            answer = type(source).versions(source, wanted)
            self.seconds_of(store).now += 1.0
            store.destroy(ANNA)
            return answer

        self.seconds_of(store).now += 400.0
        with patch.object(source, "versions", destroyed_meanwhile):
            assert isinstance(store.opening([(ANNA, 1)])[ANNA, 1], Key)
        assert store.opening([(ANNA, 1)])[ANNA, 1] == Erased(ANNA, 1)

    def test_a_key_whose_life_is_over_does_not_stay_in_memory(
        self, store: HubKeyStore, seconds: Seconds
    ) -> None:
        store.sealing([ANNA])
        seconds.now += 301.0
        store.sealing([BEN])
        assert {ref for ref, _ in store._cache._opening} == {BEN}  # type: ignore[attr-defined]

    def test_the_hubs_secret_stays_the_same(self, store: HubKeyStore, other: HubKeyStore) -> None:
        assert len(store.secret()) == 32
        assert store.secret() == other.secret() == hub_secret(MASTER)

    def test_how_far_store_and_keys_came_only_rises(self, store: HubKeyStore, other: HubKeyStore) -> None:
        assert store.standing() == RestoreNumbers(0, 0)
        store.sealing([ANNA, BEN])
        store.destroy(ANNA)
        assert store.standing(7) == RestoreNumbers(7, 1)
        assert other.standing(3) == RestoreNumbers(7, 1)

    def test_keys_that_were_put_back_stop_everything_until_the_ledger_is_replayed(
        self, store: HubKeyStore, seconds: Seconds
    ) -> None:
        store.sealing([ANNA, BEN])
        ((kept,),) = self.rows("SELECT wrapped FROM key WHERE subject = 'p_anna'")
        store.destroy(ANNA)
        ledger = store.ledger()
        self.write("UPDATE key SET wrapped = :kept, state = 'active' WHERE subject = 'p_anna'", kept=kept)
        self.write(NO_LEDGER[self.database.partition(":")[0].partition("+")[0]])
        self.write("DELETE FROM ledger")
        self.restart()
        after = self.open(seconds)
        for attempt in (
            lambda: after.opening([(ANNA, 1)]),
            lambda: after.sealing([BEN]),
            after.standing,
            after.secret,
        ):
            with pytest.raises(KeysAreOlder, match="hub restore"):
                attempt()
        assert after.replay(ledger) == 1
        assert after.opening([(ANNA, 1)])[ANNA, 1] == Erased(ANNA, 1)
        assert isinstance(after.opening([(BEN, 1)])[BEN, 1], Key)
        after.close()

    def test_a_destruction_that_a_crash_cut_short_is_finished_at_the_next_start(
        self, store: HubKeyStore, seconds: Seconds
    ) -> None:
        store.sealing([ANNA])
        killed = KeyServiceUnavailable("killed")
        with patch.object(destruction, "destroy", side_effect=killed), pytest.raises(KeyServiceUnavailable):
            store.destroy(ANNA)
        assert store.opening([(ANNA, 1)])[ANNA, 1] == FencedKey(ANNA, 1)
        self.restart()
        after = self.open(seconds)
        assert after.opening([(ANNA, 1)])[ANNA, 1] == Erased(ANNA, 1)
        assert after.standing().destroyed == 1
        after.close()

    def seconds_of(self, store: HubKeyStore) -> Seconds:
        found: Seconds = store._cache._monotonic  # type: ignore[attr-defined]
        return found

    def count(self) -> int:
        return len(self.rows("SELECT version FROM key"))

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        engine = connect(self.database)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(text(statement))]
        engine.dispose()
        return found

    def write(self, statement: str, **values: object) -> None:
        engine = connect(self.database)
        try:
            with engine.begin() as connection:
                connection.execute(text(statement), values)
        finally:
            engine.dispose()


class SqlKeyStoreContract(KeyStoreContract):
    """The key database in this very process, as the embedded hub has it: here key-encryption keys are in the hands of
    whoever opens it."""

    @pytest.fixture(autouse=True)
    def kept_apart(self, tmp_path: Path) -> None:
        self.journal = tmp_path / "apart" / "ledger"

    def open(self, seconds: Seconds) -> SqlKeyStore:
        return SqlKeyStore(
            self.database, MASTER, clock=self.clock, cache=KeyCache(seconds), journal=self.journal
        )

    def restart(self) -> None:
        self.journal.stat()  # what outlives the process is there

    def open_connector(self, controller: str) -> SqlKeyStore:
        return SqlKeyStore.for_controller(self.database, controller, controller_kek(MASTER, controller))

    def test_a_wrong_master_is_refused_at_the_start(self, store: SqlKeyStore) -> None:
        store.sealing([ANNA])
        with pytest.raises(ConfigurationError, match="HUB_KEK"):
            SqlKeyStore(self.database, new_master())

    def test_a_wrong_controllers_key_is_refused_at_the_start(self, store: SqlKeyStore) -> None:
        store.sealing([ANNA])
        with pytest.raises(ConfigurationError, match="jc"):
            SqlKeyStore.for_controller(self.database, "jc", controller_kek(MASTER, "ja"))

    def test_a_connector_that_began_with_a_wrong_key_stops_the_hub(self, store: SqlKeyStore) -> None:
        SqlKeyStore.for_controller(self.database, "ja", new_master()).close()
        with pytest.raises(ConfigurationError, match="ja"):
            store.sealing([VIEW])
        with pytest.raises(ConfigurationError, match="ja"):
            SqlKeyStore(self.database, MASTER)
