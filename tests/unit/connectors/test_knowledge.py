"""What the gate knows of a subject, and when that counts as something else (protocol rule 12)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from connectors.pipeline.gate.judge import facts_of
from connectors.pipeline.gate.knowledge import GateKnowledge, consent_of
from connectors.pipeline.gate.register import Register
from connectors.pipeline.mapping.mapped import MappedEvent
from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.wrapping import controller_kek
from hub.adapters.log.sqlite import SqliteLog
from hub.domain.consent import Consent
from hub.domain.identifiers import AgencyKey
from hub.policy.facts import ConsentGround
from tests.unit.connectors.conftest import KEY

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
    knowledge = GateKnowledge("a", AgencyKey(bytes(32)), register)
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


CONSENT = {
    "id": "1001",
    "sender": "a",
    "recipients": ["b"],
    "purposes": ["joint_case_management"],
    "categories": ["EG"],
    "granted_at": datetime(2026, 1, 1, tzinfo=UTC),
    "granted_by": [KEY.person("1")],
}


@pytest.mark.parametrize(("known", "ended"), [(False, True), (True, False)])
def test_an_agency_ends_its_own_consent_unless_the_row_is_about_somebody_else(
    make_event: Callable[..., MappedEvent], known: bool, ended: bool
) -> None:
    knowledge = GateKnowledge("a", KEY, Register("a"))
    grant = make_event("ConsentGranted", CONSENT)
    another = {"subject_id": "9", "subject_ref": KEY.person("9")}
    end = make_event("ConsentWithdrawn", {"consent_id": "1001"}, key="end", **another)
    born = make_event("SubjectRecorded", {"birth_date": date(1990, 1, 1)}, key="born", **another)
    knowledge.learn([grant, end, *([born] if known else [])], complete=True)
    (consent,) = knowledge.consents(grant.subject_ref, NOW)
    assert (consent.withdrawn_at is not None) == ended


def test_a_number_that_two_other_offices_gave_names_neither_paper(
    make_event: Callable[..., MappedEvent],
) -> None:
    base = consent_of(make_event("ConsentGranted", CONSENT))
    theirs = [replace(base, id=f"{office}:1001", recorded_by=office) for office in ("b", "c")]

    def named(name: str, *consents: Consent) -> frozenset[str]:
        facts = facts_of(
            make_event("MeasureStarted", {"provider": "x"}, named=(name,)), consents, objected=False
        )
        assert isinstance(facts.ground, ConsentGround)
        return facts.ground.consents

    assert named("1001", *theirs) == {KEY.consent("1001")}
    assert named("1001", theirs[0]) == {"b:1001"}
    assert named("c:1001", *theirs) == {"c:1001"}
    own = replace(base, id=KEY.consent("1001"), recorded_by="a")
    assert named("1001", *theirs, own) == {KEY.consent("1001")}
