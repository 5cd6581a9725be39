"""Keys that encrypt keys: one master for the hub, one derived key per controller.

A connector is given its controller's key only, so it can neither make nor open another agency's keys; the hub, which
needs all of them, holds the master. They come from the environment or a file, never from the database they protect.
"""

import base64
import binascii
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hub.errors import ConfigurationError

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
