"""What travels on the two danger topics: a header that says nothing of anybody, and a box. Pure."""

import hashlib
from typing import NamedTuple

from hub.ports import Record
from schemas import InvalidPayload, UnknownSchema, decode_single, encode_single, record_schema, topics

REPORTED, ACKNOWLEDGED, ANSWERED = "reported", "acknowledged", "answered"
ID_SIZE = 16
NOTHING_SEEN = -(2**63) - 1
"""Earlier than any letter can say it is."""
_SCHEMA = "danger"


class Letter(NamedTuple):
    """`schemas/danger.v1.avsc`. Its `repr` tells id and kind only.

    A report may be followed by more under the same id. What an acknowledgement has seen is told by `up_to`, the
    reporter's own time of the newest of them, so that no two offices' clocks are compared.
    """

    report_id: bytes
    kind: str
    sender: str
    recipient: str
    at: int
    up_to: int = 0
    key_id: bytes = b""
    box: bytes = b""

    def __repr__(self) -> str:
        return f"Letter({self.kind} {self.report_id.hex()})"

    @property
    def header(self) -> bytes:
        """What the box is bound to."""
        names, times = (self.kind, self.report_id.hex(), self.sender, self.recipient), (self.at, self.up_to)
        return "|".join((*names, *map(str, times), self.key_id.hex())).encode()


def encode(letter: Letter) -> bytes:
    return encode_single(record_schema(_SCHEMA), letter._asdict())


def decode(value: bytes) -> Letter | None:
    """The letter in these bytes; None when they are none."""
    try:
        schema, found = decode_single(value)
    except (InvalidPayload, UnknownSchema):
        return None
    return Letter(**found) if schema.fingerprint == record_schema(_SCHEMA).fingerprint else None


def stand_in(record: Record) -> Letter:
    """For a record that is no letter: it has an id all the same, so that it can be shown, acknowledged and missed."""
    named = hashlib.sha256(f"danger {record.place}".encode()).digest()[:ID_SIZE]
    return Letter(named, REPORTED, sender_of(record.topic), "", record.timestamp)


def written_at(letter: Letter, record: Record) -> int:
    """When it was written, as far as that can be believed: never after it arrived."""
    return letter.at if 0 < letter.at < record.timestamp else record.timestamp


def reports_topic(reporter: str) -> str:
    """Written by the reporter, read by intakes."""
    return topics()["danger"].of(reporter)


def answers_topic(intake: str) -> str:
    """Written by the intake, read by reporters."""
    return topics()["danger_answers"].of(intake)


def sender_of(topic: str) -> str:
    """The agency whose topic it is: nobody else may write there."""
    return topic.split(".", 1)[1].rsplit(".", 1)[0]
