"""Sealed for one office by its public key: X25519 with an ephemeral key, HKDF-SHA-256, AES-256-GCM.

No key service is asked, so a report goes out while that one is down. The private key is at the recipient only; the
sender itself cannot open what it sent. Layout: ephemeral public key (32 bytes) | ciphertext with tag. Key and nonce are
derived anew for every letter; the letter's header is the associated data, so a box cannot be moved or redated.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SIZE = 32
KEY_ID_SIZE = 8
_NONCE = 12


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What an office gives to everybody who writes to it."""

    raw: bytes

    @property
    def key_id(self) -> bytes:
        """Names the key in a letter's header, so that a recipient with an old and a new one knows which."""
        return hashlib.sha256(self.raw).digest()[:KEY_ID_SIZE]

    @property
    def text(self) -> str:
        return base64.b64encode(self.raw).decode()

    @property
    def usable(self) -> bool:
        """Whether anything can be sealed for it: some 32 bytes are no point that keeps a secret."""
        try:
            return bool(self.seal(b"", b""))
        except ValueError:
            return False

    def seal(self, plain: bytes, header: bytes) -> bytes:
        """The box; different bytes every time."""
        ephemeral = X25519PrivateKey.generate()
        sent = ephemeral.public_key().public_bytes_raw()
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(self.raw))
        cipher, nonce = _cipher(shared, sent, self.raw)
        return sent + cipher.encrypt(nonce, plain, header)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """The office's own key; it never leaves the office."""

    secret: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """As it stands in its file."""
        return base64.b64encode(self.secret).decode()

    @property
    def public(self) -> PublicKey:
        return PublicKey(X25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw())

    def open(self, box: bytes, header: bytes) -> bytes | None:
        """What the box says; None when it was changed, moved, or sealed for another key."""
        try:
            sent, sealed = box[:SIZE], box[SIZE:]
            private = X25519PrivateKey.from_private_bytes(self.secret)
            shared = private.exchange(X25519PublicKey.from_public_bytes(sent))
            cipher, nonce = _cipher(shared, sent, self.public.raw)
            return cipher.decrypt(nonce, sealed, header)
        except (InvalidTag, ValueError):
            return None

    def mac(self, *parts: bytes) -> bytes:
        """A keyed hash (128 bits) that nobody else can make: ids and digests that cannot be guessed from outside."""
        key = HKDF(SHA256(), SIZE, salt=None, info=b"fallbruecke danger mac").derive(self.secret)
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(key, framed, hashlib.sha256)[:16]


def new_private_key() -> PrivateKey:
    """A key that nobody has."""
    return PrivateKey(secrets.token_bytes(SIZE))


def decoded(text: str) -> bytes | None:
    """The 32 bytes of a key in base64; None when it is none."""
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == SIZE else None


def _cipher(shared: bytes, ephemeral: bytes, recipient: bytes) -> tuple[AESGCM, bytes]:
    """Used once: another ephemeral key gives another cipher and nonce."""
    made = HKDF(SHA256(), SIZE + _NONCE, salt=ephemeral + recipient, info=b"fallbruecke danger box").derive(
        shared
    )
    return AESGCM(made[:SIZE]), made[SIZE:]
