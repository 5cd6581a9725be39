"""Rules 2, 4, 9 and 12: numbers, new keys, a stale register, and what was withheld is not forgotten."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from hub import failpoints
from hub.ports import KeyRef

JC = "jc-seestadt"
FAIL_POINTS = (
    "connector.before_publish",
    "connector.after_publish",
    "connector.after_save",
    "connector.after_republish",
)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def consent_of(envelope: dict[str, Any], content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A register entry's plaintext, made of a consent that the agency published itself."""
    names = ("recipients", "recipient_workers", "purposes", "categories", "notices")
    return {
        "name": changes.get("id", envelope["consent_id"]),
        "id": content["id"],
        "sender": content["sender"],
        "signed": True,
        "form": "written",
        **{name: list(content.get(name) or ()) for name in names},
        "explicit_special": bool(content.get("explicit_special")),
        "text_version": "2026-01",
        "proof_hash": "sha256:0",
        "granted_at": content["granted_at"].isoformat(),
        "valid_until": None,
        "withdrawn_at": None,
        "scoped_withdrawals": [],
        **changes,
    }


def granted(offices: Any, agency: str = JC) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The consents that the agency published and whose sender it is."""
    found = [
        (e, offices.content(agency, e))
        for e in offices.envelopes(agency, "consents")
        if e["event_type"] == "ConsentGranted"
    ]
    return [(e, c) for e, c in found if c["sender"] == agency]


def test_a_stale_register_closes_the_gate_but_not_the_control_topic(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    connector = offices.source(JC)
    report = connector.step(tools.evening(0))  # no heartbeat ever
    assert (report.closed, report.read) == ("register_stale", 0)
    assert not report.withheld
    assert not offices.envelopes(JC, "events")
    assert offices.envelopes(JC, "consents")
    opened = offices.step(connector, tools.evening(0) + timedelta(minutes=1))
    assert (opened.closed, bool(opened.read)) == ("", True)
    published = offices.envelopes(JC)
    late = connector.step(tools.evening(0) + timedelta(hours=2))  # the heartbeat is two hours old
    assert late.closed == "register_stale"
    assert len(offices.envelopes(JC)) == len(published)
    assert len({(e["event_id"], e["publication"]) for e in published}) == len(published)


def test_control_data_leave_only_for_cases_with_a_consent(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    offices.step(offices.source(JC), tools.evening(0))
    envelopes = offices.envelopes(JC, "consents")
    consented = {e["case_ref"] for e in envelopes if e["event_type"] == "ConsentGranted"}
    spoken = {e["case_ref"] for e in envelopes if e["event_type"] != "IdentityLinkProposed"}
    assert spoken == consented
    assert {e["subject_ref"] for e in envelopes if e["event_type"] == "SubjectRecorded"}


def test_the_hubs_verdict_opens_what_was_withheld(offices: Any, tools: Any) -> None:
    """A child's consent is not signed for the jobcenter, which knows no custody; the hub knows better (rule 9, 12)."""
    offices.write_day(0)
    connector = offices.source(JC)
    first = offices.step(connector, tools.evening(0))
    assert first.withheld["R06"]
    unsigned = {w.subject_ref for w in first.examples if w.rule == "R06"}
    envelope, content = next((e, c) for e, c in granted(offices) if e["subject_ref"] in unsigned)
    now = tools.evening(0) + timedelta(minutes=1)
    offices.register(JC, envelope["subject_ref"], consent_of(envelope, content), now)
    report = offices.step(connector, now)
    assert report.republished == report.published > 0
    shown = [e for e in offices.envelopes(JC, "events") if e["subject_ref"] == envelope["subject_ref"]]
    assert {e["publication"] for e in shown} == {1}
    assert all(envelope["consent_id"] in e["consents"] for e in shown)
    assert not offices.step(connector, now + timedelta(minutes=1)).events
    connector.close()
    again = offices.step(offices.source(JC), now + timedelta(minutes=2))
    assert (again.events, again.published) == (0, 0)


def told(offices: Any, *, signed: bool) -> None:
    """The hub's verdict on every consent of the jobcenter, in its register."""
    for envelope, content in granted(offices):
        offices.register(
            JC, envelope["subject_ref"], consent_of(envelope, content, signed=signed), content["granted_at"]
        )


def until_killed(offices: Any, at: datetime, patch: pytest.MonkeyPatch, point: str, count: int) -> None:
    """A life that ends at the point."""
    connector = offices.source(JC)
    with patch.context() as context:
        _kill_at(context, point, count)
        with pytest.raises(Killed):
            offices.step(connector, at)
    connector.close()


def whole_story(offices: Any, at: datetime) -> list[Any]:
    """What a connector publishes that reads everything at once and then learns that all is signed."""
    connector = offices.source(JC)
    offices.step(connector, at)
    told(offices, signed=True)
    offices.step(connector, at)
    return list(offices.facts(JC))


def test_a_verdict_that_came_and_went_between_two_lives_withholds_nothing(
    make_offices: Callable[..., Any], tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub finds a consent unsigned as long as it lacks control data, then signed, as the gate had it at first: what
    a life in between read and withheld is published all the same (rules 9 and 12)."""
    whole, broken = make_offices("whole"), make_offices("broken")
    now = tools.evening(0)
    for offices in (whole, broken):
        offices.write_day(0)
    broken.edit(JC, lambda toml: toml.replace("[connector]\n", "[connector]\nbatch = 20\n"))
    until_killed(broken, now, monkeypatch, "connector.after_save", 4)
    told(broken, signed=False)
    until_killed(broken, now, monkeypatch, "connector.after_republish", 1)
    assert broken.facts(JC) != whole_story(whole, now)
    told(broken, signed=True)
    broken.step(broken.source(JC), now)
    assert broken.facts(JC) == whole.facts(JC)


def test_a_verdict_that_came_and_went_within_a_backlog_withholds_nothing(
    make_offices: Callable[..., Any], tools: Any
) -> None:
    """The same within one life, which comes to publish again only when its backlog is read."""
    whole, broken = make_offices("whole"), make_offices("broken")
    now = tools.evening(0)
    for offices in (whole, broken):
        offices.write_day(0)
    small = "[connector]\nbatch = 20\nbatches_per_step = 4\n"
    broken.edit(JC, lambda toml: toml.replace("[connector]\n", small))
    connector = broken.source(JC)
    assert broken.step(connector, now).more
    told(broken, signed=False)
    between = broken.step(connector, now)
    assert between.more
    assert sum(between.withheld.values()) > 0
    told(broken, signed=True)
    while broken.step(connector, now).more:
        pass
    assert broken.facts(JC) == whole_story(whole, now)


def test_a_wider_consent_publishes_the_present_state_under_the_next_number(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    connector = offices.source(JC)
    offices.step(connector, tools.evening(0))
    before = offices.envelopes(JC, "events")
    subject = before[0]["subject_ref"]
    envelope, content = next((e, c) for e, c in granted(offices) if e["subject_ref"] == subject)
    mine = {e["record_ref"]: e for e in before if e["subject_ref"] == subject}
    now = tools.evening(0) + timedelta(minutes=1)
    wider = consent_of(
        envelope, content, id="NEU-1", categories=[*content["categories"], "G9"], explicit_special=True
    )
    offices.register(JC, subject, wider, now)
    report = offices.step(connector, now)
    assert report.republished
    after = [
        e for e in offices.envelopes(JC, "events") if e["subject_ref"] == subject and "NEU-1" in e["consents"]
    ]
    for event in after:
        old = mine.get(event["record_ref"])
        assert event["publication"] == (old["publication"] + 1 if old else 1)
        assert old is None or event["event_id"] == old["event_id"]


def test_a_withdrawal_narrows_and_publishes_nothing_again(offices: Any, tools: Any) -> None:
    offices.write_day(0)
    connector = offices.source(JC)
    offices.step(connector, tools.evening(0))
    envelope, content = granted(offices)[0]
    events = len(offices.envelopes(JC, "events"))
    at = "2026-11-16 21:30:00.000000"
    values = {
        "WIDERRUF_NR": "W1",
        "EINW_NR": content["id"],
        "WIDERRUFEN_AM": at,
        "UMFANG": "GESAMT",
        "GRUND": "01",
    }
    values |= {"GELOESCHT_KZ": "N", "GEAENDERT_AM": at}
    columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    insert = f"INSERT INTO T_EINWILLIGUNG_WIDERRUF ({columns}) VALUES ({marks})"  # noqa: S608
    _execute(offices.database, insert, **values)
    now = tools.evening(0) + timedelta(hours=1)
    report = offices.step(connector, now)
    assert report.published == 1
    (withdrawn,) = [e for e in offices.envelopes(JC, "consents") if e["event_type"] == "ConsentWithdrawn"]
    assert (withdrawn["consent_id"], withdrawn["scope"]) == (envelope["consent_id"], None)
    assert content["id"] not in str(offices.envelopes(JC))
    assert len(offices.envelopes(JC, "events")) == events
    who = "(SELECT KDNR FROM T_EINWILLIGUNG WHERE EINW_NR = :id)"
    set_ = "SET TELEFON = '1', GEAENDERT_AM = '2026-11-16 21:40:00.000000'"
    _execute(offices.database, f"UPDATE T_PERSON {set_} WHERE KDNR = {who}", id=content["id"])
    report = offices.step(connector, now + timedelta(minutes=1))
    assert report.withheld.keys() == {"R04"}
    assert not report.published


def test_a_new_key_version_publishes_again(offices: Any, tools: Any) -> None:
    """Rule 4: boxes of a fenced version are withheld at admission; the register names the new one."""
    offices.write_day(0)
    connector = offices.source(JC)
    offices.step(connector, tools.evening(0))
    subject = offices.envelopes(JC, "events")[0]["subject_ref"]
    connector.close()
    offices.keys(JC).destroy(KeyRef("box", JC, subject))
    now = tools.evening(0) + timedelta(minutes=1)
    offices.new_key(JC, subject, 2, now)
    report = offices.step(offices.source(JC), now)
    assert report.republished == report.published > 0
    again = [
        e for e in offices.envelopes(JC, "events") if e["subject_ref"] == subject and e["publication"] == 2
    ]
    assert len(again) == report.republished
    assert all(offices.content(JC, envelope) for envelope in again)


def test_a_running_connector_seals_with_the_key_that_the_hub_has_named(offices: Any, tools: Any) -> None:
    """Although it remembers an older one: nobody waits until that is forgotten."""
    offices.write_day(0)
    connector = offices.source(JC)
    offices.step(connector, tools.evening(0))
    subject = offices.envelopes(JC, "events")[0]["subject_ref"]
    offices.keys(JC).destroy(KeyRef("box", JC, subject))
    now = tools.evening(0) + timedelta(minutes=1)
    offices.new_key(JC, subject, 2, now)
    report = offices.step(connector, now)
    assert report.republished == report.published > 0


@pytest.mark.parametrize("point", FAIL_POINTS)
@pytest.mark.parametrize("agency", ["jc-seestadt", "ja-seestadt"])
def test_killed_anywhere_it_ends_like_one_run(
    make_offices: Callable[..., Any], tools: Any, monkeypatch: pytest.MonkeyPatch, point: str, agency: str
) -> None:
    whole, broken = make_offices("whole"), make_offices("broken")
    for offices in (whole, broken):
        offices.edit(agency, lambda toml: toml.replace("[connector]\n", "[connector]\nbatch = 9\n"))
    ends: list[tuple[Any, ...]] = []
    for offices in (whole, broken):
        deadly = offices is broken
        connector = None
        for day in range(3):
            offices.write_day(day)
            for count in (1, 2, 5) if deadly else ():
                connector = connector or offices.source(agency)
                with monkeypatch.context() as patch:
                    _kill_at(patch, point, count)
                    try:
                        offices.step(connector, tools.evening(day))
                    except Killed:
                        connector.close()
                        connector = None
            connector = connector or offices.source(agency)
            offices.step(connector, tools.evening(day))
        ends.append(tuple(offices.facts(agency)))
    assert ends[0] == ends[1]


def test_after_a_crash_the_same_number_comes_again(
    offices: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    offices.write_day(0)
    connector = offices.source(JC)
    with monkeypatch.context() as patch:
        _kill_at(patch, "connector.after_publish", 1)
        with pytest.raises(Killed):
            offices.step(connector, tools.evening(0))
    connector.close()
    sent = {(e["event_id"], e["publication"], e["recorded_at"]) for e in offices.envelopes(JC)}
    offices.step(offices.source(JC), tools.evening(0) + timedelta(hours=1))
    every = [(e["event_id"], e["publication"], e["recorded_at"]) for e in offices.envelopes(JC)]
    twice = {one for one in every if every.count(one) == 2}
    assert sent <= twice
    assert {number for _, number, _ in every} == {1}


def _kill_at(patch: pytest.MonkeyPatch, point: str, count: int) -> None:
    left = [count]

    def reach(name: str) -> None:
        if name == point:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

    patch.setattr(failpoints, "_observers", [reach])


def _execute(database: Path, statement: str, **values: str) -> None:
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()
