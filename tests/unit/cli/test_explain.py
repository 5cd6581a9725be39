"""`hub explain`: the trail says when, where, by which rule; and never a value, also when the content is gone."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.store.tables import decision
from projections.consent_register.tables import consent_row
from projections.joint_case.tables import case_row
from schemas import decode_single, encode_single
from tests.unit.cli.conftest import World, answer, hub

KEYS = {"at", "point", "where", "outcome", "rules", "kept", "dropped", "recipient"}


def _joint_family(world: World, categories: tuple[str, ...] = ("ID", "EG", "TM")) -> str:
    """Anna, known to both agencies and linked; her consent lets the jobcenter pass `categories` on."""
    for side in (world.jobcenter, world.youth_office):
        side.person("anna", "family")
        side.link("anna", "family", "ABCD-EFGH")
    consent = world.jobcenter.grant("anna", "family", ["ja-a"], categories=categories)
    world.jobcenter.flush()
    world.youth_office.flush()
    return consent


def _event_id(world: World, number: int = 0) -> str:
    with world.parts.store.transaction() as connection:
        ids = connection.execute(select(decision.c.event_id).order_by(decision.c.at)).scalars().all()
    return str(ids[number])


def _points(found: dict[str, Any], *, now: bool = False) -> list[tuple[str, str]]:
    return [(step["point"], step["outcome"]) for step in found["trail"] if step.get("now", False) == now]


def test_admitted_and_shown(world: World) -> None:
    consent = _joint_family(world)
    world.jobcenter.measure("anna", "family", 1, [consent])
    world.jobcenter.flush()
    world.run()
    found = answer("explain", _event_id(world))
    assert found["event_type"] == "MeasureStarted"
    assert all(step.keys() >= KEYS for step in found["trail"])
    assert [step["at"] for step in found["trail"]] == sorted(step["at"] for step in found["trail"])
    first = [("publish", "published"), ("admit", "admitted"), ("project", "applied")]
    assert _points(found)[:3] == first
    disclosed = {step["recipient"] for step in found["trail"] if step["point"] == "disclose"}
    assert "ja-a/ja_asd" in disclosed
    assert not any(str(recipient).startswith("jc-a") for recipient in disclosed)
    assert found["trail"][0]["where"].startswith("agency.jc-a.events/")


def test_withheld_names_rule_norm_and_text(world: World) -> None:
    consent = _joint_family(world, categories=("TM",))
    world.jobcenter.benefit("anna", "family", "2026-09", Decimal("563.00"), [consent])
    world.jobcenter.flush()
    world.run()
    (step,) = [step for step in answer("explain", _event_id(world))["trail"] if step["point"] == "admit"]
    assert step["outcome"] == "withheld"
    assert step["kept"] == []
    assert "amount" in step["dropped"]
    (rule,) = step["rules"]
    assert rule["norm"].startswith("§")
    assert set(step["dropped"].values()) >= {rule["rule"]}
    german = answer("explain", _event_id(world), "--lang", "de")["trail"]
    assert [step["rules"] for step in german if step["point"] == "admit"] != [step["rules"]]


def test_plain_words(world: World) -> None:
    consent = _joint_family(world, categories=("TM",))
    world.jobcenter.benefit("anna", "family", "2026-09", Decimal("563.00"), [consent])
    world.jobcenter.flush()
    world.run()
    output = hub("explain", _event_id(world), "--lang", "de").output
    assert "zurückgehalten" in output
    assert "nicht weitergegeben: amount" in output
    assert "563" not in output


def test_withdrawn_is_removed_erased_and_still_explained(world: World) -> None:
    consent = _joint_family(world)
    world.jobcenter.measure("anna", "family", 1, [consent])
    world.jobcenter.flush()
    world.run()
    world.jobcenter.withdraw("anna", "family", consent)
    world.jobcenter.flush()
    world.run()
    found = answer("explain", _event_id(world))
    outcomes = _points(found)
    assert ("withdraw", "withdrawn") in outcomes
    assert ("erase", "key_destroyed") in outcomes
    assert ("disclose", "removed") in outcomes
    assert _points(found, now=True) == []
    assert "Träger 1" not in str(found)


def test_newer_version_takes_its_place(world: World) -> None:
    consent = _joint_family(world)
    world.jobcenter.measure("anna", "family", 1, [consent])
    world.jobcenter.flush()
    world.run()
    world.jobcenter.measure("anna", "family", 1, [consent], version=1)
    world.jobcenter.flush()
    world.run()
    assert ("project", "superseded") in _points(answer("explain", _event_id(world)))
    assert ("project", "applied") in _points(answer("explain", _event_id(world, 1)))


def test_not_linked_is_said_of_today(world: World) -> None:
    for side in (world.jobcenter, world.youth_office):
        side.person("anna", "family")
    world.jobcenter.link("anna", "family", "ABCD-EFGH", 0)
    world.youth_office.person("ben", "family")
    world.youth_office.link("ben", "family", "ABCD-EFGH", 1)
    consent = world.jobcenter.grant("anna", "family", ["ja-a"])
    world.jobcenter.measure("anna", "family", 1, [consent])
    world.jobcenter.flush()
    world.youth_office.flush()
    world.run()
    found = answer("explain", _event_id(world))
    rules = {rule["rule"] for step in found["trail"] if step.get("now") for rule in step["rules"]}
    assert rules == {"not_linked"}


def test_held_and_parked(world: World) -> None:
    world.jobcenter.raw("events", world.jobcenter.case_key("family"), b"rubbish")
    world.jobcenter.measure("anna", "family", 1, ["c-unknown"])
    world.jobcenter.measure("ben", "other", 1, ["c-unknown"])
    world.jobcenter.flush(raw_first=True)
    world.run()
    ids = dict.fromkeys(_published(world))
    found = [answer("explain", event_id) for event_id in ids]
    assert sorted(outcome for one in found for _, outcome in _points(one)) == [
        "held",
        "parked",
        "published",
        "published",
    ]


def test_a_consent_is_explained_too(world: World) -> None:
    _joint_family(world)
    world.run()
    with world.parts.store.transaction() as connection:
        wanted = select(consent_row.c.event_id).where(consent_row.c.event_type == "ConsentGranted")
        event_id = str(connection.execute(wanted).scalar_one())
    found = answer("explain", event_id)
    assert found["event_type"] == "ConsentGranted"
    assert ("project", "registered") in _points(found)


@pytest.mark.parametrize("event_id", ["0" * 32, "not hex at all"])
def test_unknown(world: World, event_id: str) -> None:
    found = answer("explain", event_id, code=1)
    assert found["trail"] == []
    assert "kennt kein Ereignis" in hub("--lang", "de", "explain", event_id).output


def _published(world: World) -> list[str]:
    """The ids of all events that stand in the jobcenter's topic."""
    from hub.errors import DataError
    from hub.sealed.decode import decode_envelope

    topic = "agency.jc-a.events"
    ids = []
    for record in world.parts.log.read(topic, world.parts.log.state([topic])[topic].first):
        try:
            ids.append(decode_envelope(record).event_id.hex())
        except DataError:
            continue
    return ids


def test_a_record_that_does_not_open_is_named(world: World) -> None:
    """Its key is there, its boxes are not what was sealed: nobody sees it, and the trail says so."""
    consent = _joint_family(world)
    world.jobcenter.measure("anna", "family", 1, [consent])
    world.jobcenter.flush()
    world.run()
    event_id = _event_id(world)
    with world.parts.store.transaction() as connection:
        for row in connection.execute(
            select(case_row).where(case_row.c.event_type == "MeasureStarted")
        ).all():
            schema, envelope = decode_single(row.envelope)
            boxes = {name: box[:-1] + bytes([box[-1] ^ 1]) for name, box in envelope["boxes"].items()}
            sealed = encode_single(schema, {**envelope, "boxes": boxes})
            connection.execute(
                update(case_row).where(case_row.c.event_type == row.event_type).values(envelope=sealed)
            )
    now = [step for step in answer("explain", event_id)["trail"] if step.get("now")]
    assert [(step["outcome"], [rule["rule"] for rule in step["rules"]]) for step in now] == [
        ("unreadable", ["unsealed"])
    ]
    assert "It does not open, nobody sees anything of it" in hub("explain", event_id).output
