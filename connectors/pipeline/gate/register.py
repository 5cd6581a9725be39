"""What the hub tells an agency's gate: consents signed elsewhere with the hub's verdict, key versions, a heartbeat.

Read from the start of the compacted topic at every start of the connector, and followed from there (protocol rule 9).
It is state and no cache: without an entry the gate would not know of a consent, or not of its end. So all entries of an
agency are kept, each small (`docs/reference/connector-toml.md` says how small): equal lists of codes are kept once.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag

from hub.domain.clock import moment
from hub.domain.consent import Consent, ScopedWithdrawal
from hub.domain.seal import key_version, open_box, place
from hub.ports import EventLog, Key, KeyRef, KeyStore, Record
from schemas import InvalidPayload, UnknownSchema, decode_single, record_schema, topics

AHEAD = 5.0
"""How far the hub's clock may run ahead of the agency's, in seconds."""
ORDER = "order"
"""The header of a record that may be overtaken: the higher the number, the newer the word."""
JOINT = "joint"
"""The kind of an entry that tells of a family only that another agency knows it too, by a joint form."""


class Registered(NamedTuple):
    """A consent whose sender is this agency, and whether the hub found it signed by those who can."""

    consent: Consent
    signed: bool


class Register:
    """This agency's register, as far as it was read; without a log and keys it stays empty (a preview asks nobody)."""

    def __init__(self, agency: str, log: EventLog | None = None, keys: KeyStore | None = None) -> None:
        self._agency, self._log, self._keys = agency, log, keys
        self._topic = topics()["register"].of(agency)
        self._positions: dict[int, int] = {}
        self._orders: dict[bytes, int] = {}
        self._subject_of: dict[str, str] = {}
        self._consents_of: dict[str, set[str]] = defaultdict(set)
        self.consents: dict[str, Registered] = {}
        self.key_versions: dict[str, int] = {}
        self.erased: dict[str, datetime] = {}  # subject → until when its records have ended
        self.joint: set[str] = set()  # cases that another agency knows too, by a joint form
        self.as_of: datetime | None = None

    def refresh(self, touched: set[str]) -> None:
        """Read to the end as it is now; adds the subjects concerned as it goes. Raises ServiceUnavailable."""
        log = self._log
        state = log.state([self._topic]).get(self._topic) if log else None
        if log is None or state is None:
            return
        for partition, first in state.first.items():
            self._positions.setdefault(partition, first)
        while any(self._positions[p] < end for p, end in state.end.items()):
            records = log.read(self._topic, self._positions, 2000)
            if not records:
                break
            touched |= self._apply(records)
            for record in records:
                self._positions[record.partition] = record.offset + 1

    def fresh(self, now: datetime, limit_seconds: float) -> bool:
        """Whether the newest word of the hub is young enough to open the gate; one from the future is none."""
        return self.as_of is not None and -AHEAD <= (now - self.as_of).total_seconds() <= limit_seconds

    def about(self, subject_ref: str) -> list[Registered]:
        """The registered consents of this subject."""
        return [self.consents[consent_id] for consent_id in sorted(self._consents_of.get(subject_ref, ()))]

    def _apply(self, records: Sequence[Record]) -> set[str]:
        entries = [(record, _decoded(record)) for record in records]
        boxes = [e for _, e in entries if e and e["kind"] == "consent" and e["box"] and e["subject_ref"]]
        wanted = {(self._key(e), key_version(e["box"])) for e in boxes}
        opened = self._keys.opening(wanted) if wanted and self._keys else {}
        touched: set[str] = set()
        for record, entry in entries:
            if self._overtaken(record):
                continue
            if entry is None:
                touched |= self._forget(record.key.decode("utf-8", "replace"))
            elif entry["kind"] == "consent":
                touched |= self._consent(entry, opened)
            elif entry["kind"] == JOINT and entry["subject_ref"]:
                self.joint.add(entry["subject_ref"])
                touched.add(entry["subject_ref"])
            elif entry["kind"] == "key" and entry["subject_ref"]:
                newest = self.key_versions.get(entry["subject_ref"], 0)
                self.key_versions[entry["subject_ref"]] = max(newest, entry["key_version"] or 0)
                touched.add(entry["subject_ref"])
            elif entry["kind"] == "erased" and entry["subject_ref"]:
                at = moment(entry["at"])
                self.erased[entry["subject_ref"]] = max(at, self.erased.get(entry["subject_ref"], at))
                touched.add(entry["subject_ref"])
            elif entry["kind"] == "heartbeat":
                self.as_of = moment(entry["at"])  # the last one: a clock that ran ahead was put right
        return touched

    def _overtaken(self, record: Record) -> bool:
        """Whether a newer word on the same was read before. A record without number is of a hub that gives none."""
        number = dict(record.headers).get(ORDER, b"")
        if not number.isdigit():
            return False
        newest = max(int(number), self._orders.get(record.key, 0))
        self._orders[record.key] = newest
        return int(number) < newest

    def _key(self, entry: Mapping[str, Any]) -> KeyRef:
        return KeyRef("proof", self._agency, entry["subject_ref"])

    def _consent(self, entry: Mapping[str, Any], opened: Mapping[Any, Any]) -> set[str]:
        consent_id, subject = entry["consent_id"] or "", entry["subject_ref"] or ""
        touched = self._forget(consent_id) | {subject}
        key = opened.get((self._key(entry), key_version(entry["box"] or b"")))
        plain = _opened(key, entry) if isinstance(key, Key) else None
        found = _registered(plain, consent_id, subject) if plain else None
        if found:
            self.consents[consent_id], self._subject_of[consent_id] = found, subject
            self._consents_of[subject].add(consent_id)
        return touched

    def _forget(self, consent_id: str) -> set[str]:
        """A tombstone, or a box that cannot be opened: it grants nothing (rule 7)."""
        if consent_id.startswith(f"{JOINT} "):
            self.joint.discard(gone := consent_id.removeprefix(f"{JOINT} "))
            return {gone}
        self.consents.pop(consent_id, None)
        subject = self._subject_of.pop(consent_id, None)
        if subject is None:
            return set()
        self._consents_of[subject].discard(consent_id)
        return {subject}


def _decoded(record: Record) -> Mapping[str, Any] | None:
    try:
        schema, entry = decode_single(record.value)
    except (UnknownSchema, InvalidPayload):
        return None
    return entry if schema.fingerprint == record_schema("register").fingerprint else None


def _opened(key: Key, entry: Mapping[str, Any]) -> bytes | None:
    fingerprint = record_schema("register").fingerprint
    name, subject = entry["consent_id"].encode(), entry["subject_ref"]
    try:
        return open_box(
            key.cipher, entry["box"], place("register", fingerprint, name, subject, "CT", key.version)
        )
    except InvalidTag:
        return None


def _registered(plain: bytes, consent_id: str, subject: str) -> Registered | None:
    """The consent and the verdict; None when it cannot be read, which grants nothing."""
    try:
        raw = orjson.loads(plain)
        return Registered(_consent_of(raw, consent_id, subject), raw["signed"] is True)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def _consent_of(raw: Mapping[str, Any], consent_id: str, subject: str) -> Consent:
    return Consent(
        id=consent_id,
        subject=subject,
        granted_by=_confider(raw),
        sender=intern(raw["sender"]),
        recipients=_codes(raw["recipients"]),
        recipient_workers=_codes(raw["recipient_workers"]),
        purposes=_codes(raw["purposes"]),
        categories=_codes(raw["categories"]),
        form=intern(raw["form"]),
        explicit_special=raw["explicit_special"] is True,
        notices=_codes(raw["notices"]),
        text_version=intern(raw["text_version"]),
        proof_hash=raw["proof_hash"],
        granted_at=datetime.fromisoformat(raw["granted_at"]),
        valid_until=_time(raw["valid_until"]),
        withdrawn_at=_time(raw["withdrawn_at"]),
        scoped_withdrawals=tuple(_part(part) for part in raw.get("scoped_withdrawals", ())),
        number=str(raw.get("id", consent_id)),
        recorded_by=intern(str(raw.get("recorded_by", ""))),
    )


def _confider(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Who signed is not said, but for entrusted data: the agency knows who confided them."""
    return (raw["confider"],) if raw.get("confider") else ()


def _part(raw: Mapping[str, Any]) -> ScopedWithdrawal:
    return ScopedWithdrawal(
        at=datetime.fromisoformat(raw["at"]),
        purposes=_codes(raw["purposes"]),
        categories=_codes(raw["categories"]),
        recipients=_codes(raw["recipients"]),
    )


def _codes(raw: Sequence[str]) -> frozenset[str]:
    return _one(tuple(sorted(raw)))


@lru_cache(maxsize=4096)
def _one(codes: tuple[str, ...]) -> frozenset[str]:
    """The same object for equal lists: an agency's consents name few of them."""
    return frozenset(codes)


def _time(raw: str | None) -> datetime | None:
    return None if raw is None else datetime.fromisoformat(raw)
