"""A key store: a source of keys, and a memory of bounded size and life before it."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.adapters.keys.cache import KeyCache
from hub.adapters.keys.source import KeySource, Material, Wanted
from hub.ports import Certificate, Erased, Fenced, Key, KeyRef, Standing


class CachedKeys:
    """A `HubKeyStore` over `source`. Each call asks the source at most once for what the cache lacks.

    A key's life in the cache begins before the source is asked, so an answer that was long under way lives no longer.
    """

    def __init__(self, source: KeySource, cache: KeyCache | None = None) -> None:
        self._source = source
        self._cache = cache or KeyCache()

    def sealing(
        self, refs: Iterable[KeyRef], at_least: Mapping[KeyRef, int] = MappingProxyType({})
    ) -> Mapping[KeyRef, Key]:
        found, missing = self._cache.sealing(refs)
        missing += [ref for ref, key in found.items() if key.version < at_least.get(ref, 0)]
        if missing:
            asked_at = self._cache.now()
            keys = [self._key(one) for one in self._source.newest(missing).values()]
            self._cache.confirmed(keys, asked_at, may_seal=True)
            found |= {key.ref: key for key in keys}
        return found

    def opening(self, wanted: Iterable[Wanted]) -> Mapping[Wanted, Key | Erased | Fenced]:
        known, missing = self._cache.opening(wanted)
        found: dict[Wanted, Key | Erased | Fenced] = dict(known)
        if missing:
            asked_at = self._cache.now()
            answers = self._source.versions(missing)
            keys = [self._key(answer) for answer in answers.values() if isinstance(answer, Material)]
            self._cache.confirmed(keys, asked_at, may_seal=False)
            found |= {one: answer for one, answer in answers.items() if not isinstance(answer, Material)}
            found |= {(key.ref, key.version): key for key in keys}
        return found

    def fence(self, ref: KeyRef) -> None:
        self._source.fence(ref)
        self._cache.evict([ref])

    def destroy(self, ref: KeyRef) -> Certificate:
        try:
            return self._source.destroy(ref)
        finally:
            self._cache.evict([ref])

    def ledger(self) -> Sequence[Certificate]:
        return self._source.ledger()

    def replay(self, ledger: Iterable[Certificate]) -> int:
        proofs = list(ledger)
        count = self._source.replay(proofs)
        self._cache.evict([proof.ref for proof in proofs])
        return count

    def standing(self, reached: int = 0) -> Standing:
        return self._source.standing(reached)

    def secret(self) -> bytes:
        return self._source.secret()

    def close(self) -> None:
        self._source.close()

    def _key(self, material: Material) -> Key:
        ref, version = material.ref, material.version
        return self._cache.peek((ref, version)) or Key(ref, version, AESGCM(material.reveal()))
