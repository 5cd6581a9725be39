"""What becomes a quarantine entry: reason, place and remedy, never content."""

from collections.abc import Iterable, Sequence

from connectors.contract import Batch, Incident
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.publish.publisher import Prepared
from connectors.pipeline.state.quarantine import QuarantinedRow
from connectors.pipeline.state.state import KeyHash

WHOLE = b""
"""Instead of a row's key: the whole stream or snapshot."""

OVERSIZE, OLDER, UNFIT = "oversize", "older_version", "unreadable_row"
REMEDIES = {
    OVERSIZE: "shorten the record: a larger one cannot be delivered",
    OLDER: "the source went back: restore it, or correct the record",
    UNFIT: "it cannot be judged or sealed: correct the record",
}


def of_rows(batch: Batch, unmapped: Iterable[Unmapped], key_hash: KeyHash) -> list[QuarantinedRow]:
    """Events that rows should have been."""
    rows = {row.place: row for row in batch.rows}
    return [
        QuarantinedRow(
            stream=batch.stream,
            key=key_hash(rows[e.place].key),
            event_type=e.event_type,
            reason=e.reason,
            place=e.place,
            column=e.column,
            remedy=e.remedy,
            content=rows[e.place].content,
        )
        for e in unmapped
    ]


def of_refused(
    batch: Batch, prepared: Prepared, unfit: Iterable[MappedEvent], key_hash: KeyHash
) -> list[QuarantinedRow]:
    """Events that are too large or cannot be judged or sealed, and versions older than the one published."""
    rows = {row.place: row for row in batch.rows}
    found = [(event, OVERSIZE) for event in prepared.oversize] + [(event, OLDER) for event in prepared.older]
    found += [(event, UNFIT) for event in unfit]
    return [
        QuarantinedRow(
            stream=batch.stream,
            key=key_hash(rows[e.place].key),
            event_type=e.schema.event_type,
            reason=reason,
            place=e.place,
            column="",
            remedy=REMEDIES[reason],
            content=rows[e.place].content,
        )
        for e, reason in found
    ]


def of_incidents(incidents: Sequence[Incident]) -> list[QuarantinedRow]:
    """Streams and snapshots that cannot be read at all."""
    return [
        QuarantinedRow(
            stream=i.stream,
            key=WHOLE,
            event_type=i.place,
            reason=i.reason,
            place=i.place,
            column="",
            remedy=i.remedy,
            content=b"",
        )
        for i in incidents
    ]
