"""Names that say nothing: every identifier that leaves an agency is a keyed hash (protocol rule 1).

A Kundennummer has few enough values to be guessed from a plain hash, so records, events, persons and cases are
named by HMAC-SHA-256 under a key that only the agency holds, cut to 128 bits.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

SIZE = 16  # bytes; 128 bits


def _mac(key: bytes, *parts: bytes) -> bytes:
    """HMAC over length-prefixed parts, so that no two lists of parts collide."""
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.digest(key, framed, hashlib.sha256)[:SIZE]


def _text(prefix: str, digest: bytes) -> str:
    return prefix + base64.b32encode(digest).decode().rstrip("=").lower()


@dataclass(frozen=True, slots=True)
class AgencyKey:
    """The agency's own secret: whoever lacks it can neither make nor reverse its pseudonyms."""

    secret: bytes = field(repr=False)

    def record_ref(
        self, stream: str, source_key: str, event_type: str, subject: str, ordinal: int = 0
    ) -> bytes:
        """The record, the same in every version of it."""
        parts = ("record", stream, source_key, event_type, subject, str(ordinal))
        return _mac(self.secret, *(part.encode() for part in parts))

    def event_id(self, record_ref: bytes, source_version: int) -> bytes:
        """One version of a record; `source_version` is the row's own version, timestamp or as-of date."""
        return _mac(self.secret, b"event", record_ref, str(source_version).encode())

    def person(self, local_id: str) -> str:
        """The agency's pseudonym of a person."""
        return _text("p_", _mac(self.secret, b"person", local_id.encode()))

    def case(self, local_id: str) -> str:
        """The agency's pseudonym of a family's case; one per (agency, family), for ever the same (rule 3)."""
        return _text("f_", _mac(self.secret, b"case", local_id.encode()))

    def worker(self, local_id: str) -> str:
        """Worker ids are named in consents, so they stay as they are: staff, not clients."""
        return local_id

    def row_hash(self, content: bytes) -> bytes:
        """Whether a source row changed, without keeping the row."""
        return _mac(self.secret, b"row", content)


def recipient_pseudonym(secret: bytes, recipient: str, person: str) -> str:
    """How a recipient names a person whom it does not know itself; two recipients share no name (R27)."""
    return _text("p_", _mac(secret, b"recipient", recipient.encode(), person.encode()))


def pairing_digest(secret: bytes, code: str) -> bytes:
    """What the hub keeps of a pairing code (hyphens, blanks and case do not count)."""
    plain = "".join(code.split()).replace("-", "").upper()
    return _mac(secret, b"pairing", plain.encode())


def proof_hash(content: bytes) -> str:
    """The hash under which a signed form is kept as proof."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
