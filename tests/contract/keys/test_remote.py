"""Keys from the key service, over real mutual TLS on the loopback address."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hub.adapters.keys.cache import KeyCache
from hub.adapters.keys.certs import make_certificates
from hub.adapters.keys.remote import RemoteKeyStore
from hub.adapters.keys.tls import TlsFiles
from hub.errors import ConfigurationError, DataError, KeyServiceUnavailable
from hub.ports import HubKeyStore, KeyRef
from tests.contract.keys.contract import ANNA, MASTER, KeyStoreContract, Seconds
from tests.support.key_service import RunningService


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, TlsFiles]:
    return make_certificates(tmp_path_factory.mktemp("certs"), ["jc", "ja", "gone"])


class TestRemote(KeyStoreContract):
    @pytest.fixture
    def url(self, tmp_path: Path, certificates: Mapping[str, TlsFiles]) -> Iterator[str]:
        self.folder, self.certificates = tmp_path, certificates
        self.services: list[RunningService] = []
        yield f"sqlite:///{tmp_path / 'keys.db'}"
        for service in self.services:
            service.stop()

    def open(self, seconds: Seconds) -> RemoteKeyStore:
        return self.store_of("hub", KeyCache(seconds))

    def open_connector(self, controller: str) -> HubKeyStore:
        return self.store_of(f"connector-{controller}")

    def store_of(self, name: str, cache: KeyCache | None = None) -> RemoteKeyStore:
        if not self.services:
            journal = self.folder / "ledger"
            self.services.append(
                RunningService(
                    self.database, lambda: [MASTER], self.certificates, clock=self.clock, journal=journal
                )
            )
        return RemoteKeyStore(self.services[0].url, self.certificates[name], cache=cache)

    def lose(self, url: str) -> None:
        self.write("ALTER TABLE key RENAME TO lost")

    def restart(self) -> None:
        self.services[0].restart()

    def test_a_connector_gets_its_own_keys_and_nothing_of_the_hubs(self, store: HubKeyStore) -> None:
        store.sealing([ANNA])
        connector = self.open_connector("jc")
        assert connector.opening([(ANNA, 1)])
        for attempt in (
            lambda: connector.fence(ANNA),
            lambda: connector.destroy(ANNA),
            connector.ledger,
            connector.secret,
            connector.standing,
            lambda: connector.replay([]),
        ):
            with pytest.raises(ConfigurationError, match="out of reach"):
                attempt()
        connector.close()

    def test_a_name_that_the_services_database_refuses_is_no_outage(
        self, store: HubKeyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: object) -> KeyRef:
            raise DataError("refused", reason="refused_by_store", place="key database")

        with monkeypatch.context() as patched:
            patched.setattr("hub.adapters.keys.wire.ref_of", refuse)
            with pytest.raises(DataError) as caught:
                store.sealing([ANNA])
        assert caught.value.reason == "refused_by_store"
        assert store.sealing([ANNA])

    def test_an_agency_that_takes_part_no_longer_gets_nothing(self, store: HubKeyStore) -> None:
        gone = self.open_connector("gone")
        with pytest.raises(ConfigurationError, match="nobody who takes part"):
            gone.sealing([KeyRef("box", "gone", "p_anna")])
        gone.close()

    def test_the_services_own_certificate_is_nobodys(self, store: HubKeyStore) -> None:
        other = self.store_of("service")
        with pytest.raises(KeyServiceUnavailable):
            other.sealing([ANNA])
        other.close()

    def test_another_authoritys_certificate_is_refused_on_both_sides(
        self, store: HubKeyStore, tmp_path: Path
    ) -> None:
        theirs = make_certificates(tmp_path / "theirs", ["jc"])
        ours = self.certificates["hub"]
        with pytest.raises(KeyServiceUnavailable, match="not to be trusted"):
            RemoteKeyStore(self.services[0].url, theirs["hub"]).sealing([ANNA])
        stranger = TlsFiles(ours.ca, theirs["hub"].cert, theirs["hub"].key)
        with pytest.raises(KeyServiceUnavailable, match="does not accept"):
            RemoteKeyStore(self.services[0].url, stranger).sealing([ANNA])

    def test_a_service_that_was_started_again_is_asked_again(self, store: HubKeyStore) -> None:
        store.sealing([ANNA])
        self.restart()
        store.fence(ANNA)
        assert store.sealing([ANNA])[ANNA].version == 2

    def test_nobody_listens(self, store: HubKeyStore) -> None:
        self.services.pop().stop()
        with pytest.raises(KeyServiceUnavailable):
            store.sealing([ANNA])
