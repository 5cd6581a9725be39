"""From bytes to a checked envelope: everything that is wrong is a DataError with a reason code and a place.

`HeaderCache` keeps the headers of envelopes that this process admitted, so that it need not decode them again when it
projects them. The very bytes are the key: equal bytes have equal headers, and a miss decodes.
"""

import zlib
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from operator import attrgetter, itemgetter
from threading import Lock
from typing import Any, NamedTuple

from cachetools import FIFOCache

from hub.domain.clock import micros
from hub.domain.consent import ENDING, NARROWING
from hub.domain.envelope import Envelope, EnvelopeHeader
from hub.domain.seal import key_version
from hub.domain.stamp import stamp, stamped
from hub.errors import DataError
from hub.ports import Record
from schemas import (
    HEADER,
    EventSchema,
    InvalidPayload,
    UnknownSchema,
    by_fingerprint,
    decode_single,
    encode_single,
    limits,
    record_head,
    record_schema,
)

ENVELOPE = record_schema("envelope")
_STRICTER = frozenset({"A65", "G9"})
_FIRST_TIME, _LAST_TIME = micros(limits.FIRST_TIME), micros(limits.LAST_TIME)
_NAMES_OF = attrgetter(*limits.ENVELOPE)
_LONGEST = tuple(limits.NAMES[kind].characters for kind in limits.ENVELOPE.values())


class Event(NamedTuple):
    """A record of an agency's topic, decoded and found in order, or `broken`: all that a narrowing one could mean."""

    record: Record
    envelope: Envelope
    schema: EventSchema
    subject: str  # controller:subject_ref
    identity: tuple[str, int]  # event id, publication
    broken: bool = False

    @property
    def case_key(self) -> str:
        return f"{self.envelope.controller_id}:{self.envelope.case_ref}"

    @property
    def value(self) -> bytes:
        """What is kept of it: the record as it came, or of a broken one all that it could mean."""
        return encode_envelope(self.envelope) if self.broken else self.record.value


_RECEIVED = "received_at"


def received_at(secret: bytes, record: Record) -> int:
    """When the hub received it: the append time, or the earlier one of an agency's record that the hub appended again
    (`hub.sealed.words.repeated`). Only the hub's own stamp counts, under its secret: a header that an agency writes
    changes nothing."""
    said = dict(record.headers).get(_RECEIVED, b"")
    first = stamped(secret, _RECEIVED, said, record.value) if said else None
    return record.timestamp if first is None else min(first, record.timestamp)


def received_header(secret: bytes, at: int, value: bytes) -> tuple[str, bytes]:
    """The header by which the hub says when it received this value first."""
    return _RECEIVED, stamp(secret, _RECEIVED, at, value)


def decode_envelope(record: Record) -> Envelope:
    """The envelope in a record's value; refuses anything else as `undecodable`."""
    try:
        schema, raw = decode_single(record.value)
    except (UnknownSchema, InvalidPayload) as error:
        reason = "unknown_schema" if isinstance(error, UnknownSchema) else "undecodable"
        raise _bad(record, reason, "this is no envelope") from None
    if schema is not ENVELOPE:
        raise _bad(record, "unknown_schema", "the record is something else than an envelope")
    return envelope_of(raw)


def envelope_of(raw: Mapping[str, Any]) -> Envelope:
    """The envelope of a decoded record: by position, for by name costs a quarter of the decoding."""
    return Envelope._make(_IN_ORDER(raw))


_IN_ORDER = itemgetter(*Envelope._fields)
HEAD = record_head("envelope", EnvelopeHeader._fields)


def whole_headers(value: bytes) -> tuple[tuple[str, bytes], ...]:
    """Says that this very value was decoded whole, so that who reads it next may look at its head alone."""
    return (("crc32", b"%d" % zlib.crc32(value)),)


def decode_head(record: Record) -> EnvelopeHeader:
    """The head of an envelope that admission has decoded; without its word for it the whole envelope is decoded."""
    if dict(record.headers).get("crc32") != b"%d" % zlib.crc32(record.value):
        return head_of(decode_envelope(record))
    return EnvelopeHeader._make(HEAD.decode(record.value[HEADER:]).values())


def head_of(envelope: Envelope) -> EnvelopeHeader:
    return EnvelopeHeader._make(_HEAD_OF(envelope))


_HEAD_OF = attrgetter(*EnvelopeHeader._fields)


def decode_event(record: Record, agency: str, topic_kind: str) -> Event:
    """An event of `agency` that belongs on this kind of topic (`events`, `consents`)."""
    envelope = decode_envelope(record)
    _check_readable(record, envelope)
    if envelope.controller_id != agency:
        raise _bad(record, "wrong_controller", "the controller is not the topic's agency")
    try:
        schema = by_fingerprint(envelope.schema)
    except UnknownSchema:
        raise _bad(record, "unknown_schema", "the event's schema is not known here") from None
    if schema.event_type != envelope.event_type or schema.topic != topic_kind:
        raise _bad(record, "wrong_topic", "this event does not belong on this topic")
    envelope = _with_scope_checked(record, envelope)
    _check_labels(record, envelope, schema)
    subject, identity = f"{agency}:{envelope.subject_ref}", (envelope.event_id.hex(), envelope.publication)
    return Event(record, envelope, schema, subject, identity)


def _check_readable(record: Record, envelope: Envelope) -> None:
    """Refuses sizes, names and times beyond `schemas.limits`: a store, a view or a broker could not take them."""
    e = envelope
    if len(record.value) > limits.EVENT_BYTES:
        raise _bad(record, "too_large", f"the record is larger than {limits.EVENT_BYTES} bytes")
    for names, most in zip(_NAMES_OF(e), _LONGEST, strict=True):
        for name in (names,) if isinstance(names, str) else names or ():
            if len(name) > most or not name.isprintable():
                raise _bad(
                    record, "unreadable", "a name is too long or holds a character that is not printable"
                )
    if any(ref and " " in ref for ref in (e.subject_ref, e.case_ref, e.entrusted_by)):
        raise _bad(record, "unreadable", "a pseudonym holds a blank")
    if e.subject_ref.startswith("f_") and not e.about_family:
        raise _bad(record, "unreadable", "the subject is a family, but another than the case's")
    _check_numbers(record, e)
    if e.connection is not None and not _is_date(e.connection):
        raise _bad(record, "unreadable", "the connection is no date")


def _with_scope_checked(record: Record, e: Envelope) -> Envelope:
    """Only a withdrawal has a scope in clear; connectors of an older release put the text of an objection or of a
    request for erasure there too, which nobody reads."""
    if e.scope is None:
        return e
    if e.event_type not in NARROWING:
        raise _bad(record, "unreadable", "this event has no scope")
    if e.event_type not in ENDING:
        return e._replace(scope=None)
    if limits.scope_problem(e.scope):
        raise _bad(record, "unreadable", "the scope is no JSON object of lists of codes")
    return e


def _check_numbers(record: Record, e: Envelope) -> None:
    for at in (e.occurred_at, e.recorded_at, e.valid_from, e.valid_to, e.valid_until):
        if at is not None and not in_range(at):
            raise _bad(record, "unreadable", "timestamp out of range")
    if not 1 <= e.publication <= limits.PUBLICATIONS:
        raise _bad(record, "unreadable", "the publication's number is out of range")


def in_range(at: int) -> bool:
    """Whether a moment (microseconds since 1970 UTC) is one that can be meant."""
    return _FIRST_TIME <= at < _LAST_TIME


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def encode_envelope(envelope: Envelope) -> bytes:
    """The envelope in Avro single-object encoding."""
    return encode_single(ENVELOPE, envelope._asdict())


def narrowed(envelope: Envelope, kept: frozenset[str]) -> Envelope:
    """The envelope with only the kept fields and the boxes that still hold one of them."""
    fields = {name: category for name, category in envelope.fields.items() if name in kept}
    narrow = envelope._replace(fields=fields, held=[name for name in envelope.held if name in fields])
    categories = _boxed(narrow)
    return narrow._replace(
        boxes={category: box for category, box in envelope.boxes.items() if category in categories}
    )


def _boxed(envelope: Envelope) -> set[str]:
    """The categories that have a box: those of every field that is not on hold."""
    if not envelope.held:
        return set(envelope.fields.values())
    return {category for name, category in envelope.fields.items() if name not in envelope.held}


def _check_labels(record: Record, envelope: Envelope, schema: EventSchema) -> None:
    """A label may only be the schema's or a stricter one, and every category has its box (fail closed)."""
    wrong = _wrong_labels(schema.fingerprint, tuple(envelope.fields.items()))
    if wrong:
        raise _bad(record, *wrong)
    if _boxed(envelope) != envelope.boxes.keys() or not envelope.fields.keys() >= set(envelope.held):
        raise _bad(record, "unsealed", "boxes and categories do not match")
    for box in envelope.boxes.values():
        if key_version(box) < 1:
            raise _bad(record, "unsealed", "a box is too short to be sealed")


@lru_cache(maxsize=4096)
def _wrong_labels(fingerprint: bytes, labels: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    """Reason and message, or None; the same labels come again and again, so they are looked at once."""
    schema = by_fingerprint(fingerprint)
    fields = schema.fields
    for name, category in labels:
        spec = fields.get(name)
        if spec is None:
            return "unknown_field", "a field is not in the event's schema"
        allowed = {spec.category, *(spec.category_by_kind or {}).values()}
        if category not in allowed | schema.moving | _STRICTER:
            return "wrong_label", "a field carries another category than its schema says"
    return None


def _bad(record: Record, reason: str, message: str) -> DataError:
    return DataError(
        message, reason=reason, place=str(record.place), remedy="the sender corrects and publishes again"
    )


SIZE = 32 * 2**20  # bytes
_HEAD = 1000  # bytes of a head and its place, without the record that names it; measured: 720


class HeaderCache:
    """Value of a record → its head, each given out once; the oldest leave first. `size` in bytes. Threads of one worker
    share it."""

    def __init__(self, size: int = SIZE) -> None:
        self._kept: FIFOCache[bytes, tuple[EnvelopeHeader, int]] = FIFOCache(
            size, getsizeof=lambda kept: kept[1]
        )
        self._lock = Lock()

    def keep(self, heads: Iterable[tuple[bytes, EnvelopeHeader]]) -> None:
        with self._lock:
            for value, head in heads:
                size = len(value) + _HEAD
                if size <= self._kept.maxsize:
                    self._kept[value] = head, size

    def take(self, value: bytes) -> EnvelopeHeader | None:
        with self._lock:
            kept = self._kept.pop(value, None)
        return kept[0] if kept else None
