"""The floor: what it costs to get the same events into the same database at all.

Consume, Avro decode, rows by the fastest method the database has, position, commit with fsync: no decision, no seal, no
audit. The pipeline is measured against it in the same run, over the same transport.
"""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table

from hub.adapters.store import positions
from hub.adapters.store.bulk import merge
from hub.ports import Record
from hub.stages.decode import decode_envelope
from hub.stages.parts import Parts

STAGE = "floor"
metadata = MetaData()
floor_row = Table(
    "floor_row",
    metadata,
    Column("event_id", String, primary_key=True),
    Column("case_ref", String, nullable=False),
    Column("event_type", String, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("source_version", BigInteger, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
)


def take_floor(parts: Parts, topic_id: str, batch: Sequence[Record]) -> int:
    """Decode, insert, position, commit. Returns how many records."""
    rows = {}
    following: dict[int, int] = {}
    for record in batch:
        e = decode_envelope(record)
        rows[e.event_id] = (
            e.event_id.hex(), e.case_ref, e.event_type, e.occurred_at, e.source_version, record.value,
        )  # fmt: skip
        following[record.partition] = record.offset + 1
    with parts.store.transaction() as connection:
        merge(connection, floor_row, list(rows.values()), "(event_id) DO NOTHING")
        positions.save(connection, STAGE, batch[0].topic, topic_id, following)
    return len(batch)
