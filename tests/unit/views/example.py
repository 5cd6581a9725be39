"""One family as a view is made from it: opened records, what is known of the mother, and the policy as shipped."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from hub.domain.agencies import Agency, by_id, default_agency
from hub.domain.clock import micros
from hub.domain.consent import ALL_NOTICES, Consent
from hub.domain.envelope import LEGAL_DOMAINS, Envelope
from hub.policy.control import ControlData, Statement
from hub.policy.load import load_policy
from hub.sealed.boxes import Content
from hub.subjects.knowledge import Knowledge
from hub.views.case_file import CaseFile
from hub.views.redaction import Evidence
from schemas import event_schema

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
JC, JA = "jc-a", "ja-a"
MOTHER = "mother"
AGENCIES: Mapping[str, Agency] = by_id([default_agency(JC, "jobcenter"), default_agency(JA, "youth_welfare")])
POLICY = load_policy(())


def consent(**changes: Any) -> Consent:
    """The mother's, to the youth office."""
    fields: dict[str, Any] = {
        "id": f"{JC}:c1",
        "subject": MOTHER,
        "granted_by": (MOTHER,),
        "sender": JC,
        "recipients": frozenset({JA}),
        "recipient_workers": frozenset(),
        "purposes": frozenset({"joint_case_management"}),
        "categories": frozenset({"EG", "LS", "ID"}),
        "form": "written",
        "explicit_special": False,
        "notices": ALL_NOTICES,
        "text_version": "1",
        "proof_hash": "sha256:00",
        "granted_at": datetime(2026, 8, 1, tzinfo=UTC),
        "valid_until": None,
        "withdrawn_at": None,
    }
    return Consent(**{**fields, **changes})


def knowledge(*consents: Consent, **changes: Any) -> Knowledge:
    """The mother, known to both offices as one person."""
    born = ControlData(births=(Statement(JC, datetime(2026, 8, 1, tzinfo=UTC), date(1990, 1, 1)),))
    fields: dict[str, Any] = {"control": born, "linked": True, "consents": consents, "epoch": 1}
    return Knowledge(MOTHER, **{**fields, **changes})


def evidence(
    event_type: str = "MeasureStarted",
    fields: Mapping[str, Any] | None = None,
    *,
    controller: str = JC,
    state: Any = "open",
    ref: int = 1,
    **changes: Any,
) -> Evidence:
    """One record about the mother, opened."""
    schema = event_schema(event_type)
    content = {"norm": "16d", "provider": "Träger", "status": "running"} if fields is None else fields
    made = Envelope(
        record_ref=bytes([ref]) * 16,
        event_id=bytes([ref]) * 16,
        publication=1,
        event_type=event_type,
        schema=schema.fingerprint,
        controller_id=controller,
        legal_domain=LEGAL_DOMAINS[AGENCIES[controller].kind],
        subject_ref="m",
        case_ref="f",
        source_version=0,
        occurred_at=micros(NOW),
        recorded_at=micros(NOW),
        valid_from=None,
        valid_to=None,
        fields=schema.categories(
            content, on=NOW.date(), entrusted=False, controller_kind=AGENCIES[controller].kind
        ),
        purposes=("joint_case_management",),
        consents=("c1",),
        norm=None,
        task_norm=None,
        attested_by=None,
        entrusted_by=None,
        source_203=False,
        objected_76=False,
        task_class=None,
        connection=None,
        merges_with=None,
        endangers_help=False,
        addressee=None,
        disputed=(),
        consent_id=None,
        valid_until=None,
        scope=None,
        boxes={},
    )
    return Evidence(f"{ref:032}", f"{controller}:m", made._replace(**changes), Content(content, state))


def case_file(known: Knowledge, *records: Evidence) -> CaseFile:
    """A joint case of both offices."""
    everybody = {f"{JC}:m": known, f"{JA}:m": known}
    return CaseFile(
        "joint", (f"{JC}:f", f"{JA}:f"), tuple(records), everybody, dict.fromkeys(everybody, MOTHER)
    )


def types(parts: Sequence[Any]) -> list[str]:
    """The event types that a view shows."""
    return [entry.event_type for part in parts for entry in part.entries]
