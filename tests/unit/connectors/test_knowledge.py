"""What the gate knows of a subject, and when that counts as something else (protocol rule 12)."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from connectors.runtime.knowledge import Knowledge
from connectors.runtime.mapped import MappedEvent
from connectors.runtime.register import Register
from hub.adapters.keys.kek import controller_kek
from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.log.sqlite import SqliteLog
from hub.domain.identifiers import AgencyKey

NOW = datetime(2026, 11, 16, 20, tzinfo=UTC)


def test_an_objection_is_a_reason_to_judge_again_and_outlives_its_row(
    make_event: Callable[..., MappedEvent], tmp_path: Path
) -> None:
    """§ 76(2) SGB X: it holds back for as long as it stands; a row that is lost takes nothing back."""
    keys = SqlKeyStore.for_controller(
        f"sqlite:///{tmp_path}/keys.sqlite", "a", controller_kek(bytes(32), "a")
    )
    log = SqliteLog(tmp_path / "log.sqlite")
    register = Register("a", log, keys)
    knowledge = Knowledge("a", AgencyKey(bytes(32)), register)
    objection = make_event("ObjectionRaised", {"norm": "§ 76 SGB X", "scope": None})
    subject = objection.subject_ref
    born = make_event("SubjectRecorded", {"birth_date": datetime(1990, 1, 1, tzinfo=UTC).date()}, key="2")
    knowledge.learn([born], complete=True)
    before = knowledge.signature(subject, NOW, frozenset(), "policy")

    knowledge.learn([objection], complete=False)
    raised = knowledge.signature(subject, NOW, frozenset(), "policy")
    knowledge.forget([objection.record_ref])

    assert raised != before
    assert knowledge.signature(subject, NOW, frozenset(), "policy") == raised
    knowledge.learn([born], complete=True)
    assert knowledge.signature(subject, NOW, frozenset(), "policy") == raised
    keys.close()
    log.close()
