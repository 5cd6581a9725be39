"""Control records that nobody can use once they are opened: they decide nothing or narrow, and somebody learns why."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hub.cli.doctor.store import store_checks
from hub.config import load_settings
from hub.domain.envelope import Envelope
from hub.errors import DataError, KeyServiceUnavailable
from hub.metrics.store import StoreCollector
from hub.ports import KeyRef, KeyStore
from hub.stages.timers import tick
from hub.stages.unusable import UNCHECKED, check
from tests.support.world import CHILD, JA, JC, MASTER, MOTHER, World

SECRET = "Geheim-4711"
LONG = SECRET + "x" * 15_000
NUL = f"{SECRET}\0"
BEYOND: Mapping[str, Mapping[str, Any]] = {
    "ConsentGranted": {"id": "c9", "recipient_workers": [SECRET.ljust(78, "x")]},
    "ConsentWithdrawn": {"consent_id": "c1", "reason": NUL},
    "ConsentExpired": {"consent_id": "c1", "reason": NUL},
    "CustodyChanged": {"child": NUL, "custodians": []},
    "ObjectionRaised": {"norm": LONG},
    "IdentityLinked": {"refs": [NUL]},
    "IdentitySplit": {"refs": [LONG]},
    "ErasureRequested": {"norm": NUL},
}
"""Content beyond the limits, of every sealed control record that holds a text."""
FINE: Mapping[str, Mapping[str, Any]] = {
    "ConsentGranted": {"id": "c9"},
    "ConsentWithdrawn": {"consent_id": "c1"},
    "ConsentExpired": {"consent_id": "c1"},
    "SubjectRecorded": {"birth_date": date(1990, 1, 1)},
    "CustodyChanged": {"child": "p_1", "custodians": ["p_2"]},
    "ObjectionRaised": {"norm": "76"},
    "IdentityLinkProposed": {"refs": ["jc-a:p_1"]},
    "IdentityLinked": {"refs": ["jc-a:p_1"]},
    "IdentitySplit": {"refs": ["jc-a:p_1"]},
    "ErasureRequested": {"norm": "x"},
}
NARROWS = {"ConsentWithdrawn", "ConsentExpired", "ObjectionRaised", "IdentitySplit", "ErasureRequested"}
BOXES: Mapping[str, Callable[[bytes], bytes]] = {
    "unsealed": lambda box: box[:-1] + bytes([box[-1] ^ 1]),
    "key_erased": lambda box: b"\x00\x00\x01\x00" + box[4:],
}


@pytest.fixture
def world(small: World) -> World:
    small.know_family()
    small.jc.grants("c1", MOTHER, ["EG"])
    small.measure(["c1"])
    small.run()
    small.wait(hours=1)
    return small


def _draft(world: World, event_type: str, payload: Mapping[str, Any]) -> Envelope:
    consent = {"ConsentGranted": "c9", "ConsentWithdrawn": "c1", "ConsentExpired": "c1"}.get(event_type)
    return world.jc.draft(event_type, MOTHER, payload, key=f"unusable {event_type}", consent_id=consent)


def _told(world: World) -> dict[str, str]:
    """Event id → reason."""
    return {row["item"].split(":")[1]: row["reason"] for row in world.rows("quarantine_item")}


def _doctor(world: World) -> dict[str, bool]:
    return {one.name: one.ok for one in store_checks(load_settings(data=world.data, kek=MASTER))}


def _metrics(world: World) -> str:
    registry = CollectorRegistry()
    registry.register(StoreCollector(world.parts))
    return generate_latest(registry).decode()


def _expect(world: World, envelopes: Sequence[Envelope], why: str) -> None:
    """Each is told by its id and reason alone, and by how many the metrics."""
    reasons = {
        one.event_id.hex(): f"narrowed_{why}" if one.event_type in NARROWS else why for one in envelopes
    }
    assert _told(world) == reasons
    doctor, metrics = _doctor(world), _metrics(world)
    for reason, number in Counter(reasons.values()).items():
        assert f'hub_quarantine_records{{agency="{JC}",reason="{reason}"}} {number}.0' in metrics
        assert not doctor["broken_narrowing" if reason.startswith("narrowed_") else "control_records"]
    assert SECRET not in repr(world.rows("quarantine_item")) + metrics


def test_content_beyond_the_limits_is_told(world: World) -> None:
    doctor = _doctor(world)
    assert doctor["control_records"]
    assert doctor["broken_narrowing"]
    envelopes = [_draft(world, event_type, payload) for event_type, payload in BEYOND.items()]
    for one in envelopes:
        world.jc.send(one)
    world.run()
    _expect(world, envelopes, "past_limits")
    assert world.seen(JA, "ja_asd") == []


@pytest.mark.parametrize("why", sorted(BOXES))
def test_a_box_that_nobody_opens_is_told(world: World, why: str) -> None:
    envelopes = []
    for event_type, payload in FINE.items():
        good = _draft(world, event_type, payload)
        ((category, box),) = good.boxes.items()
        envelopes.append(good._replace(boxes={category: BOXES[why](box)}))
        world.jc.send(envelopes[-1])
    world.run()
    _expect(world, envelopes, why)
    assert world.seen(JA, "ja_asd") == []


def test_a_consent_that_lacks_what_it_is_judged_by_is_told(world: World) -> None:
    envelope = _draft(world, "ConsentGranted", {"id": "c9", "sender": JC})
    world.jc.send(envelope)
    world.run()
    _expect(world, [envelope], "incomplete")


def test_a_record_that_waits_for_such_a_consent_is_held_and_others_go_on(world: World) -> None:
    world.jc.send(_draft(world, "ConsentGranted", BEYOND["ConsentGranted"]))
    world.measure(["c9"], key="waits")
    world.run()
    assert [row["reason"] for row in world.rows("held")] == ["consent_unknown"]
    world.jc.grants("c9", MOTHER, ["EG"], key="said again")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted", "MeasureStarted"]


def test_nothing_waits_for_a_key_that_only_this_asks_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consent and a withdrawal are taken while the key service is away; both are opened when it is back."""
    opening = type(world.parts.keys).opening

    def away(_: object, wanted: Collection[object]) -> dict[object, object]:
        if wanted:
            raise KeyServiceUnavailable("no keys", place="key service", remedy="start it")
        return {}

    consent = _draft(world, "ConsentGranted", BEYOND["ConsentGranted"])
    withdrawal = _draft(world, "ConsentWithdrawn", BEYOND["ConsentWithdrawn"])
    world.jc.grants("c8", MOTHER, ["LS"])
    for one in (consent, withdrawal):
        world.jc.send(one)
    monkeypatch.setattr(type(world.parts.keys), "opening", away)
    with pytest.raises(KeyServiceUnavailable):
        world.run()
    assert set(_told(world).values()) == {UNCHECKED}
    assert len(world.rows("quarantine_item")) == 3
    monkeypatch.setattr(type(world.parts.keys), "opening", opening)
    tick(world.parts)
    assert _told(world) == {
        consent.event_id.hex(): "past_limits",
        withdrawal.event_id.hex(): "narrowed_past_limits",
    }


def test_a_record_whose_key_is_refused_keeps_no_other_from_being_opened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, bad = type(world.parts.keys).opening, world.jc.ref("refused")

    def away(_: object, wanted: Collection[object]) -> dict[object, object]:
        if wanted:
            raise KeyServiceUnavailable("no keys", place="key service", remedy="start it")
        return {}

    def refuse(self: KeyStore, wanted: Collection[tuple[KeyRef, int]]) -> Mapping[Any, Any]:
        asked = list(wanted)
        if any(ref.subject == bad for ref, _ in asked):
            raise DataError("refused", reason="refused_by_keys", place="key database", remedy="none")
        return opening(self, asked)

    world.jc.withdraws("c7", "refused")
    beyond = _draft(world, "ConsentWithdrawn", BEYOND["ConsentWithdrawn"])
    world.jc.send(beyond)
    monkeypatch.setattr(type(world.parts.keys), "opening", away)
    with pytest.raises(KeyServiceUnavailable):
        world.run()
    monkeypatch.setattr(type(world.parts.keys), "opening", refuse)
    assert check(world.parts) == 2
    told = _told(world)
    assert told.pop(beyond.event_id.hex()) == "narrowed_past_limits"
    assert list(told.values()) == ["refused_by_keys"]


def test_a_usable_record_leaves_nothing_behind(world: World) -> None:
    world.ja.held_by(CHILD, [MOTHER])
    world.jc.grants("c2", MOTHER, ["LS"])
    world.jc.withdraws("c2", MOTHER)
    world.ja.say("ObjectionRaised", CHILD, {"norm": "Art. 21 GDPR"})
    world.run()
    assert world.rows("quarantine_item") == []
