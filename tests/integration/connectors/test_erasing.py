"""After an erasure the connector publishes nothing of the person again, until a later consent asks for the present."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.pipeline.state.backfill_requests import Backfills
from hub.domain.clock import micros
from hub.ports import KeyRef

JC = "jc-seestadt"
Envelope = dict[str, Any]


def events_of(offices: Any, subject: str) -> list[Envelope]:
    return [e for e in offices.envelopes(JC, "events") if e["subject_ref"] == subject]


def erased(
    offices: Any, tools: Any, *, days: int = 1, kind: str = ""
) -> tuple[str, Sequence[Envelope], datetime]:
    """A person of whom events were published (one of this kind), and of whom the hub has just erased them."""
    for day in range(days):
        offices.write_day(day)
        offices.step(offices.source(JC), tools.evening(day))
        offices.close_all()
    subject = next(
        e["subject_ref"]
        for e in offices.envelopes(JC, "events")
        if e["subject_ref"].startswith("p_") and kind in e["event_type"]
    )
    before = events_of(offices, subject)
    at = tools.evening(days - 1) + timedelta(hours=1)
    offices.keys(JC).destroy(KeyRef("box", JC, subject))
    offices.erased(JC, subject, at)
    return subject, before, at


def later_consent(offices: Any, subject: str, at: datetime, **changes: Any) -> None:
    names = ("recipients", "recipient_workers", "purposes", "categories", "notices")
    old = next(
        content
        for e in offices.envelopes(JC, "consents")
        if e["event_type"] == "ConsentGranted" and e["subject_ref"] == subject
        for content in [offices.content(JC, e)]
        if content["sender"] == JC
    )
    consent = {
        "id": "later",
        "sender": JC,
        "signed": True,
        "form": "written",
        "text_version": "2",
        "proof_hash": "sha256:0",
        **{name: list(old.get(name) or ()) for name in names},
        "explicit_special": False,
        "granted_at": at.isoformat(),
        "valid_until": None,
        "withdrawn_at": None,
        "scoped_withdrawals": [],
        **changes,
    }
    offices.register(JC, subject, consent, at)


def test_nothing_is_published_again_not_even_after_a_restart_or_from_the_start(
    offices: Any, tools: Any
) -> None:
    subject, before, at = erased(offices, tools)
    for minute in range(2):
        connector = offices.source(JC)
        offices.step(connector, at + timedelta(minutes=minute))
        for stream in connector._config.streams:
            connector._state.restart(stream)
        connector._state.db.execute("DELETE FROM seen")
        connector._state.db.commit()
        report = offices.step(connector, at + timedelta(minutes=minute, seconds=30))
        assert report.withheld["erased"] > 0
        offices.close_all()
    assert events_of(offices, subject) == before


def test_the_state_keeps_refs_and_numbers_and_nothing_of_what_they_were(offices: Any, tools: Any) -> None:
    _, before, at = erased(offices, tools)
    connector = offices.source(JC)
    offices.step(connector, at)
    refs = {e["record_ref"] for e in before}
    kept = connector._state.published(refs)
    assert kept.keys() == refs
    assert {(one.whole, one.kept, one.ground) for one in kept.values()} == {(b"", frozenset(), frozenset())}


@pytest.mark.parametrize("restart", [False, True])
def test_a_later_consent_publishes_the_present_state_under_new_numbers(
    offices: Any, tools: Any, *, restart: bool
) -> None:
    subject, before, at = erased(offices, tools)
    connector = offices.source(JC)
    offices.step(connector, at)
    if restart:
        offices.close_all()
        connector = offices.source(JC)
    later_consent(offices, subject, at + timedelta(minutes=1))
    report = offices.step(connector, at + timedelta(minutes=2))
    assert report.republished == report.published > 0
    again = events_of(offices, subject)[len(before) :]
    assert again
    assert numbers(before).isdisjoint(numbers(again))
    assert all(offices.content(JC, e) for e in again)


def test_given_once_more_nothing_erased_comes_back_and_of_what_came_back_no_more(
    offices: Any, tools: Any
) -> None:
    subject, before, at = erased(offices, tools, days=6, kind="MeasureEnded")
    connector = offices.source(JC)
    offices.step(connector, at)
    assert given_again(offices, connector, at + timedelta(minutes=1)) > 0
    assert events_of(offices, subject) == before
    later_consent(offices, subject, at + timedelta(minutes=2))
    offices.step(connector, at + timedelta(minutes=3))
    present = numbers(events_of(offices, subject)[len(before) :])
    assert given_again(offices, connector, at + timedelta(minutes=4)) > 0
    again = numbers(events_of(offices, subject)[len(before) + len(present) :])
    assert again == present


def given_again(offices: Any, connector: Any, at: datetime) -> int:
    """All streams once more; how many events stayed because they are erased."""
    requests, erased = Backfills(connector._state.db), 0
    with connector._state.transaction():
        requests.ask(connector._config.streams, 1000, micros(at))
    while requests.open():
        erased += offices.step(connector, at).withheld.get("erased", 0)
    return erased


def numbers(envelopes: Sequence[Envelope]) -> set[tuple[bytes, int]]:
    return {(e["event_id"], e["publication"]) for e in envelopes}


def test_a_consent_from_before_the_erasure_brings_nothing_back(offices: Any, tools: Any) -> None:
    subject, before, at = erased(offices, tools)
    later_consent(offices, subject, at - timedelta(minutes=30))
    connector = offices.source(JC)
    offices.step(connector, at + timedelta(minutes=2))
    assert events_of(offices, subject) == before
    later_consent(offices, subject, at + timedelta(minutes=5), id="ended", valid_until=at.isoformat())
    offices.step(connector, at + timedelta(minutes=6))
    assert events_of(offices, subject) == before


def test_whom_the_agency_itself_knows_no_more_loses_the_pseudonym(
    offices: Any, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, _, at = erased(offices, tools)
    connector = offices.source(JC)
    monkeypatch.setattr(connector._source, "subjects", lambda ids: iter(()))
    assert connector._pseudonyms.local([subject])
    connector._register.refresh(set())
    connector._learning._heed_erasure(subject, at)
    assert not connector._pseudonyms.local([subject])
