"""Names that say nothing: every identifier that leaves an agency is a keyed hash (protocol rule 1).

A Kundennummer has few enough values to be guessed from a plain hash, so records, events, persons and cases are
named by HMAC-SHA-256 under a key that only the agency holds, cut to 128 bits.

A key may be followed by another. Whoever was named keeps the name, so the agency holds a ring of keys and a table of
names: the key under which somebody stands in the table names them for ever, the newest key names everybody else.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

SIZE = 16  # bytes; 128 bits
SHOWN = 14  # signs of a key's fingerprint


def _framed(*parts: bytes) -> bytes:
    """Length-prefixed, so that no two lists of parts collide."""
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])


def _mac(key: bytes, *parts: bytes) -> bytes:
    """HMAC over framed parts."""
    return hmac.digest(key, _framed(*parts), hashlib.sha256)[:SIZE]


_ROW = _framed(b"row")


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

    def consent(self, local_id: str) -> str:
        """The agency's pseudonym of a consent: the number on its paper is its own."""
        return _text("c_", _mac(self.secret, b"consent", local_id.encode()))

    def worker(self, local_id: str) -> str:
        """Worker ids are named in consents, so they stay as they are: staff, not clients."""
        return local_id

    def row_hash(self, content: bytes) -> bytes:
        """Whether a source row changed, without keeping the row."""
        framed = _ROW + len(content).to_bytes(4, "big") + content  # twice for every row of a snapshot
        return hmac.digest(self.secret, framed, hashlib.sha256)[:SIZE]

    def person_key(self, local_id: str) -> "AgencyKey":
        """The key that names this person: one key names everybody."""
        return self

    def case_key(self, local_id: str) -> "AgencyKey":
        """The key that names this case."""
        return self

    def persons(self, local_id: str) -> tuple[str, ...]:
        """Every name that the number can ever have had."""
        return (self.person(local_id),)

    @property
    def fingerprint(self) -> str:
        """By which people and files tell keys apart; it tells nothing of the secret."""
        return _text("k_", _mac(self.secret, b"fingerprint"))[:SHOWN]


AgencyKeys = tuple[AgencyKey, ...]
"""All keys that an agency ever had, the newest first."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Several keys of one agency. `stands` says whether a pseudonym is in the agency's own table of names.

    A record's ref and event ids are made under the key that names its subject, so they never change either. What
    serves the agency's own state only (`row_hash`) stays under the first key: nothing is read or published anew
    after a rotation.
    """

    keys: AgencyKeys = field(repr=False)
    stands: Callable[[str], bool] = field(repr=False)

    def person_key(self, local_id: str) -> AgencyKey:
        """The oldest key under which this person stands in the table; the newest for whoever is new."""
        return next((key for key in self._older if self.stands(key.person(local_id))), self.keys[0])

    def case_key(self, local_id: str) -> AgencyKey:
        """The same of a case, by a row of its own."""
        return next((key for key in self._older if self.stands(key.case(local_id))), self.keys[0])

    def person(self, local_id: str) -> str:
        return self.person_key(local_id).person(local_id)

    def case(self, local_id: str) -> str:
        return self.case_key(local_id).case(local_id)

    def persons(self, local_id: str) -> tuple[str, ...]:
        """Every name that the number can ever have had."""
        return tuple(key.person(local_id) for key in self.keys)

    def row_hash(self, content: bytes) -> bytes:
        return self.keys[-1].row_hash(content)

    @property
    def _older(self) -> AgencyKeys:
        return self.keys[:0:-1]


Naming = AgencyKey | KeyRing
"""Whoever names persons and cases: one key, or a ring with its table."""


def recipient_pseudonym(secret: bytes, recipient: str, person: str) -> str:
    """How a recipient names a person whom it does not know itself; two recipients share no name (R27)."""
    return _text("p_", _mac(secret, b"recipient", recipient.encode(), person.encode()))


def pairing_digest(secret: bytes, code: str) -> bytes:
    """What the hub keeps of a pairing code (hyphens, blanks and case do not count)."""
    plain = "".join(code.split()).replace("-", "").upper()
    return _mac(secret, b"pairing", plain.encode())


def link_digest(secret: bytes, one: str, other: str) -> bytes:
    """What the hub keeps of an agency's word that two pseudonyms mean one person, whichever of both said it."""
    first, second = sorted((one.encode(), other.encode()))
    return _mac(secret, b"link", first, second)


def proof_hash(content: bytes) -> str:
    """The hash under which a signed form is kept as proof."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
