"""Boxes: AES-256-GCM bound to their place, so that a box cannot be moved (architecture, Contracts: Box).

Layout: key version (4 bytes, big-endian) | nonce (12) | ciphertext with tag. Associated data: schema fingerprint |
kind | event id | subject | category | key version.
"""

import secrets
from collections.abc import Callable
from typing import Literal, Protocol

VERSION_SIZE, NONCE_SIZE, TAG_SIZE = 4, 12, 16
SMALLEST = VERSION_SIZE + NONCE_SIZE + TAG_SIZE
Kind = Literal["event", "view", "register"]


class Cipher(Protocol):
    """What sealing asks of `cryptography`'s AESGCM."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


def place(kind: Kind, schema: bytes, event_id: bytes, subject: str, category: str, version: int) -> bytes:
    """The associated data: where this box belongs."""
    return b"|".join((schema, kind.encode(), event_id, subject.encode(), category.encode(), b"%d" % version))


def key_version(box: bytes) -> int:
    """The key version in a box's header; -1 when the bytes are too few to be a box."""
    return int.from_bytes(box[:VERSION_SIZE], "big") if len(box) >= SMALLEST else -1


def seal(
    cipher: Cipher,
    version: int,
    plain: bytes,
    associated: bytes,
    nonce: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """Seal `plain` at its place; the nonce is random and never reused."""
    fresh = nonce(NONCE_SIZE)
    return version.to_bytes(VERSION_SIZE, "big") + fresh + cipher.encrypt(fresh, plain, associated)


def open_box(cipher: Cipher, box: bytes, associated: bytes) -> bytes:
    """The content of a box; raises `cryptography.exceptions.InvalidTag` when it was moved, changed or never sealed."""
    nonce = box[VERSION_SIZE : VERSION_SIZE + NONCE_SIZE]
    return cipher.decrypt(nonce, box[VERSION_SIZE + NONCE_SIZE :], associated)
