"""Stage receipts: what a sink may answer, and what of it is kept."""

from collections.abc import Mapping
from typing import Any

import pytest

from hub.errors import DataError
from hub.ports import Outgoing, Record
from hub.stages.receipts import RECEIPT, decode_receipt, take_receipts
from schemas import encode_single
from tests.support.world import JA, World
from tests.unit.stages.conftest import Taken

TOPIC = f"agency.{JA}.receipts"
AT = 1_790_000_000_000_000
RECEIPT_OF_JA: Mapping[str, Any] = {
    "view_id": bytes(16),
    "recipient": JA,
    "role": "ja_asd",
    "case_ref": "case",
    "generation": 1,
    "version": 1,
    "answer": "shown",
    "norm": None,
    "at": AT,
}


def _record(value: bytes, topic: str = TOPIC) -> Record:
    return Record(topic, 0, 0, b"", value, AT)


def _receipt(**changes: Any) -> bytes:
    return encode_single(RECEIPT, {**RECEIPT_OF_JA, **changes})


def test_a_receipt_is_read_as_it_was_written() -> None:
    assert decode_receipt(_record(_receipt())).items() >= RECEIPT_OF_JA.items()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "undecodable"),
        (_receipt()[:-1], "undecodable"),
        (_receipt(recipient="jc-a"), "wrong_controller"),
        (_receipt(answer="Frau Muster rief an"), "unknown_answer"),
        (_receipt(at=AT + 25 * 3600 * 1_000_000), "unreadable"),
    ],
    ids=["empty", "cut off", "another agency's", "free text", "from the future"],
)
def test_anything_else_is_refused_with_a_reason(value: bytes, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        decode_receipt(_record(value))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("norm", "kept"),
    [(None, "kept"), ("§ 84 SGB X", "kept § 84 SGB X"), ("weil Frau Muster es wollte", "kept")],
)
def test_the_answer_and_its_norm_stand_in_the_disclosure_register(
    world: World, take: Taken, norm: str | None, kept: str
) -> None:
    world.shared()
    view = world.last(JA, "ja_asd")
    assert view
    receipt = {"view_id": view.view["view_id"], "answer": "kept", "norm": norm, "at": view.record.timestamp}
    world.parts.log.append(TOPIC, [Outgoing(b"", _receipt(**receipt)), Outgoing(b"", b"broken")])
    outcome = take(take_receipts, TOPIC)
    assert (outcome.taken, outcome.quarantined) == (1, 1)
    assert outcome.answers == [("kept", view.record.timestamp)]
    mine = [row for row in world.rows("disclosure") if row["view_id"] == view.view["view_id"].hex()]
    assert {row["answer"] for row in mine} == {kept}
