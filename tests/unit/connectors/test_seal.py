"""What of an event leaves in clear: nothing that a person typed."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.publish.seal import encoded, envelope
from hub.ports import Key, KeyRef
from schemas import event_schema, event_types
from schemas.fields import FieldSpec

TYPED = "Kanarienvogel"
KEY = Key(KeyRef("box", "jc", "p_1"), 1, AESGCM(bytes(32)))
Make = Callable[..., MappedEvent]


def _typed(spec: FieldSpec) -> Any:
    return {"string": TYPED, "strings": [TYPED]}.get(spec.kind)


def _left(event: MappedEvent) -> bytes:
    judged = Judged(event, frozenset(event.payload))
    return encoded(envelope("jc", "SGB II", judged, KEY, version=2, publication=1, recorded_at=3))


@pytest.mark.parametrize("event_type", event_types())
def test_no_text_of_any_event_leaves_in_clear(make_event: Make, event_type: str) -> None:
    specs = event_schema(event_type).fields.values()
    payload = {spec.name: text for spec in specs if (text := _typed(spec)) is not None}
    event = make_event(event_type, payload, categories=dict.fromkeys(payload, "CT"))
    assert TYPED.encode() not in _left(event)


def test_the_scope_of_a_withdrawal_leaves_in_clear(make_event: Make) -> None:
    event = make_event("ConsentWithdrawn", {"consent_id": "c1", "scope": {"categories": ["ID"]}})
    assert b'{"categories":["ID"]}' in _left(event)
