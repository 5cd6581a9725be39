"""Values of the agency's database that must lie on its disk for a while: sealed under the agency's own key."""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.domain.identifiers import AgencyKey

NONCE = 12


class Sealed:
    """Values of one purpose; what was sealed for another opens nothing."""

    def __init__(self, key: AgencyKey, purpose: str) -> None:
        halves = (key.row_hash(f"{purpose}/{n}".encode()) for n in (1, 2))
        self._cipher = AESGCM(b"".join(halves))

    def closed(self, values: Sequence[object], place: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE)
        return nonce + self._cipher.encrypt(nonce, json.dumps([_written(v) for v in values]).encode(), place)

    def opened(self, box: bytes, place: bytes) -> list[Any]:
        """Raises InvalidTag when it was sealed under another key or for another place."""
        return [_read(value) for value in json.loads(self._cipher.decrypt(box[:NONCE], box[NONCE:], place))]


class Bookmark:
    """Where reading by key goes on: the last key, which is often a person's number, as sealed text."""

    def __init__(self, key: AgencyKey) -> None:
        self._sealed = Sealed(key, "bookmark")

    def closed(self, stream: str, last: Sequence[object]) -> str:
        return b64encode(self._sealed.closed(last, stream.encode())).decode()

    def opened(self, stream: str, text: str | None) -> list[Any] | None:
        """The last key; None for a beginning, and for what another key has sealed."""
        try:
            return None if text is None else self._sealed.opened(b64decode(text), stream.encode())
        except InvalidTag:
            return None


def _written(value: object) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return {"t": value.isoformat()}
        case date():
            return {"d": value.isoformat()}
        case Decimal():
            return {"n": str(value)}
        case bytes():
            return {"b": value.hex()}
    return str(value)


def _read(value: Any) -> object:
    if not isinstance(value, Mapping):
        return value
    ((kind, text),) = value.items()
    reads: Mapping[str, Any] = {
        "t": datetime.fromisoformat,
        "d": date.fromisoformat,
        "n": Decimal,
        "b": bytes.fromhex,
    }
    return reads[kind](text)
