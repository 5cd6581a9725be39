"""The floor: what it costs to get the same events into the same database at all.

Consume, Avro decode, rows as the joint case holds them (same columns, key and indexes) by the fastest method the
database has, position, commit with fsync: no decision, no seal, no audit, no second topic. The pipeline is measured
against it in the same run, over the same transport.
"""

from collections.abc import Sequence

from sqlalchemy import MetaData
from sqlalchemy.sql.elements import quoted_name

from hub.parts import Parts
from hub.ports import Record
from hub.sealed.decode import decode_envelope
from hub.store import positions
from hub.store.bulk import merge
from projections.joint_case import apply
from projections.joint_case.tables import case_row

STAGE = "floor"
metadata = MetaData()
floor_row = case_row.to_metadata(metadata, name="floor_row")
for index in floor_row.indexes:
    index.name = quoted_name(str(index.name).replace(case_row.name, floor_row.name), quote=None)


def take_floor(parts: Parts, topic_id: str, batch: Sequence[Record]) -> int:
    """Decode, insert, position, commit. Returns how many records."""
    rows = {}
    following: dict[int, int] = {}
    for record in batch:
        e = decode_envelope(record)
        rows[e.record_ref] = apply.row(1, e, record.value)
        following[record.partition] = record.offset + 1
    with parts.store.transaction() as connection:
        merge(connection, floor_row, list(rows.values()), "DO NOTHING")
        positions.save(connection, STAGE, batch[0].topic, topic_id, following)
    return len(batch)
