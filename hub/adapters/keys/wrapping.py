"""Wrapping: a key leaves memory only sealed under its controller's key-encryption key, bound to whose key it is.

Key-encryption keys come from the environment or a file, never from the database that they protect. A connector is given
its controller's alone, so it can neither make nor open another agency's keys; the hub holds the master of all. While
one is changed there are two: the key database names the one that wraps, each stored key the one it is wrapped under.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hub.errors import ConfigurationError, KeyServiceUnavailable
from hub.ports import KeyRef

SIZE = 32  # bytes; AES-256
_REMEDY = "set HUB_KEK or HUB_KEK_FILE to 32 bytes in base64; `hub keys init FILE` writes new ones"


def new_master() -> bytes:
    """A fresh key; whoever loses it has lost every box."""
    return os.urandom(SIZE)


def controller_kek(master: bytes, controller: str) -> bytes:
    """The key under which one controller's keys are wrapped (HKDF-SHA-256)."""
    return HKDF(SHA256(), SIZE, salt=None, info=b"fallbruecke controller " + controller.encode()).derive(
        master
    )


def hub_secret(master: bytes) -> bytes:
    """What the hub's own hashes are keyed with, as its first master key gave it: kept as a key of its own from then on,
    so that it survives every change of the master key."""
    return HKDF(SHA256(), SIZE, salt=None, info=b"fallbruecke hub secret").derive(master)


def as_text(key: bytes) -> str:
    """How a key is written into HUB_KEK or its file."""
    return base64.b64encode(key).decode()


def master_key(kek: str = "", kek_file: Path | str = "") -> bytes:
    """The key from the settings HUB_KEK or HUB_KEK_FILE; on an agency's host, that controller's key.

    Raises ConfigurationError when neither or both are set, or when what they name is not 32 bytes in base64.
    """
    if bool(kek) == bool(kek_file):
        found = "both key-encryption keys are set" if kek else "no key-encryption key is set"
        raise ConfigurationError(found, place="HUB_KEK", remedy=_REMEDY)
    return _decode(kek, "HUB_KEK") if kek else _decode(_content(kek_file), "HUB_KEK_FILE")


def master_keys(
    kek: str = "", kek_file: Path | str = "", kek_next_file: Path | str = ""
) -> Callable[[], Sequence[bytes]]:
    """Reads `master_key`, and behind it the one that is to follow, as soon as its file exists: `kek_next_file`, or the
    name of `kek_file` with `.next` after it."""
    following = next_file(kek_file, kek_next_file)

    def read() -> Sequence[bytes]:
        first = master_key(kek, kek_file)
        if following is None or not following.exists():
            return [first]
        return [first, _decode(_content(following), "HUB_KEK_NEXT_FILE")]

    return read


def next_file(kek_file: Path | str = "", kek_next_file: Path | str = "") -> Path | None:
    """Where the next key-encryption key is looked for."""
    if kek_next_file:
        return Path(kek_next_file)
    return Path(f"{kek_file}.next") if kek_file else None


def _content(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, ValueError):
        raise ConfigurationError("the file cannot be read", place="HUB_KEK_FILE", remedy=_REMEDY) from None


def _decode(text: str, place: str) -> bytes:
    try:
        key = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != SIZE:
        raise ConfigurationError("this is no key of 32 bytes in base64", place=place, remedy=_REMEDY)
    return key


_NONCE = 12
Keks = Callable[[], Sequence[bytes]]
"""Reads the key-encryption keys of this process: the one it began with first, then the one that follows it, if any."""


class Wrapper:
    """Wraps and unwraps the keys of one controller; holds its key-encryption key out of sight."""

    def __init__(self, kek: bytes) -> None:
        self._cipher = AESGCM(kek)
        self.name = hmac.digest(kek, b"fallbruecke check value", hashlib.sha256).hex()[:32]
        """Tells one key-encryption key from another and says nothing about either."""

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


class Wrappers:
    """The wrappers of this process by controller ("" is the master key's own); with `controller`, of that one only.

    One that is asked for by a name nobody knows yet makes it read its key-encryption keys again: that is how a running
    process learns of the next one. Those that it has read stay until it ends.
    """

    def __init__(self, read: Keks, controller: str = "") -> None:
        self._read, self._only = read, controller
        self._keks = list(read())
        self._made: dict[str, dict[str, Wrapper]] = {}

    def beginning(self, controller: str, master: str | None) -> Wrapper:
        """The one that wraps a controller's first key: derived from the master key of that name, where one wraps."""
        if self._only or not controller or master is None:
            return next(iter(self._of(controller).values()))
        self.require("", master)
        return list(self._of(controller).values())[list(self._of("")).index(master)]

    def first_master(self) -> bytes:
        """The key-encryption key that this process was given first."""
        return self._keks[0]

    def named(self, controller: str, name: str) -> Wrapper | None:
        """The one of this name, if this process may hold it."""
        if name not in self._of(controller):
            self._read_again()
        return self._of(controller).get(name)

    def require(self, controller: str, name: str) -> Wrapper:
        """The same; raises KeyServiceUnavailable when it is not here."""
        found = self.named(controller, name)
        if found is None:
            raise KeyServiceUnavailable(
                "keys are wrapped under a key-encryption key that is not here",
                place=f"HUB_KEK ({controller or 'master'})",
                remedy="give this process the key they were rewrapped under",
            )
        return found

    def following(self, controller: str) -> Wrapper | None:
        """The one that comes after the first, if it is there already."""
        self._read_again()
        return next(iter(list(self._of(controller).values())[1:]), None)

    def _of(self, controller: str) -> dict[str, Wrapper]:
        if self._only and controller != self._only:
            raise ConfigurationError(
                "another controller's keys are out of reach here",
                place=controller,
                remedy="check the agency's id",
            )
        if controller not in self._made:
            self._made[controller] = {one.name: one for one in map(self._wrapper(controller), self._keks)}
        return self._made[controller]

    def _wrapper(self, controller: str) -> Callable[[bytes], Wrapper]:
        own = bool(self._only) or not controller
        return lambda kek: Wrapper(kek if own else controller_kek(kek, controller))

    def _read_again(self) -> None:
        with suppress(ConfigurationError):  # a file that is being exchanged is there the next time
            new = [kek for kek in self._read() if kek not in self._keks]
            if new:
                self._keks += new
                self._made = {}


def fingerprint(key: bytes) -> str:
    """Names a key in certificates after it is gone; of 256 random bits, so it cannot be guessed."""
    return hashlib.sha256(b"fallbruecke key fingerprint" + key).hexdigest()[:32]


def _place(ref: KeyRef, version: int) -> bytes:
    return orjson.dumps((*ref, version))
