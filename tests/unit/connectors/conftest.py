"""Events made by hand, for the pure parts."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.pipeline.mapping.mapped import MappedEvent
from hub.domain.clock import micros
from hub.domain.identifiers import AgencyKey
from schemas import event_schema

KEY = AgencyKey(b"k" * 32)


@pytest.fixture
def make_event() -> Callable[..., MappedEvent]:
    def make(
        event_type: str, payload: dict[str, Any], *, on: str = "2026-10-01", key: str = "1", **changes: Any
    ) -> MappedEvent:
        schema = event_schema(event_type)
        occurred = datetime.fromisoformat(on).replace(tzinfo=UTC)
        given: dict[str, Any] = {
            "schema": schema,
            "stream": "s",
            "place": f"s/{key}",
            "source_key": key,
            "subject_id": "1",
            "case_id": "2",
            "subject_ref": KEY.person("1"),
            "case_ref": KEY.case("2"),
            "record_ref": KEY.record_ref("s", key, event_type, "1"),
            "source_version": micros(occurred) + 1,
            "occurred_at": micros(occurred),
            "valid_from": None,
            "valid_to": None,
            "payload": payload,
            "categories": schema.categories(
                payload, on=occurred.date(), entrusted=False, controller_kind="youth_welfare"
            ),
            "purposes": ("joint_case_management",),
            "norm": None,
            "task_norm": None,
            "attested_by": None,
            "named": None,
            "entrusted_by": None,
            "source_203": False,
            "objected_76": False,
            "task_class": None,
            "connection": None,
            "merges_with": None,
            "endangers_help": False,
            "disputed": (),
            "addressee": None,
            "key": KEY,
        }
        return MappedEvent(**given | changes)

    return make
