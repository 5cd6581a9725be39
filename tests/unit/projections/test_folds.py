"""Each fold tells its story: what a caseworker reads at the first glance."""

from datetime import date, timedelta
from typing import Any

from projections.agreements import agreements
from projections.matters import matters
from projections.models import FOLDS, models
from projections.plan import plan
from projections.raster import raster
from projections.responsibilities import responsibilities
from projections.talks import talks
from tests.unit.projections.story import AWO, JA, JC, TODAY, Story, brief, keys

DAY = timedelta(days=1)


def test_an_empty_view_has_all_models() -> None:
    assert models(Story().view()) == {name: [] for name in FOLDS}
    assert list(FOLDS) == ["responsibilities", "agreements", "matters", "talks", "plan", "raster", "hints"]


def test_one_answer_to_who_is_responsible() -> None:
    """Herr Kaya follows Frau Lenz; the jobcenter's own worker stands last, a protected one without a name."""
    story = Story()
    story.says(JC, "WorkerAssigned", function="fallmanagement", name="Frau Sand", contact="1", protected=True)
    story.says(JA, "WorkerAssigned", function="asd", name="Frau Lenz", contact="2")
    story.says(JA, "WorkerAssigned", function="asd", name="Herr Kaya", contact="3", language=["tr", "de"])
    story.says(
        JA, "WorkerAssigned", "child", function="asd", name="Herr Kaya", contact="3", language=["tr", "de"]
    )
    story.says(JA, "WorkerAssigned", function="wjh", name="Frau Past", until="2026-11-15")
    story.says(JA, "WorkerAssigned", function="beistand", name="Herr Soon", **{"from": "2026-11-17"})
    rows = responsibilities(story.view())
    assert keys(rows) == {
        frozenset({"agency", "function", "name", "substitute", "contact", "languages", "since"})
    }
    assert brief(rows, "agency", "function", "name", "contact", "languages") == [
        (JA, "asd", "Herr Kaya", "3", ["de", "tr"]),
        (JA, "asd", "Herr Kaya", "3", ["de", "tr"]),
        (JC, "fallmanagement", None, "1", []),
    ]
    assert brief(rows, "since")[0] == ("2026-11-01T10:00:00Z",)


def test_equal_responsibilities_stand_once() -> None:
    story = Story()
    for about in ("mother", "child"):
        story.says(JA, "WorkerAssigned", about, function="asd", name="Herr Kaya", **{"from": "2026-10-01"})
    assert brief(responsibilities(story.view()), "name", "since") == [("Herr Kaya", "2026-10-01")]


def test_agreements_overdue_first_then_open_then_closed() -> None:
    story = Story()
    made = {"owner": "person", "text": "Ich melde mich."}
    story.says(JA, "AgreementMade", agreement_ref="late", due="2026-11-15", **made)
    story.says(JA, "AgreementMade", agreement_ref="today", due="2026-11-16", **made)
    story.says(JA, "AgreementMade", agreement_ref="open", owner="family", code="no_such_code")
    story.says(
        JC, "TaskAssigned", task_ref="t1", owner="jc_case_manager", text="Antrag schicken", due="2026-11-01"
    )
    story.says(JC, "AgreementAcknowledged", agreement_ref="late", by="person")
    story.says(JA, "AgreementAcknowledged", agreement_ref="late", by="jc_case_manager")
    story.says(JA, "AgreementMade", agreement_ref="kept", due="2026-11-01", **made)
    story.says(JC, "AgreementClosed", agreement_ref="kept", outcome="kept", date="2026-11-02")
    story.says(JC, "TaskDone", task_ref="t1", date="2026-11-03")
    story.says(JC, "AgreementClosed", agreement_ref="nobody sees its start", outcome="dropped")
    rows = agreements(story.view())
    assert brief(rows, "ref", "kind", "state") == [
        ("late", "agreement", "overdue"),
        ("today", "agreement", "open"),
        ("open", "agreement", "open"),
        ("t1", "task", "done"),
        ("kept", "agreement", "kept"),
    ]
    assert rows[0] == {
        "ref": "late",
        "about": "mother",
        "kind": "agreement",
        "owner": "person",
        "text": "Ich melde mich.",
        "due": "2026-11-15",
        "state": "overdue",
        "acknowledged_by": ["jc_case_manager", "person"],
        "source": JA,
        "since": "2026-11-01T08:00:00Z",
    }
    assert rows[2]["text"] == "no_such_code"
    assert keys(rows) == {frozenset(rows[0])}


def test_a_matter_has_one_owner_and_one_clock() -> None:
    """The school's paper is missing: the clock runs at the jobcenter until it comes, then at the youth office again."""
    story = Story()
    applied = {"addressee": JA, "benefit": "but", "answer_due": "2026-12-01"}
    stamp = {"project": "Chancen", "worker": "w", "phone": "1"}
    story.says(JC, "ApplicationSubmitted", "child", matter_ref="m1", stamp=stamp, **applied)
    (first,) = matters(story.view())
    assert (first["owner_now"], first["waiting_since"], first["state"]) == (
        "ja_asd",
        "2026-11-01T08:00:00Z",
        "submitted",
    )
    story.says(JA, "ApplicationQueried", "child", matter_ref="m1", addressee=JC, missing=["a", "b"])
    story.says(JC, "DocumentReceived", "child", matter_ref="m1", addressee=JA, document="a")
    (row,) = matters(story.view())
    assert row == {
        "ref": "m1",
        "about": "child",
        "kind": "application",
        "title": "Bildung und Teilhabe",
        "addressee": JA,
        "owner_now": "ja_asd",
        "waiting_since": "2026-11-01T10:00:00Z",
        "due": "2026-12-01",
        "state": "document_received",
        "result": None,
        "missing": ["b"],
        "stamp": stamp,
        "trail": [
            {"at": "2026-11-01T08:00:00Z", "step": "submitted", "by": "jc_case_manager"},
            {"at": "2026-11-01T09:00:00Z", "step": "queried", "by": "ja_asd"},
            {"at": "2026-11-01T10:00:00Z", "step": "document_received", "by": "jc_case_manager"},
        ],
    }
    story.says(JA, "ApplicationDecided", "child", matter_ref="m1", result="granted")
    story.says(JA, "ApplicationQueried", "child", matter_ref="m1", missing=["late"])
    (ended,) = matters(story.view())
    assert (ended["owner_now"], ended["state"], ended["result"]) == (None, "decided", "granted")
    assert [step["step"] for step in ended["trail"]][-1] == "queried"


def test_accepted_after_sent_changes_nothing_and_sent_again_opens() -> None:
    story = Story()
    story.says(JC, "ReferralSent", matter_ref="m1", addressee=AWO, reason_code="zz")
    story.says(AWO, "ReferralAccepted", matter_ref="m1", addressee=JC)
    (row,) = matters(story.view())
    assert (row["owner_now"], row["waiting_since"], row["state"]) == (
        "provider:awo",
        "2026-11-01T08:00:00Z",
        "accepted",
    )
    story.says(AWO, "ReferralDeclined", matter_ref="m1", addressee=JC)
    assert brief(matters(story.view()), "owner_now", "state") == [(None, "declined")]
    story.says(JC, "ReferralSent", matter_ref="m1", addressee=JA, reason_code="zz")
    (again,) = matters(story.view())
    assert (again["owner_now"], again["state"], again["addressee"]) == ("ja_asd", "resubmitted", JA)
    assert again["waiting_since"] == "2026-11-01T11:00:00Z"


def test_matters_longest_wait_first_ended_last() -> None:
    story = Story()
    for ref in ("old", "new", "ended", "ended later"):
        story.says(JC, "ReferralSent", matter_ref=ref, addressee="jc_benefits", reason_code="zz")
    story.says(JC, "ReferralCompleted", matter_ref="ended")
    story.says(JC, "ReferralTakenBack", matter_ref="ended later")
    story.says(JA, "ReferralCompleted", matter_ref="start is not shown")
    rows = matters(story.view())
    assert brief(rows, "ref", "owner_now") == [
        ("old", "jc_benefits"),
        ("new", "jc_benefits"),
        ("ended later", None),
        ("ended", None),
    ]


def test_an_answer_that_came_before_its_start_counts_when_the_start_comes() -> None:
    story = Story()
    story.says(JA, "ReferralAccepted", matter_ref="m1", addressee=JC)
    assert matters(story.view()) == []
    story.says(JC, "ReferralSent", matter_ref="m1", addressee=JA, reason_code="zz")
    (row,) = matters(story.view())
    assert (row["state"], row["owner_now"]) == ("accepted", "ja_asd")
    assert [step["step"] for step in row["trail"]] == ["accepted", "sent"]


def test_talks_to_come_by_time_then_the_others_newest_first() -> None:
    story = Story()
    held: dict[str, Any] = {"kind": "dreiecksgespraech", "participants": ["person", "ja_asd"]}
    story.says(
        JC, "ThreeWayTalkScheduled", talk_ref="next", date="2026-11-20", time="10:00", place="JC", **held
    )
    story.says(JC, "ThreeWayTalkScheduled", talk_ref="sooner", date="2026-11-16", time="09:00", **held)
    story.says(JC, "ThreeWayTalkScheduled", talk_ref="past", date="2026-11-10", **held)
    story.says(JC, "ThreeWayTalkScheduled", talk_ref="off", date="2026-11-18", **held)
    story.says(JC, "TalkCancelled", talk_ref="off", date="2026-11-18", kind="dreiecksgespraech")
    story.says(JA, "FamilyConferenceHeld", talk_ref="conference", date="2026-11-12")
    meeting = story.says(JA, "HelpPlanMeetingScheduled", "child", date="2026-12-01")
    rows = talks(story.view())
    assert brief(rows, "ref", "kind", "state") == [
        ("sooner", "dreiecksgespraech", "planned"),
        ("next", "dreiecksgespraech", "planned"),
        (meeting, "hilfeplan", "planned"),
        ("off", "dreiecksgespraech", "cancelled"),
        ("conference", "familienkonferenz", "held"),
        ("past", "dreiecksgespraech", "planned"),
    ]
    assert rows[1] == {
        "ref": "next",
        "about": "mother",
        "kind": "dreiecksgespraech",
        "date": "2026-11-20",
        "time": "10:00",
        "place": "JC",
        "participants": ["person", "ja_asd"],
        "state": "planned",
    }


def test_the_latest_plan_of_each_source_and_person() -> None:
    story = Story()
    story.says(JA, "HelpPlanAgreed", "child", goals=["school", "home"], review_date="2027-01-01")
    story.says(JA, "HelpPlanAgreed", "child", goals=["school"], review_date="2027-02-01")
    story.says(JC, "CooperationPlanAgreed", goal_code="work", next_review="2027-03-01")
    assert plan(story.view()) == [
        {"about": "child", "source": JA, "goal": "school", "review_date": "2027-02-01"},
        {"about": "mother", "source": JC, "goal": "work", "review_date": "2027-03-01"},
    ]


def test_the_raster_side_by_side_with_the_change() -> None:
    story = Story()
    for step in (2, 3, None):
        story.says(JC, "RasterAssessed", dimension="wohnen", step=step, assessed_by="jobcenter")
    story.says(JA, "RasterAssessed", dimension="wohnen", step=4, assessed_by="family")
    story.says(JA, "RasterAssessed", dimension="arbeit", step=1, assessed_by="youth_office")
    assert raster(story.view()) == [
        {
            "about": "mother",
            "dimension": "arbeit",
            "jobcenter": None,
            "youth_office": 1,
            "family": None,
            "before": {"jobcenter": None, "youth_office": None, "family": None},
        },
        {
            "about": "mother",
            "dimension": "wohnen",
            "jobcenter": None,
            "youth_office": None,
            "family": 4,
            "before": {"jobcenter": 3, "youth_office": None, "family": None},
        },
    ]


def test_overdue_is_by_the_given_day() -> None:
    story = Story()
    story.says(JA, "AgreementMade", agreement_ref="a", owner="person", text="x", due=TODAY.isoformat())
    states = [agreements(story.view(today=day))[0]["state"] for day in (date(2020, 1, 1), TODAY, TODAY + DAY)]
    assert states == ["open", "open", "overdue"]


def test_a_plan_of_which_no_goal_is_shown_keeps_its_review_date() -> None:
    story = Story()
    story.says(JA, "HelpPlanAgreed", "child", review_date="2027-01-01")
    assert plan(story.view()) == [{"about": "child", "source": JA, "goal": None, "review_date": "2027-01-01"}]


def test_a_talk_keeps_what_its_newest_step_does_not_show() -> None:
    """The other office's step is shown without participants: one's own list stays."""
    story = Story()
    story.says(
        JC, "ThreeWayTalkScheduled", "fam", talk_ref="t", date="2026-11-20", participants=["person", "ja_asd"]
    )
    story.says(JA, "ThreeWayTalkHeld", "fam", talk_ref="t", date="2026-11-21", place="JA")
    assert brief(talks(story.view()), "date", "place", "participants", "state") == [
        ("2026-11-21", "JA", ["person", "ja_asd"], "held")
    ]


def test_a_query_after_the_end_asks_for_nothing() -> None:
    story = Story()
    story.says(JC, "ReferralSent", matter_ref="m", addressee=JA, reason_code="zz")
    story.says(JA, "ReferralCompleted", matter_ref="m")
    story.says(JA, "ReferralQueried", matter_ref="m", missing=["ausweis"])
    assert brief(matters(story.view()), "state", "missing") == [("completed", [])]
