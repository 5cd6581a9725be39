"""Wrapping: a key leaves memory only sealed under its controller's key-encryption key, bound to whose key it is."""

import hashlib
import hmac
import os
from collections.abc import Callable
from functools import lru_cache

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.adapters.keys.kek import controller_kek
from hub.errors import ConfigurationError, KeyServiceUnavailable
from hub.ports import KeyRef

_NONCE = 12


class Wrapper:
    """Wraps and unwraps the keys of one controller; holds its key-encryption key out of sight."""

    def __init__(self, kek: bytes) -> None:
        self._cipher = AESGCM(kek)
        self.check = hmac.digest(kek, b"fallbruecke check value", hashlib.sha256)
        """Tells a wrong key-encryption key from the right one and says nothing about either."""

    def wrap(self, ref: KeyRef, version: int, key: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, key, _place(ref, version))

    def unwrap(self, ref: KeyRef, version: int, wrapped: bytes) -> bytes:
        """Raises KeyServiceUnavailable for a row that was moved or changed: fail closed."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _place(ref, version))
        except (InvalidTag, ValueError):
            raise KeyServiceUnavailable(
                "a stored key was changed or moved", place="key database", remedy="restore the key database"
            ) from None


Wrappers = Callable[[str], Wrapper]
"""The wrapper of a controller; raises ConfigurationError when this process may not hold that controller's keys."""


def derived(master: bytes) -> Wrappers:
    """The hub's: every controller's, and "" for the master key's own check value."""
    return lru_cache(maxsize=None)(
        lambda controller: Wrapper(controller_kek(master, controller) if controller else master)
    )


def only(controller: str, kek: bytes) -> Wrappers:
    """A connector's: its own controller's and nobody else's."""
    own = Wrapper(kek)

    def wrapper(wanted: str) -> Wrapper:
        if wanted != controller:
            raise ConfigurationError(
                "another controller's keys are out of reach here",
                place=wanted,
                remedy="check the agency's id",
            )
        return own

    return wrapper


def fingerprint(key: bytes) -> str:
    """Names a key in certificates after it is gone; of 256 random bits, so it cannot be guessed."""
    return hashlib.sha256(b"fallbruecke key fingerprint" + key).hexdigest()[:32]


def _place(ref: KeyRef, version: int) -> bytes:
    return orjson.dumps((*ref, version))
