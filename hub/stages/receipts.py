"""Stage receipts: what a recipient's sink answered to a view (docs/adr/0003)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from hub import topology
from hub.errors import DataError
from hub.parts import Parts
from hub.ports import Record
from hub.sealed.decode import in_range
from hub.sealed.words import strayed
from hub.stages.driver import Stage, drive
from hub.stages.intake import BatchIntake
from hub.store import views
from schemas import InvalidPayload, UnknownSchema, decode_single, record_schema

STAGE = topology.RECEIPTS.stage
RECEIPT = record_schema("receipt")
ANSWERS = frozenset({"shown", "deleted", "hidden", "superseded", "late", "kept", "waiting"})
"""All that a sink can answer; in anything else somebody may have typed anything."""
_AHEAD = 24 * 3600 * 1_000_000
"""How far a sink's clock may run ahead of the broker's, in microseconds."""
_NORM = re.compile(
    r"(§§?|Art\.) ?[0-9]{1,4}[a-z]?( (Abs\.|S\.|Nr\.|lit\.|SGB|AO|BGB|DSGVO|[IVX]{1,5}|[0-9]{1,2}[a-z]?|[a-z]\b)){0,10}"
)


@dataclass(slots=True)
class ReceiptsOutcome:
    """What became of a batch; `answers`: (answer, when the sink gave it) of every receipt."""

    taken: int = 0
    quarantined: int = 0
    answers: list[tuple[str, int]] = field(default_factory=list)


def take_receipts(parts: Parts, topic_id: str, batch: Sequence[Record]) -> ReceiptsOutcome:
    """Note the answers; a receipt of another agency's view is quarantined."""
    intake = drive(parts, _RECEIPTS, topic_id, batch).intake
    answers = [(receipt["answer"], receipt["at"]) for receipt in intake.events]
    return ReceiptsOutcome(len(intake.events), len(intake.bad), answers)


def _apply(connection: Connection, _: Parts, intake: BatchIntake[dict[str, Any]], __: None) -> bool:
    apply_receipts(connection, intake.events)
    return True


def apply_receipts(connection: Connection, receipts: Sequence[Mapping[str, Any]]) -> None:
    """Note the answers in the disclosure register."""
    for receipt in receipts:
        view = receipt["view_id"].hex()
        views.confirmed(connection, receipt["recipient"], view, _answer(receipt), receipt["at"])


def decode_receipt(record: Record) -> dict[str, Any]:
    """The receipt in a record of an agency's own topic; raises DataError for anything else."""
    try:
        schema, receipt = decode_single(record.value)
    except (UnknownSchema, InvalidPayload):
        raise _bad(record, "undecodable") from None
    if schema is not RECEIPT:
        raise _bad(record, "unknown_schema")
    if receipt["recipient"] != topology.topic_agency(record.topic):
        raise _bad(record, "wrong_controller")
    if receipt["answer"] not in ANSWERS:
        raise _bad(record, "unknown_answer")
    if not in_range(receipt["at"]) or receipt["at"] > record.timestamp + _AHEAD:
        raise _bad(record, "unreadable")
    return receipt


def _answer(receipt: Mapping[str, Any]) -> str:
    """The answer with its norm; what does not look like a norm is not kept, for somebody may have typed anything."""
    norm = receipt["norm"]
    return f"{receipt['answer']} {norm}" if norm and _NORM.fullmatch(norm) else str(receipt["answer"])


_RECEIPTS: Stage[dict[str, Any], None] = Stage(
    name=STAGE,
    decode=lambda parts, record: decode_receipt(record),
    prepare=lambda parts, intake: None,
    apply=_apply,
    strayed=lambda parts, record: strayed(parts.secret, record),
    ordered=False,  # the sink sends a better receipt of its own accord
)


def _bad(record: Record, reason: str) -> DataError:
    return DataError("this is no receipt of this agency", reason=reason, place=str(record.place))
