"""The schema files say what the event catalogue says."""

import pytest

from schemas import (
    CATEGORIES,
    EventSchema,
    UnknownSchema,
    code_list,
    event_schema,
    event_types,
    event_versions,
)

CATALOGUE = """
PersonRegistered PersonChanged SubjectRecorded SubjectChanged ConsentGranted ConsentWithdrawn ConsentExpired
ObjectionRaised IdentityLinkProposed IdentityLinked IdentitySplit CaseOpened CaseClosed MemberJoined
MemberLeft CustodyChanged WorkerAssigned BenefitGranted BenefitChanged BenefitEnded SanctionImposed
SanctionLifted CooperationPlanAgreed CooperationPlanUpdated MeasureStarted MeasureEnded AttendanceRecorded
HelpStarted HelpEnded HelpPlanAgreed HelpPlanMeetingScheduled ThreeWayTalkScheduled ThreeWayTalkHeld
FamilyConferenceHeld AgreementMade AgreementAcknowledged AgreementClosed TaskAssigned TaskDone ReferralSent
ReferralAccepted ReferralDeclined ReferralCompleted ReferralQueried ReferralTakenBack TalkCancelled
ApplicationSubmitted ApplicationQueried DocumentReceived
ApplicationDecided RasterAssessed MilestoneReached StepDownAgreed JointCaseEnded ServiceContractAgreed
ServiceDelivered ServiceGapReported CostBooked IndicatorObserved FeedbackGiven DangerReported DangerAnswered
DisclosureMade RetrievalLogged CorrectionNotified DataDisputed ErasureRequested ErasureExecuted
""".split()  # noqa: SIM905  readable

ONE_CATEGORY = {
    "PersonRegistered": "ID",
    "SubjectRecorded": "CT",
    "ConsentGranted": "CT",
    "ConsentWithdrawn": "CT",
    "IdentityLinked": "CT",
    "MemberJoined": "HH",
    "CustodyChanged": "CT",
    "WorkerAssigned": "FK",
    "SanctionImposed": "LM",
    "CooperationPlanAgreed": "EG",
    "MeasureStarted": "EG",
    "HelpStarted": "HS",
    "HelpPlanMeetingScheduled": "TM",
    "AgreementClosed": "VB",
    "TaskDone": "VB",
    "ReferralSent": "VG",
    "ApplicationDecided": "VG",
    "MilestoneReached": "IN",
    "StepDownAgreed": "VB",
    "ServiceDelivered": "KO",
    "ServiceGapReported": "IN",
    "CostBooked": "KO",
    "FeedbackGiven": "IN",
    "DangerReported": "K8a",
    "DangerAnswered": "K8a",
}

EVERY = pytest.mark.parametrize("schema", event_versions(), ids=lambda s: f"{s.event_type}.v{s.version}")


def test_every_event_of_the_catalogue_has_a_schema_and_no_other() -> None:
    assert sorted(CATALOGUE) == list(event_types())


@EVERY
def test_every_field_has_a_category_of_the_catalogue(schema: EventSchema) -> None:
    assert {spec.category for spec in schema.fields.values()} <= CATEGORIES
    assert "G9" not in {spec.category for spec in schema.fields.values()}
    assert "A65" not in {spec.category for spec in schema.fields.values()}


@EVERY
def test_every_named_code_list_exists(schema: EventSchema) -> None:
    for spec in schema.fields.values():
        if spec.codelist:
            assert code_list(spec.codelist).codes


@pytest.mark.parametrize(("event_type", "category"), ONE_CATEGORY.items())
def test_events_of_one_category(event_type: str, category: str) -> None:
    assert {spec.category for spec in event_schema(event_type).fields.values()} == {category}


def test_events_of_two_categories() -> None:
    def labels(event_type: str) -> dict[str, str]:
        return {name: spec.category for name, spec in event_schema(event_type).fields.items()}

    benefit = {"kind": "LS", "amount": "LB", "month": "LS", "period": "LS", "provisional": "LS"}
    assert labels("BenefitGranted") == labels("BenefitChanged") == labels("BenefitEnded") == benefit
    assert labels("HelpPlanAgreed") == {
        "goals": "HP",
        "review_date": "HP",
        "reasons": "HI",
        "provider_id": "HP",
    }
    assert labels("ThreeWayTalkScheduled")["agreement_ref"] == "VB"
    assert labels("ThreeWayTalkScheduled")["date"] == "TM"
    assert labels("AgreementMade")["talk_ref"] == labels("FamilyConferenceHeld")["participants"] == "TM"


def test_a_provider_is_named_in_the_category_of_the_events_first_field() -> None:
    for schema in event_versions():
        if "provider_id" in schema.fields:
            assert schema.fields["provider_id"].category == next(iter(schema.fields.values())).category


STRUCTURED = """
names address contact name substitute room mail worker_id owner awaits by how status provider provider_id place
intensity norm result kind reason_code cost_kind period month time participants addressee benefit office stamp
missing target offer_code next_step dimension assessed_by grid_version code outcome agreement_ref task_ref talk_ref
matter_ref offer_id
released_by consents contract service_code scale unit sozialraum_code languages language goal_code field channel
child new_value recipient fields purpose ground policy_version
""".split()  # noqa: SIM905  readable
"""String fields that hold a name, a place, a number, a code or a reference, as reviewed. What is written freely into
one all the same is cut off by its length (`hub.policy.reduce`)."""


def test_every_field_of_text_is_coded_free_or_reviewed() -> None:
    text = {"string", "strings", "string|strings"}
    specs = {
        spec.name: spec
        for schema in event_versions()
        if schema.topic != "consents"
        for spec in schema.fields.values()
        if spec.kind in text and not spec.codelist
    }
    free = {name for name, spec in specs.items() if spec.free_text}
    assert free == {"who", "what", "text", "steps", "goals", "signs"}
    assert specs.keys() - free == set(STRUCTURED)


def test_entries_that_are_computed_for_a_view_are_no_events() -> None:
    assert event_schema("BenefitTotal").topic == "views"
    assert "BenefitTotal" not in event_types()


@EVERY
def test_control_data_and_the_consents_topic_are_the_same_thing(schema: EventSchema) -> None:
    hub_only = {"DisclosureMade", "RetrievalLogged", "CorrectionNotified", "DataDisputed"}
    control = {spec.category for spec in schema.fields.values()} == {"CT"}
    assert (schema.topic == "consents") == (control and schema.event_type not in hub_only)


@EVERY
def test_danger_stays_on_its_own_topic(schema: EventSchema) -> None:
    assert (schema.topic == "danger") == (schema.event_type in {"DangerReported", "DangerAnswered"})


@EVERY
def test_what_starts_and_what_ends_name_each_other(schema: EventSchema) -> None:
    assert bool(schema.pairs_with) == (schema.present in {"start", "step", "end"})
    for name in schema.pairs_with:
        other = event_schema(name)
        if schema.present == "step":
            assert other.present == "start"
            continue
        assert schema.event_type in other.pairs_with
        assert {schema.present, other.present} == {"start", "end"}
        assert schema.group == other.group
        assert set(schema.fields) & set(other.fields)


@EVERY
def test_what_counts_in_the_present_state_has_the_fields_for_it(schema: EventSchema) -> None:
    assert set(schema.key) <= set(schema.fields)
    assert bool(schema.group) == (schema.present != "none")
    assert (schema.present == "worker") == (schema.key == ("function",))
    if schema.present == "appointment":
        assert schema.fields["date"].kind == "date"


def test_a_consent_has_every_key_that_the_policy_reads() -> None:
    keys = """id subject granted_by sender recipients recipient_workers purposes categories form
    explicit_special notices text_version proof_hash granted_at valid_until withdrawn_at"""
    told = {
        "language",
        "interpreter",
        "text_hash",
        "supersedes",
    }  # who signs must understand, and show what was signed
    assert set(event_schema("ConsentGranted").fields) == {*keys.split(), *told}


def test_events_without_a_person_carry_none() -> None:
    names = set(event_schema("ServiceGapReported").fields) | set(event_schema("FeedbackGiven").fields)
    assert names == {"offer_code", "sozialraum_code", "grade", "unit"}


@pytest.mark.parametrize(("name", "version"), [("NoSuchEvent", None), ("HelpStarted", 9), ("envelope", None)])
def test_an_unknown_event_is_refused(name: str, version: int | None) -> None:
    with pytest.raises(UnknownSchema):
        event_schema(name, version)
