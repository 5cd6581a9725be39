"""A moment in a record's header that only the hub can have written: bound to the record's value under the hub's secret.

A header stands in clear and whoever may append to a topic may write any. Layout: microseconds since 1970 UTC in decimal
digits, a dot, an HMAC of name, moment and value in hex.
"""

import hashlib
import hmac

_MAC = 16  # bytes


def stamp(secret: bytes, name: str, at: int, value: bytes) -> bytes:
    """The content of the header `name` for this moment and record."""
    digits = b"%d" % at
    return digits + b"." + _mac(secret, name, digits, value)


def stamped(secret: bytes, name: str, said: bytes, value: bytes) -> int | None:
    """The moment that the hub wrote into this header; None if it did not."""
    digits, _, mac = said.partition(b".")
    return int(digits) if digits and hmac.compare_digest(mac, _mac(secret, name, digits, value)) else None


def _mac(secret: bytes, name: str, digits: bytes, value: bytes) -> bytes:
    said = b"|".join((name.encode(), digits, hashlib.sha256(value).digest()))
    return hmac.digest(secret, said, "sha256")[:_MAC].hex().encode()
