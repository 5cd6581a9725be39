"""A connector whose key service is away freezes: nothing leaves, its bookmark stays, afterwards nothing is missing."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hub.adapters.keys.cache import KeyCache
from hub.adapters.keys.certs import make_certificates
from hub.adapters.keys.remote import RemoteKeyStore
from hub.adapters.keys.tls import TlsFiles
from hub.errors import ConfigurationError, KeyServiceUnavailable
from hub.ports import KeyRef
from tests.support.key_service import RunningService

AGENCY, OTHER = "jc-seestadt", "ja-seestadt"
MASTER = bytes(range(32))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, TlsFiles]:
    return make_certificates(tmp_path_factory.mktemp("certs"), [AGENCY, OTHER])


@pytest.fixture
def service(tmp_path: Path, certificates: Mapping[str, TlsFiles]) -> Iterator[RunningService]:
    url = f"sqlite:///{tmp_path / 'service.sqlite'}"
    service = RunningService(url, lambda: [MASTER], certificates, controllers=(AGENCY, OTHER))
    yield service
    service.stop()


def test_it_freezes_and_goes_on(
    make_offices: Callable[..., Any], service: RunningService, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, offices = make_offices("undisturbed"), make_offices("frozen")
    store = RemoteKeyStore(
        service.url, service.certificates[f"connector-{AGENCY}"], cache=KeyCache(life=0, sealing_life=0)
    )
    monkeypatch.setattr(offices, "keys", lambda agency: store)
    sources = [both.source(AGENCY) for both in (undisturbed, offices)]
    for both, source in zip((undisturbed, offices), sources, strict=True):
        both.write_day(0)
        both.step(source, tools.evening(0))
        both.write_day(1)
    while undisturbed.step(sources[0], tools.evening(1)).read:
        pass
    before = offices.envelopes(AGENCY)
    service.stop()
    for _ in range(2):
        with pytest.raises(KeyServiceUnavailable):
            offices.step(sources[1], tools.evening(1))
    assert offices.envelopes(AGENCY) == before
    service.start()
    while offices.step(sources[1], tools.evening(1)).read:
        pass
    told = {(one["record_ref"], one["source_version"]) for one in offices.envelopes(AGENCY)}
    assert told == {(one["record_ref"], one["source_version"]) for one in undisturbed.envelopes(AGENCY)}
    with pytest.raises(ConfigurationError, match="out of reach"):
        store.opening([(KeyRef("box", OTHER, "anybody"), 1)])
    store.close()
