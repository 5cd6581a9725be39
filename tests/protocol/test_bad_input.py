"""What a connector must not send: each ends as a row with a reason and a place, and only its own case waits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pytest

from hub.domain.envelope import Envelope
from hub.domain.seal import place, seal
from hub.operations.quarantine_release import release
from hub.ports import KeyRef
from schemas import limits
from tests.support.world import CHILD, JA, MOTHER, World


@dataclass(frozen=True, slots=True)
class Bad:
    """One way of being wrong: the envelope or the bytes instead of a good one, and what becomes of it."""

    reason: str
    spoil: Callable[[World, Envelope], Envelope] = lambda world, good: good
    value: bytes = b""
    outcome: str = "quarantined"


def _box(envelope: Envelope, box: bytes) -> Envelope:
    return envelope._replace(boxes={"EG": box})


def _flip(world: World, good: Envelope) -> Envelope:
    return _box(good, good.boxes["EG"][:-1] + bytes([good.boxes["EG"][-1] ^ 1]))


def _moved(world: World, good: Envelope, **change: object) -> Envelope:
    other = world.jc.draft("MeasureStarted", MOTHER, {"norm": "16e"}, consents=["c1"], key="other")
    return _box(good, other.boxes["EG"])


def _of_another_person(world: World, good: Envelope) -> Envelope:
    other = world.jc.draft("MeasureStarted", CHILD, {"norm": "16e"}, consents=["c1"], key="bad")
    return _box(good, other.boxes["EG"])


def _of_another_category(world: World, good: Envelope) -> Envelope:
    fields = dict.fromkeys(good.fields, "G9")
    return good._replace(fields=fields, boxes={"G9": good.boxes["EG"]})


def _under_the_proof_key(world: World, good: Envelope) -> Envelope:
    ref = KeyRef("proof", good.controller_id, good.subject_ref)
    key = world.parts.keys.sealing([ref])[ref]
    where = place("event", good.schema, good.event_id, good.subject_ref, "EG", key.version)
    return _box(good, seal(key.cipher, key.version, b"", where))


def _relabelled(world: World, good: Envelope) -> Envelope:
    return good._replace(fields=dict.fromkeys(good.fields, "ID"), boxes={"ID": good.boxes["EG"]})


CASES = {
    "a header only": Bad("unknown_schema", value=b"\xc3\x01"),
    "other bytes": Bad("unknown_schema", value=b"Name;Vorname\nMuster;Erika"),
    "cut off": Bad("undecodable"),
    "too long": Bad("undecodable"),
    "schema of nobody": Bad("unknown_schema", lambda w, e: e._replace(schema=bytes(8))),
    "type and schema differ": Bad("wrong_topic", lambda w, e: e._replace(event_type="HelpStarted")),
    "forged controller": Bad("wrong_controller", lambda w, e: e._replace(controller_id=JA)),
    "controller of nobody": Bad("wrong_controller", lambda w, e: e._replace(controller_id="x")),
    "in clear": Bad("unsealed", lambda w, e: _box(e, b"{}")),
    "flipped bit": Bad("unsealed", _flip),
    "box of another event": Bad("unsealed", _moved),
    "box of another person": Bad("unsealed", _of_another_person),
    "box of another category": Bad("unsealed", _of_another_category),
    "box under another key": Bad("unsealed", _under_the_proof_key),
    "box too many": Bad("unsealed", lambda w, e: e._replace(boxes={**e.boxes, "HS": e.boxes["EG"]})),
    "box missing": Bad("unsealed", lambda w, e: e._replace(boxes={})),
    "wrong label": Bad("wrong_label", _relabelled),
    "unknown field": Bad("unknown_field", lambda w, e: e._replace(fields={**e.fields, "note": "EG"})),
    "control character": Bad("unreadable", lambda w, e: e._replace(consents=["c\x00"])),
    "endless name": Bad("unreadable", lambda w, e: e._replace(subject_ref="p_" + "x" * 5000)),
    "person as family": Bad("unreadable", lambda w, e: e._replace(subject_ref="f_other")),
    "beyond all time": Bad("unreadable", lambda w, e: e._replace(occurred_at=2**62)),
    "publication of another int": Bad("unreadable", lambda w, e: e._replace(publication=2**31)),
    "publication nought": Bad("unreadable", lambda w, e: e._replace(publication=0)),
    "no date": Bad("unreadable", lambda w, e: e._replace(connection="gestern")),
    "endless consent": Bad("unreadable", lambda w, e: e._replace(consents=["c" * 201])),
    "endless worker": Bad("unreadable", lambda w, e: e._replace(addressee="w" * 65)),
    "two lines as norm": Bad("unreadable", lambda w, e: e._replace(norm="§ 69\nSGB X")),
    "hidden sign": Bad("unreadable", lambda w, e: e._replace(entrusted_by="p_\u202ex")),
    "NUL as purpose": Bad("unreadable", lambda w, e: e._replace(purposes=["joint\0case"])),
    "NUL as merger": Bad("unreadable", lambda w, e: e._replace(merges_with="\0")),
    "NUL as scope": Bad("unreadable", lambda w, e: e._replace(scope='{"purposes": ["\0"]}')),
    "ends beyond all time": Bad("unreadable", lambda w, e: e._replace(valid_to=-(2**62))),
    "too large": Bad("too_large", lambda w, e: _box(e, e.boxes["EG"] + bytes(limits.EVENT_BYTES))),
    "key of nobody": Bad(
        "key_erased", lambda w, e: _box(e, b"\x00\x00\x01\x00" + e.boxes["EG"][4:]), outcome="withheld"
    ),
}
BYTES = {"cut off": lambda good: good[:-7], "too long": lambda good: good + bytes(1 << 20)}


@pytest.fixture
def ready(small: World) -> World:
    small.know_family()
    small.jc.grants("c1", MOTHER, ["EG"])
    small.jc.born("other", date(1980, 1, 1), family="b")
    small.jc.grants("c5", "other", ["EG"], family="b")
    small.run()
    return small


def _send(world: World, name: str) -> None:
    from hub.sealed.decode import encode_envelope

    bad = CASES[name]
    good = world.jc.draft("MeasureStarted", MOTHER, {"norm": "16d"}, consents=["c1"], key="bad")
    spoilt = bad.spoil(world, good)
    value = BYTES[name](encode_envelope(good)) if name in BYTES else bad.value
    world.jc.send(spoilt, kind="events", key=good.case_ref, value=value or encode_envelope(spoilt))


@pytest.mark.parametrize(
    ("name", "together"),
    [(name, True) for name in CASES]
    + [(name, False) for name in ("cut off", "flipped bit", "key of nobody")],
)
def test_bad_input_ends_with_a_reason_and_a_place_and_other_cases_go_on(
    ready: World, name: str, together: bool
) -> None:
    bad = CASES[name]
    _send(ready, name)
    if not together:
        ready.run()
    for number in range(3):
        ready.measure(key=f"behind {number}")
    ready.measure(["c5"], person="other", family="b")
    ready.run()
    if bad.outcome == "withheld":
        assert ("withheld", bad.reason) in ready.decisions()
        assert ready.rows("quarantine") == ready.rows("parked") == []
        assert ready.decisions().count(("admitted", "")) == 4
        return
    (row,) = ready.rows("quarantine")
    topic = f"agency.{ready.jc.id}.events"
    first = next(record for record in ready.records(topic) if record.key == ready.jc.key.case("fam").encode())
    assert (row["stage"], row["reason"]) == ("admit", bad.reason)
    assert (row["topic"], row["partition"], row["offset"]) == first.place
    behind = [row["offset"] for row in ready.rows("parked")]
    assert sorted(behind) == [first.offset + number for number in (1, 2, 3)]
    assert ready.decisions() == [("admitted", "")]
    assert "Erika" not in f"{row}{ready.outcomes}"
    assert ready.divergence() == 0


@pytest.mark.parametrize("name", ["in clear", "undecodable consent", "flipped bit", "other bytes"])
def test_a_released_lane_goes_on_in_order(ready: World, name: str) -> None:
    if name == "undecodable consent":
        envelope = ready.jc.draft("ConsentGranted", MOTHER, {"id": "x"}, key="x")
        ready.jc.send(envelope, value=b"x")
        ready.jc.grants("c7", MOTHER, ["LS"])
        ready.run()
        assert [row["stage"] for row in ready.rows("parked")] == ["consents"]
    else:
        _send(ready, name)
        for version in (1, 2):
            ready.measure(key="behind", version=version, provider=str(version))
        ready.run()
        assert ready.seen(JA, "ja_asd") == []
    (row,) = ready.rows("quarantine")
    outcome = release(ready.parts, row["stage"], row["lane"])
    ready.run()
    assert outcome.left_out == 1
    assert ready.rows("parked") == []
    assert ready.divergence() == 0
    if name != "undecodable consent":
        (part,) = ready.last(JA, "ja_asd").parts  # type: ignore[union-attr]
        assert [entry["fields"]["provider"] for entry in (part.content or {})["entries"]] == ["2"]
    ready.measure(key="after")
    ready.run()
    assert "MeasureStarted" in ready.seen(JA, "ja_asd")


def test_a_birth_date_that_does_not_open_is_unknown_until_it_is_corrected(ready: World) -> None:
    envelope = ready.jc.draft("SubjectRecorded", MOTHER, {"birth_date": date(2020, 1, 1)}, version=9)
    ready.jc.send(envelope._replace(boxes={"CT": b"x" * 60}))
    ready.measure()
    ready.run()
    assert ready.seen(JA, "ja_asd") == []
    ready.jc.say("SubjectRecorded", MOTHER, {"birth_date": date(1990, 1, 1)}, version=10)
    ready.run()
    assert ready.seen(JA, "ja_asd") == ["MeasureStarted"]


def test_events_do_not_pass_as_consents_and_the_other_way_round(ready: World) -> None:
    measure = ready.jc.draft("MeasureStarted", MOTHER, {"norm": "16d"}, consents=["c1"])
    birth = ready.jc.draft("SubjectRecorded", MOTHER, {"birth_date": date(2020, 1, 1)})
    ready.jc.send(measure, kind="consents")
    ready.jc.send(birth, kind="events")
    ready.run()
    assert [row["reason"] for row in ready.rows("quarantine")] == ["wrong_topic", "wrong_topic"]


@pytest.mark.parametrize("text", ["Werk\0statt", "\x9f", "\u202eWerk", "x" * (limits.TEXT + 1)])
def test_a_sealed_text_that_no_table_takes_is_not_shown_and_its_neighbours_are(
    ready: World, text: str
) -> None:
    ready.measure(key="strange", provider=text)
    ready.measure(key="good", provider="Werkstatt")
    ready.run()
    (part,) = ready.last(JA, "ja_asd").parts  # type: ignore[union-attr]
    assert [entry["fields"]["provider"] for entry in (part.content or {})["entries"]] == ["Werkstatt"]


@pytest.mark.parametrize("worker", ["w" * 65, "w\0"])
def test_a_consent_for_a_worker_whom_no_table_takes_opens_nothing(ready: World, worker: str) -> None:
    ready.jc.grants("c9", MOTHER, ["EG"], payload={"recipient_workers": [worker]})
    ready.measure(["c9"], key="named")
    ready.measure(provider="Werkstatt")
    ready.run()
    assert {row["worker"] for row in ready.rows("view_state")} == {""}
    (part,) = ready.last(JA, "ja_asd").parts  # type: ignore[union-attr]
    assert part.types == ["MeasureStarted"]
