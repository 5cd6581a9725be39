"""Where keys come from, behind the cache: the key database itself, or the key service that has it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hub.ports import Certificate, Erased, FencedKey, KeyRef, RestoreNumbers

Wanted = tuple[KeyRef, int]


@dataclass(frozen=True, slots=True)
class Material:
    """A key that may be used; `reveal` gives its 32 bytes and is called only for a key that is not in memory."""

    ref: KeyRef
    version: int
    reveal: Callable[[], bytes] = field(repr=False)


Answer = Material | Erased | FencedKey


class KeySource(Protocol):
    """The questions of `hub.ports.HubKeyStore`, answered with key bytes and from no cache."""

    def newest(self, refs: Iterable[KeyRef]) -> Mapping[KeyRef, Material]:
        """The newest usable key of each, provisioned once."""
        ...

    def versions(self, wanted: Iterable[Wanted]) -> Mapping[Wanted, Answer]: ...
    def fence(self, ref: KeyRef) -> None: ...
    def destroy(self, ref: KeyRef) -> Certificate:
        """Fence → destroy."""
        ...

    def ledger(self) -> Sequence[Certificate]: ...
    def replay(self, ledger: Sequence[Certificate]) -> int: ...
    def standing(self, reached: int = 0) -> RestoreNumbers: ...
    def secret(self) -> bytes: ...
    def close(self) -> None: ...
