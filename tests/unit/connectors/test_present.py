"""The present state of a person: what runs, the latest plan and workers, coming appointments; never ended history."""

from collections.abc import Callable
from datetime import UTC, date, datetime

from connectors.pipeline.gate.present_state import present_state
from connectors.pipeline.mapping.mapped import MappedEvent
from hub.domain.clock import micros

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Make = Callable[..., MappedEvent]


def kept(*events: MappedEvent) -> list[str]:
    return [event.source_key for event in present_state(events, NOW)]


def test_what_started_and_has_not_ended(make_event: Make) -> None:
    running = make_event("HelpStarted", {"paragraph": "31", "provider": "AWO"}, key="runs")
    ended = make_event("HelpStarted", {"paragraph": "28", "provider": "DRK"}, key="ended")
    end = make_event("HelpEnded", {"paragraph": "28", "end_code": "10"}, key="end", on="2026-11-01")
    assert kept(running, ended, end) == ["runs"]


def test_an_end_must_agree_in_every_field_that_both_have_but_status(make_event: Make) -> None:
    start = make_event("MeasureStarted", {"norm": "16d", "provider": "A", "status": "running"}, key="start")
    other = make_event("MeasureEnded", {"norm": "16d", "provider": "B"}, key="other", on="2026-11-01")
    assert kept(start, other) == ["start"]
    same = make_event("MeasureEnded", {"norm": "16d", "status": "completed"}, key="same", on="2026-11-01")
    assert kept(start, same) == []


def test_an_end_in_the_same_row_ends_whatever_the_row_says_now(make_event: Make) -> None:
    start = make_event("HelpStarted", {"paragraph": "31"}, key="row")
    end = make_event("HelpEnded", {"paragraph": "31", "end": date(2026, 11, 1)}, key="row", on="2026-11-01")
    assert kept(start, end) == []


def test_an_end_of_another_person_ends_nothing(make_event: Make) -> None:
    start = make_event("HelpStarted", {"paragraph": "31"}, key="runs")
    end = make_event("HelpEnded", {"paragraph": "31"}, key="end", on="2026-11-01", subject_ref="p_other")
    assert kept(start, end) == ["runs"]


def test_a_new_start_after_the_end_runs(make_event: Make) -> None:
    end = make_event("HelpEnded", {"paragraph": "31"}, key="end", on="2026-09-01")
    again = make_event("HelpStarted", {"paragraph": "31"}, key="again", on="2026-10-01")
    assert kept(end, again) == ["again"]


def test_the_last_day_still_counts(make_event: Make) -> None:
    today = make_event("MemberJoined", {"role": "child"}, key="today", valid_to=micros(NOW))
    past = make_event(
        "MemberJoined",
        {"role": "parent"},
        key="past",
        valid_to=micros(datetime(2026, 11, 21, 12, tzinfo=UTC)),
    )
    assert kept(today, past) == ["today"]


def test_the_latest_plan_and_the_latest_worker_of_each_function(make_event: Make) -> None:
    old = make_event("HelpPlanAgreed", {"goals": ["work:a"]}, key="old", on="2026-01-01")
    new = make_event("HelpPlanAgreed", {"goals": ["work:b"]}, key="new", on="2026-06-01")
    first = make_event("WorkerAssigned", {"worker_id": "1", "function": "ja_asd"}, key="w1", on="2026-01-01")
    second = make_event("WorkerAssigned", {"worker_id": "2", "function": "ja_asd"}, key="w2", on="2026-02-01")
    money = make_event("WorkerAssigned", {"worker_id": "3", "function": "ja_wjh"}, key="w3", on="2025-01-01")
    assert kept(new, old, second, first, money) == ["new", "w2", "w3"]


def test_appointments_from_today_in_berlin(make_event: Make) -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # already the 23rd in Berlin
    yesterday = make_event("HelpPlanMeetingScheduled", {"date": date(2026, 11, 22)}, key="22")
    today = make_event("HelpPlanMeetingScheduled", {"date": date(2026, 11, 23)}, key="23")
    assert [event.source_key for event in present_state([yesterday, today], late)] == ["23"]


def test_things_that_only_happened_stay_outside_and_control_data_count(make_event: Make) -> None:
    booked = make_event("AttendanceRecorded", {}, key="happened")
    custody = make_event("CustodyChanged", {"child": "c", "custodians": ["a"]}, key="custody")
    assert kept(booked, custody) == ["custody"]


def test_an_open_agreement_and_its_own_steps(make_event: Make) -> None:
    start = make_event("AgreementMade", {"agreement_ref": "a", "owner": "person"}, key="made")
    said = make_event("AgreementAcknowledged", {"agreement_ref": "a", "by": "person"}, key="acknowledged")
    task = make_event("TaskAssigned", {"task_ref": "t", "owner": "person"}, key="task")
    assert kept(start, said, task) == ["made", "acknowledged", "task"]
    closed = make_event("AgreementClosed", {"agreement_ref": "a", "outcome": "kept"}, key="closed")
    done = make_event("TaskDone", {"task_ref": "t"}, key="done")
    assert kept(start, said, task, closed, done) == []


def test_an_agreement_that_nothing_could_close_is_not_said_again(make_event: Make) -> None:
    assert kept(make_event("AgreementMade", {"owner": "person"}, key="made")) == []


def test_a_matter_that_was_sent_again_counts_with_all_its_steps(make_event: Make) -> None:
    sent = make_event("ReferralSent", {"matter_ref": "m", "addressee": "ja"}, key="sent", on="2026-10-01")
    back = make_event(
        "ReferralTakenBack", {"matter_ref": "m", "addressee": "ja"}, key="back", on="2026-10-02"
    )
    paper = make_event("DocumentReceived", {"matter_ref": "m", "document": "x"}, key="paper", on="2026-10-03")
    assert kept(sent, back, paper) == []
    again = make_event("ReferralSent", {"matter_ref": "m", "addressee": "ja"}, key="again", on="2026-10-04")
    assert kept(sent, back, paper, again) == ["sent", "back", "paper", "again"]


def test_steps_and_ends_of_another_offices_matter_count_for_a_year(make_event: Make) -> None:
    answers = [
        make_event("ReferralQueried", {"matter_ref": "m", "missing": ["x"]}, key="query", on="2025-11-23"),
        make_event("ReferralCompleted", {"matter_ref": "m"}, key="end", on="2026-11-01"),
        make_event("ReferralCompleted", {"matter_ref": "old"}, key="long ago", on="2025-11-21"),
        make_event("ReferralCompleted", {}, key="of no matter", on="2026-11-01"),
    ]
    assert kept(*answers) == ["query", "end"]
