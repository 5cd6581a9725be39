"""Rule 7: what narrows takes effect even when it is broken, and stands in quarantine besides."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hub.cli.doctor.store import store_checks
from hub.config import load_settings
from hub.domain.clock import micros
from hub.domain.envelope import Envelope
from hub.domain.seal import place, seal
from hub.metrics.store import StoreCollector
from hub.operations.audit.verify import verify
from hub.operations.quarantine_release import drop, release, retry
from hub.operations.rebuild import rebuild
from hub.ports import KeyRef, Outgoing
from hub.rights.event_history.trail import trail
from hub.sealed.decode import encode_envelope
from hub.stages import consents
from hub.store import erasures
from hub.store.erasures import ErasureRequest
from schemas import by_fingerprint, event_schema
from tests.support.world import CHILD, JA, JC, MASTER, MOTHER, World

Spoil = Callable[[Envelope], Envelope]


@pytest.fixture
def world(small: World) -> World:
    small.shared()
    small.wait(hours=1)
    return small


@dataclass(frozen=True, slots=True)
class Broken:
    """One way in which a record can be broken, and the reason under which it stands in quarantine."""

    reason: str
    spoil: Spoil = lambda good: good
    garble: Callable[[bytes], bytes] = lambda value: value


def _with(**changed: Any) -> Spoil:
    return lambda good: good._replace(**changed)


def _field(**more: str) -> Spoil:
    return lambda good: good._replace(fields={**good.fields, **more})


BROKEN = {
    "schema of another release": Broken("unknown_schema", _with(schema=b"newschma")),
    "schema of another event": Broken(
        "wrong_topic", _with(schema=event_schema("ConsentGranted").fingerprint)
    ),
    "event type with a blank": Broken(
        "wrong_topic", lambda good: good._replace(event_type=f"{good.event_type} ")
    ),
    "event type of nobody": Broken("wrong_topic", _with(event_type="Anything")),
    "field too many": Broken("unknown_field", _field(channel="CT")),
    "wrong label": Broken(
        "wrong_label", lambda good: good._replace(fields={**good.fields, **dict.fromkeys(good.fields, "EG")})
    ),
    "box missing": Broken("unsealed", _with(boxes={})),
    "box too many": Broken("unsealed", lambda good: good._replace(boxes={**good.boxes, "EG": b"x" * 60})),
    "box too short": Broken("unsealed", _with(boxes={"CT": b"x"})),
    "held without a field": Broken("unsealed", _with(held=["nothing"])),
    "recorded in the year 3000": Broken("unreadable", _with(recorded_at=32_503_680_000_000_000)),
    "happened at the end of time": Broken("unreadable", _with(occurred_at=2**63 - 1)),
    "happened before all time": Broken("unreadable", _with(occurred_at=-(2**63))),
    "valid until the end of time": Broken("unreadable", _with(valid_until=2**62)),
    "case with a tab": Broken("unreadable", lambda good: good._replace(case_ref=good.case_ref + "\t")),
    "case with a blank": Broken("unreadable", lambda good: good._replace(case_ref=f"{good.case_ref} ")),
    "case with a NUL": Broken("unreadable", lambda good: good._replace(case_ref="\0")),
    "case without end": Broken("unreadable", _with(case_ref="f_" + "x" * 5000)),
    "confider with a NUL": Broken("unreadable", _with(entrusted_by="\0")),
    "ground without end": Broken("unreadable", _with(consents=["c" * 5000])),
    "connection that is no date": Broken("unreadable", _with(connection="gestern")),
    "controller with a tab": Broken("unreadable", _with(controller_id=f"{JC}\t")),
    "envelope of another release": Broken(
        "unknown_schema", garble=lambda value: value[:2] + b"12345678" + value[10:] + b"more"
    ),
    "no header": Broken("unknown_schema", garble=lambda value: bytes(10) + value[10:]),
    "cut off": Broken("undecodable", garble=lambda value: value[:-7]),
    "too long": Broken("undecodable", garble=lambda value: value + bytes(1 << 20)),
    "no UTF-8": Broken("undecodable", garble=lambda value: value.replace(b"SGB II", b"SGB \xff\xff")),
}
NAMING_NOBODY = {
    "consent with a tab": Broken("unreadable", _with(consent_id="c1\t")),
    "consent without end": Broken("unreadable", _with(consent_id="c1" * 5000)),
    "subject with a tab": Broken(
        "unreadable", lambda good: good._replace(subject_ref=good.subject_ref + "\t")
    ),
    "subject with a blank": Broken(
        "unreadable", lambda good: good._replace(subject_ref=f"{good.subject_ref} ")
    ),
    "subject without end": Broken("unreadable", _with(subject_ref="p_" + "x" * 5000)),
    "another family": Broken("unreadable", _with(subject_ref="f_another")),
    "cut off before the consent": Broken("undecodable", garble=lambda value: value[:180]),
}


def _send(world: World, broken: Broken, event_type: str = "ConsentWithdrawn", **facts: Any) -> None:
    payload = {"consent_id": "c1"} if event_type == "ConsentWithdrawn" else facts.pop("payload")
    if event_type == "ConsentWithdrawn":
        facts = {"consent_id": "c1", **facts}
    good = world.jc.draft(event_type, MOTHER, payload, key="broken", **facts)
    value = broken.garble(encode_envelope(broken.spoil(good)))
    world.jc.put("consents", Outgoing(good.subject_ref.encode(), value))


def _reasons(world: World) -> list[str]:
    return [row["reason"] for row in world.rows("quarantine")]


@pytest.mark.parametrize("name", [*BROKEN, *NAMING_NOBODY])
def test_a_broken_withdrawal_takes_effect_and_stands_in_quarantine(world: World, name: str) -> None:
    broken = (BROKEN | NAMING_NOBODY)[name]
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    _send(world, broken)
    world.run()
    assert world.seen(JA, "ja_asd") == []
    left = [part.sender for part in world.open(JA, "ja_asd").redacted.parts]
    assert left == (
        [] if name in ("consent with a tab", "consent without end", "cut off before the consent") else [JA]
    )
    assert _reasons(world) == [f"narrowed_{broken.reason}"]
    world.measure(key="after the withdrawal")
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert world.seen(JC, "jc_case_manager") == (["HelpStarted"] if left else [])
    assert world.divergence() == 0
    assert world.seen(JA, "ja_asd") == []


@pytest.mark.parametrize("spoil", [_with(controller_id=JA), _with(consent_id=None, subject_ref="\0")])
def test_a_record_that_speaks_for_another_or_names_nobody_takes_no_effect(world: World, spoil: Spoil) -> None:
    good = spoil(world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1"))
    world.jc.put("consents", Outgoing(b"\0", encode_envelope(good)))
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert len(_reasons(world)) == 1
    assert not _reasons(world)[0].startswith("narrowed_")


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize(
    ("event_type", "payload"),
    [
        ("ObjectionRaised", {"norm": "§ 21 Abs. 1"}),
        ("IdentitySplit", {"refs": [], "confirmed_by": ["w1"]}),
        ("ErasureRequested", {"norm": "Art. 17"}),
    ],
)
def test_whatever_narrows_takes_effect_though_broken(
    small: World, name: str, event_type: str, payload: dict[str, Any]
) -> None:
    small.know_family()
    small.jc.grants(
        "c1", MOTHER, ["EG", "G9"], payload={"explicit_special": True, "recipient_workers": ["w1"]}
    )
    small.measure(source_203=True)
    small.run()
    assert len(small.open(JA, "ja_asd").redacted.parts) == 1
    small.wait(hours=1)
    _send(small, BROKEN[name], event_type, payload=payload)
    small.run()
    assert small.open(JA, "ja_asd").redacted.parts == ()
    assert _reasons(small) == [f"narrowed_{BROKEN[name].reason}"]
    assert len(small.rows("erasure")) == (event_type == "ErasureRequested")


@pytest.mark.parametrize(
    ("event_type", "payload"),
    [
        ("ObjectionRaised", {"norm": "76", "scope": "Befunde"}),
        ("ErasureRequested", {"norm": "Art. 17", "scope": "alles"}),
    ],
)
def test_a_scope_that_a_connector_of_an_older_release_left_in_clear_stops_nobody(
    world: World, event_type: str, payload: dict[str, Any]
) -> None:
    _send(world, Broken("", _with(scope='"Befunde"')), event_type, payload=payload)
    world.measure(key="after the objection")
    world.run()
    assert world.rows("quarantine") == []
    assert world.rows("parked") == []
    (row,) = [row for row in world.rows("consent_row") if row["event_type"] == event_type]
    assert row["scope"] is None


def test_a_broken_withdrawal_takes_effect_behind_a_quarantined_record(world: World) -> None:
    world.jc.send(world.jc.draft("SubjectRecorded", MOTHER, {"capable": True}), value=b"no envelope")
    world.run()
    _send(world, BROKEN["box missing"])
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert sorted(_reasons(world)) == ["narrowed_unsealed", "unknown_schema"]


def test_a_broken_withdrawal_says_the_same_however_often_it_comes(world: World) -> None:
    for _ in range(3):
        _send(world, BROKEN["box missing"])
    world.run()
    assert len([row for row in world.rows("consent_row") if row["event_type"] == "ConsentWithdrawn"]) == 1
    assert len(_reasons(world)) == 3


def test_releasing_a_broken_withdrawal_takes_nothing_back(world: World) -> None:
    _send(world, BROKEN["schema of another release"])
    world.run()
    (row,) = world.rows("quarantine")
    assert release(world.parts, row["stage"], row["lane"]).left_out == 1
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert world.divergence() == 0
    assert world.seen(JA, "ja_asd") == []
    world.jc.grants("c9", MOTHER, ["EG"])
    world.measure(["c9"], key="after the release")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


@pytest.mark.parametrize("name", ["schema of another release", "field too many"])
def test_a_release_that_knows_more_applies_what_the_last_one_only_quarantined(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as last_release:
        last_release.setattr(consents, "broken_control", lambda secret, record: None)
        _send(world, BROKEN[name])
        world.run()
        assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert consents.narrow_quarantined(world.parts) == 1
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert consents.narrow_all_quarantined(world.parts) == 0
    assert _reasons(world) == [f"narrowed_{BROKEN[name].reason}"]


def test_a_withdrawal_that_names_no_consent_ends_those_of_its_time_only(world: World) -> None:
    _send(world, NAMING_NOBODY["consent with a tab"])
    world.run()
    (row,) = world.rows("quarantine")
    release(world.parts, row["stage"], row["lane"])
    world.wait(hours=1)
    world.jc.grants("c7", MOTHER, ["EG"])
    world.measure(["c7"], key="new")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_metric_and_doctor_tell_that_a_broken_record_took_effect(world: World, folder: Path) -> None:
    settings = load_settings(data=folder, kek=MASTER)

    def check() -> bool:
        return next(one.ok for one in store_checks(settings) if one.name == "broken_narrowing")

    registry = CollectorRegistry()
    registry.register(StoreCollector(world.parts))
    assert check()
    _send(world, BROKEN["box missing"])
    world.run()
    assert not check()
    assert f'hub_broken_narrowing_records{{agency="{JC}"}} 1.0' in generate_latest(registry).decode()
    (row,) = world.rows("quarantine")
    release(world.parts, row["stage"], row["lane"])
    assert check()


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        ('{"categories": ["EG", "XX"], "recipients": ["ja-a"]}', []),
        ('{"categories": ["EG"], "recipients": ["nobody"]}', ["BenefitTotal"]),
        ('{"categories": ["EG"], "recipients": ["ja-a", "nobody"]}', ["BenefitTotal"]),
        ('{"categories": ["XX"], "recipients": ["jc-a"]}', ["BenefitTotal", "MeasureStarted"]),
        ('{"categories": ["EG"], "workers": ["w1"]}', ["BenefitTotal"]),
        ('{"purposes": ["everything"], "categories": ["LS"]}', ["MeasureStarted"]),
        ('{"purposes": ["everything"], "categories": "LS"}', []),
        ('{"recipients": ["nobody"]}', []),
    ],
)
def test_a_scope_withdraws_wholly_where_it_names_anything_unknown(
    world: World, scope: str, seen: list[str]
) -> None:
    world.jc.say("BenefitGranted", MOTHER, {"kind": "RB", "month": "2026-09"}, consents=["c1"])
    world.run()
    world.jc.withdraws("c1", MOTHER, scope=scope)
    world.run()
    assert world.seen(JA, "ja_asd") == seen


def _taking_ids_of(world: World, other: Envelope, *how: str) -> Envelope:
    """A well-formed withdrawal of c1 that bears ids of another event, sealed where it stands."""
    drawn = world.jc.draft(
        "ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, key="reused", consent_id="c1", version=7
    )
    ids = {name: getattr(other, name) for name in how}
    ref = KeyRef("proof", JC, drawn.subject_ref)
    key = world.parts.keys.sealing([ref])[ref]
    changed = drawn._replace(**ids)
    where = place("event", changed.schema, changed.event_id, changed.subject_ref, "CT", key.version)
    plain = event_schema("ConsentWithdrawn").encode_part({"consent_id": "c1"})
    return changed._replace(boxes={"CT": seal(key.cipher, key.version, plain, where)})


@pytest.mark.parametrize(
    "how", [("event_id",), ("event_id", "record_ref"), ("event_id", "record_ref", "source_version")]
)
@pytest.mark.parametrize("whose", ["grant", "birth", "withdrawal", "other agency's"])
def test_a_withdrawal_takes_effect_whatever_ids_it_bears(
    world: World, whose: str, how: tuple[str, ...]
) -> None:
    other = {
        "grant": lambda: world.jc.grants("c8", MOTHER, ["EG"]),
        "birth": lambda: world.jc.born(MOTHER, date(1990, 1, 1)),
        "withdrawal": lambda: world.jc.withdraws("c8", MOTHER),
        "other agency's": lambda: world.ja.withdraws("c7", CHILD),
    }[whose]()
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    drawn = _taking_ids_of(world, other, *how)
    world.jc.send(drawn)
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert _reasons(world) == []
    assert world.divergence() == 0
    world.measure(key="after the withdrawal")
    world.run()
    assert world.seen(JA, "ja_asd") == []
    outcomes = [step.outcome for step in trail(world.parts, drawn.event_id.hex()).steps]
    assert "registered" in outcomes


def test_a_withdrawal_that_bears_the_ids_of_one_of_a_part_withdraws_the_rest(world: World) -> None:
    part = world.jc.withdraws("c1", MOTHER, scope='{"categories": ["LS"]}')
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    world.jc.send(_taking_ids_of(world, part, "event_id", "record_ref", "source_version", "publication"))
    world.run()
    assert world.seen(JA, "ja_asd") == []


def test_an_objection_takes_effect_though_it_bears_the_ids_of_another(small: World) -> None:
    small.know_family()
    small.jc.grants(
        "c1", MOTHER, ["EG", "G9"], payload={"explicit_special": True, "recipient_workers": ["w1"]}
    )
    small.measure(source_203=True)
    small.run()
    small.jc.say("ObjectionRaised", MOTHER, {"norm": "§ 21 Abs. 1"}, key="objection")
    small.run()
    assert len(small.open(JA, "ja_asd").redacted.parts) == 1
    small.jc.say("ObjectionRaised", MOTHER, {"norm": "§ 76 SGB X"}, key="objection")
    small.run()
    assert small.open(JA, "ja_asd").redacted.parts == ()
    small.parts.knowledge.clear()
    assert small.divergence() == 0
    assert small.open(JA, "ja_asd").redacted.parts == ()


def test_a_request_for_erasure_is_executed_though_it_bears_the_id_of_another(world: World) -> None:
    first = world.ja.say("ErasureRequested", CHILD, {"norm": "Art. 17"}, key="erase")
    world.run()
    again = world.jc.draft("ErasureRequested", MOTHER, {"norm": "Art. 17"}, key="erase")
    world.jc.send(again._replace(event_id=first.event_id))
    world.run()
    rows = world.rows("erasure")
    assert {row["subject"] for row in rows} == {f"{JC}:{again.subject_ref}", f"{JA}:{first.subject_ref}"}
    assert all(row["executed_at"] for row in rows)
    assert world.open(JA, "ja_asd").redacted.parts == ()


@pytest.mark.parametrize("hours", [0, 5])
def test_a_request_for_erasure_that_is_published_again_asks_for_nothing_more(
    world: World, hours: int
) -> None:
    at = world.clock.now() + timedelta(hours=hours)
    world.jc.say("ErasureRequested", MOTHER, {"norm": "Art. 17"}, key="erase", at=at)
    world.run()
    world.wait(hours=1)
    world.jc.grants("c9", MOTHER, ["EG"])
    world.measure(["c9"], key="after the erasure")
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    world.jc.say("ErasureRequested", MOTHER, {"norm": "Art. 17"}, key="erase", publication=2, at=at)
    world.run()
    assert len(world.rows("erasure")) == 1
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


def _proof_gone(world: World) -> None:
    """The retention of proofs destroyed the key; the agency sealed with it and had not said so yet."""
    ref = KeyRef("proof", JC, world.jc.ref(MOTHER))
    versions = world.parts.keys.destroy(ref).versions
    with world.parts.store.transaction() as connection:
        erasures.mark_gone(connection, "proof", {f"{JC}:{ref.subject}": max(versions)})


@pytest.mark.parametrize(
    ("event_type", "payload"),
    [
        ("ConsentWithdrawn", {"consent_id": "c1"}),
        ("ErasureRequested", {"norm": "Art. 17"}),
        ("IdentitySplit", {"refs": [], "confirmed_by": ["w1"]}),
    ],
)
def test_what_narrows_takes_effect_under_a_destroyed_key(
    world: World, event_type: str, payload: dict[str, Any]
) -> None:
    late = world.jc.draft(event_type, MOTHER, payload)._replace(consent_id=payload.get("consent_id"))
    _proof_gone(world)
    world.jc.send(late)
    world.run()
    assert [row["event_type"] for row in world.rows("consent_row")].count(event_type) == 1
    assert world.seen(JA, "ja_asd") == []
    assert JC not in {part.sender for part in world.open(JA, "ja_asd").redacted.parts}
    assert len(world.rows("erasure")) == (event_type == "ErasureRequested")
    rebuild(world.parts, "consent_register")
    assert [row["event_type"] for row in world.rows("consent_row")].count(event_type) == 1


@pytest.mark.parametrize(
    ("kind", "name"),
    [("receipts", ""), ("receipts", "box missing"), ("events", ""), *(("events", name) for name in BROKEN)],
)
def test_what_narrows_takes_effect_on_another_topic_of_its_agency(world: World, kind: str, name: str) -> None:
    broken = BROKEN.get(name, Broken(""))
    good = world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1")
    value = broken.garble(encode_envelope(broken.spoil(good)))
    world.jc.put(kind, Outgoing(good.case_ref.encode(), value))
    world.wait(seconds=30)
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert any(reason.startswith("narrowed_") for reason in _reasons(world))
    assert world.divergence() == 0
    assert len([row for row in world.rows("consent_row") if row["event_type"] == "ConsentWithdrawn"]) == 1
    (row,) = [row for row in world.rows("consent_row") if row["event_type"] == "ConsentWithdrawn"]
    assert row["received_at"] == world.records(f"agency.{JC}.{kind}")[-1].timestamp


@pytest.mark.parametrize("kind", ["consents", "events"])
@pytest.mark.parametrize("said", [b"9" * 5_000, b"-1", b"\xb2", b"", b".", b"1.", b"1." + b"\xff" * 32])
def test_a_withdrawal_takes_effect_whatever_its_header_says(world: World, kind: str, said: bytes) -> None:
    good = world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1")
    record = Outgoing(good.subject_ref.encode(), encode_envelope(good), (("received_at", said),))
    world.jc.put(kind, record)
    world.run()
    assert world.seen(JA, "ja_asd") == []


@pytest.mark.parametrize("kind", ["consents", "events"])
@pytest.mark.parametrize("mac", [b"", b"." + b"0" * 32])
def test_an_agency_does_not_say_when_the_hub_received_its_record(world: World, kind: str, mac: bytes) -> None:
    """Set back before the release, the time of receipt would make a right disclosure look like a breach."""
    good = world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1")
    header = ("received_at", b"%d" % micros(world.clock.now() - timedelta(hours=2)) + mac)
    world.jc.put(kind, Outgoing(good.subject_ref.encode(), encode_envelope(good), (header,)))
    world.run()
    assert world.seen(JA, "ja_asd") == []
    (row,) = [row for row in world.rows("consent_row") if row["event_type"] == "ConsentWithdrawn"]
    assert row["received_at"] == micros(world.clock.now())
    assert verify(world.parts).breaches == []


def test_a_scope_that_is_no_list_of_codes_stands_nowhere_in_clear(world: World) -> None:
    world.jc.withdraws("c1", MOTHER, scope='{"purposes": "Kaninchenbau"}')
    world.run()
    assert world.seen(JA, "ja_asd") == []
    assert _reasons(world) == ["narrowed_unreadable"]
    assert not [
        row for row in world.rows("consent_row") if b"Kaninchenbau" in row["envelope"] or row["scope"]
    ]


def test_a_scope_holds_on_another_topic_too(world: World) -> None:
    world.jc.say("BenefitGranted", MOTHER, {"kind": "RB", "month": "2026-09"}, consents=["c1"])
    good = world.jc.draft(
        "ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1", scope='{"categories": ["EG"]}'
    )
    world.jc.put("events", Outgoing(good.case_ref.encode(), encode_envelope(good)))
    world.run()
    assert world.seen(JA, "ja_asd") == ["BenefitTotal"]


@pytest.mark.parametrize("spoil", [_with(controller_id=JA), _with(consent_id=None, subject_ref="\0")])
def test_a_strayed_record_that_speaks_for_another_or_names_nobody_takes_no_effect(
    world: World, spoil: Spoil
) -> None:
    good = spoil(world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1"))
    world.jc.put("events", Outgoing(b"\0", encode_envelope(good)))
    world.run()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]


@pytest.mark.parametrize("verb", ["retry", "drop", "retry what can be read by now"])
@pytest.mark.parametrize("kind", ["consents", "events"])
def test_no_word_of_an_operator_takes_back_what_took_effect(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, verb: str
) -> None:
    scope = '{"categories": ["LB"]}'
    good = world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1", scope=scope)
    later = {"ConsentWithdrawn": event_schema("ConsentWithdrawn")}
    unknown = good._replace(schema=b"newschma")
    world.jc.put(kind, Outgoing(good.subject_ref.encode(), encode_envelope(unknown)))
    world.run()
    assert world.seen(JA, "ja_asd") == []
    stages = {(row["stage"], row["lane"]) for row in world.rows("quarantine")}
    if verb.endswith("now"):
        for module in ("hub.sealed.decode", "hub.sealed.boxes", "hub.sealed.narrowing"):
            monkeypatch.setattr(
                f"{module}.by_fingerprint",
                lambda one: later["ConsentWithdrawn"] if one == b"newschma" else by_fingerprint(one),
            )
    for stage, lane in stages:
        if verb == "drop":
            drop(world.parts, stage, lane, "op", "said again")
        else:
            retry(world.parts, stage, lane)
    world.run()
    assert world.seen(JA, "ja_asd") == []
    world.measure(key="after the operator")
    world.run()
    assert world.divergence() == 0
    world.parts.knowledge.clear()
    assert world.open(JA, "ja_asd").redacted.parts == () or [
        part.sender for part in world.open(JA, "ja_asd").redacted.parts
    ] == [JA]


def test_an_erasure_that_took_effect_broken_is_not_executed_twice(world: World) -> None:
    _send(world, BROKEN["box missing"], "ErasureRequested", payload={"norm": "Art. 17"})
    world.run()
    (row,) = world.rows("quarantine")
    (known,) = world.rows("erasure")
    assert retry(world.parts, row["stage"], row["lane"]).still
    with world.parts.store.transaction() as connection:
        erasures.ask(connection, [ErasureRequest("f" * 32, known["subject"], known["requested_at"])])
    assert len(world.rows("erasure")) == 1
