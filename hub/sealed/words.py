"""Control data and whose they are: an agency's on its own consents topic, the hub's words on `hub.words`.

Each topic has one writer, so the hub appends nothing to an agency's topics. Erasures that were asked for or executed at
the hub, withdrawals that only the key ledger remembers, narrowing records that an agency published on another of its
topics, and records that a restored log lost stand on `hub.words`, each under the agency and subject that it is about.
There a record counts only with a stamp under the hub's secret that binds its key and value. Any other is quarantined
and takes nothing back: whoever appended it was not allowed to write this topic, and it is no agency's record.

Hubs of an older release appended their words to the agencies' consents topics, where they are read as before; a record
there that only the hub may publish is known by its ids (`hub.erasure.events`).
"""

from hub.domain.stamp import stamp, stamped
from hub.errors import DataError
from hub.ports import Outgoing, Record
from hub.sealed.decode import Event, decode_event, received_at, received_header
from hub.sealed.narrowing import broken_event
from hub.topology import HUB_WORDS, topic_agency
from schemas import limits, topics

_WORD = "word"
_BETWEEN = b":"


def decode_control(secret: bytes, record: Record) -> Event:
    """The event in a record that the consents stage reads; raises DataError for one that cannot be taken."""
    return decode_event(record, _published(secret, record)[0], "consents")


def broken_control(secret: bytes, record: Record) -> Event | None:
    """The event that a broken record there comes to (`broken_event`); None for a record on `hub.words` that is not the
    hub's."""
    try:
        agency, published = _published(secret, record)
    except DataError:
        return None
    event = broken_event(published, agency)
    return event._replace(record=record) if event else None


def word(secret: bytes, agency: str, ref: bytes, value: bytes, at: int) -> Outgoing:
    """The record of `hub.words` that says this about the subject `ref` of `agency`. `at`: when the hub said it, or
    received it first, in microseconds since 1970 UTC."""
    key = word_key(agency, ref)
    return Outgoing(key, value, ((_WORD, stamp(secret, _WORD, at, _bound(key, value))),))


def repeated(secret: bytes, agency: str, ref: bytes, value: bytes, at: int) -> Outgoing:
    """An agency's record that the hub appends again, byte for byte; it counts as received at `at`, when the hub had it
    first."""
    record = word(secret, agency, ref, value, at)
    return record._replace(headers=(*record.headers, received_header(secret, at, value)))


def strayed(secret: bytes, record: Record) -> Outgoing | None:
    """The word that this record of another topic of an agency comes to, if it narrows: as it came, or where it is too
    large to be carried, all that it could mean. None when it takes no effect."""
    agency = topic_agency(record.topic)
    event = broken_event(record, agency)
    if event is None:
        return None
    value = record.value if len(record.value) <= limits.EVENT_BYTES else event.value
    ref = event.envelope.subject_ref.encode() or record.key
    return repeated(secret, agency, ref, value, received_at(secret, record))


def word_key(agency: str, ref: bytes) -> bytes:
    """The key of the words about one subject."""
    return agency.encode() + _BETWEEN + ref


def _published(secret: bytes, record: Record) -> tuple[str, Record]:
    """Whose control data it is, and the record as that agency publishes it: the same bytes come to the same event on
    either topic. Raises DataError for a record on `hub.words` that is not the hub's."""
    if record.topic != HUB_WORDS:
        return topic_agency(record.topic), record
    said = dict(record.headers).get(_WORD, b"")
    if not said or stamped(secret, _WORD, said, _bound(record.key, record.value)) is None:
        raise DataError(
            "the record bears no stamp of the hub",
            reason="not_the_hubs",
            place=str(record.place),
            remedy="find out who can write to this topic, and drop the record",
        )
    name, _, ref = record.key.partition(_BETWEEN)
    agency = name.decode()
    return agency, record._replace(topic=topics()["consents"].of(agency), key=ref)


def _bound(key: bytes, value: bytes) -> bytes:
    return b"%d:" % len(key) + key + value
