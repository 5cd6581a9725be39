"""The auditor finds what was released without consent, whatever went wrong in the parts that decided."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import delete, update
from typer.testing import CliRunner

from hub.cli.app import app
from hub.domain.clock import micros
from hub.metrics.store import StoreCollector
from hub.operations.audit.verify import Audit, verify
from hub.ports import KeyRef, Outgoing
from hub.sealed.decode import encode_envelope
from hub.store import evidence, tables
from projections.consent_register.tables import consent_row
from tests.abuse.cases import fresh
from tests.abuse.controls import all_is_kept, switched_off
from tests.support.world import CHILD, JA, JC, MASTER, MOTHER, NOW, CrashError, Office, World

FIELDS = ("MeasureStarted.norm", "MeasureStarted.provider", "MeasureStarted.status")
DELIVERY_DECIDES_NOT = {"hub.views.redaction.decide": all_is_kept}


def test_what_was_covered_is(folder: Path) -> None:
    with fresh(folder) as world:
        world.shared()
        world.wait(hours=13)
        world.run()
        world.wait(minutes=1)
        world.jc.withdraws("c1", MOTHER)
        world.ja.withdraws("c2", CHILD, scope='{"categories": ["HS"]}')
        world.run()
        found = verify(world.parts, tolerance=0)
        assert (found.breaches, found.in_flight, found.unprovable) == ([], 0, 0)
        assert found.fields > found.releases == len(world.rows("disclosure")) > 0
        assert verify(world.parts, since=micros(NOW + timedelta(days=1))).releases == 0


def test_what_rests_on_a_power_of_the_law_needs_no_consent(folder: Path) -> None:
    with fresh(folder) as world:
        world.know_family()
        world.jc.say(
            "PersonRegistered",
            MOTHER,
            {"names": "A"},
            norm="§ 69 SGB X",
            task_norm="§ 36 SGB VIII",
            attested_by="w9",
        )
        world.run()
        found = verify(world.parts)
        assert (found.fields > 0, found.breaches) == (True, [])


def released(folder: Path, spoil: Callable[[World], object], tolerance: float | None = 0) -> Audit:
    """What is found where delivery gives away everything that was ever admitted."""
    with fresh(folder) as world:
        world.shared()
        world.jc.grants("c9", MOTHER, ["LM"])  # the key stays
        spoil(world)
        with switched_off(DELIVERY_DECIDES_NOT):
            world.wait(hours=13)  # the views are renewed
            world.run()
        return verify(world.parts, tolerance=tolerance)


@pytest.mark.parametrize(
    ("event_type", "payload", "fields"),
    [
        ("MeasureStarted", {"norm": "16d", "provider": "x", "status": "running"}, 3),
        ("BenefitGranted", {"kind": "21(5)", "month": "2026-09"}, 2),
    ],
)
def test_a_power_of_the_law_covers_no_cell_that_asks_for_consent(
    folder: Path, event_type: str, payload: dict[str, Any], fields: int
) -> None:
    everywhere = {**DELIVERY_DECIDES_NOT, "hub.policy.gate.decide": all_is_kept}
    with fresh(folder) as world, switched_off(everywhere):
        world.know_family()
        world.jc.say(
            event_type, MOTHER, payload, norm="§ 69 SGB X", task_norm="§ 36 SGB VIII", attested_by="w9"
        )
        world.run()
        found = verify(world.parts)
        assert found.fields >= fields
        assert found.without_consent == found.fields


def test_delivery_that_does_not_decide_is_found(folder: Path) -> None:
    found = released(folder, lambda world: world.jc.withdraws("c1", MOTHER))
    assert {(one.sender, one.recipient, one.fields) for one in found.breaches} == {(JC, JA, FIELDS)}
    assert found.without_consent == len(FIELDS) * len(found.breaches)
    assert not any(MOTHER in repr(one) or "p_" in repr(one) for one in found.breaches)


@pytest.mark.parametrize("scope", ['{"categories": ["EG"]}', '{"recipients": ["ja-a"]}', "not to be read"])
def test_a_partial_withdrawal_counts_where_its_dimensions_meet(folder: Path, scope: str) -> None:
    assert released(folder, lambda world: world.jc.withdraws("c1", MOTHER, scope=scope)).breaches


def test_a_partial_withdrawal_of_something_else_does_not(folder: Path) -> None:
    scope = '{"categories": ["EG"], "purposes": ["evaluation"]}'
    assert released(folder, lambda world: world.jc.withdraws("c1", MOTHER, scope=scope)).breaches == []


def test_a_withdrawal_that_just_arrived_is_on_its_way(folder: Path) -> None:
    long = timedelta(hours=14).total_seconds()
    found = released(folder, lambda world: world.jc.withdraws("c1", MOTHER), tolerance=long)
    assert (found.breaches, found.in_flight > 0) == ([], True)


def test_a_register_that_was_tampered_with_is_no_excuse(folder: Path) -> None:
    """The read model that decides lost a withdrawal; the log has it."""
    with fresh(folder) as world:
        world.shared()
        world.jc.grants("c9", MOTHER, ["LM"])
        world.jc.withdraws("c1", MOTHER)
        world.run()
        with world.parts.store.transaction() as connection:
            connection.execute(delete(consent_row).where(consent_row.c.event_type == "ConsentWithdrawn"))
        world.parts.knowledge.clear()
        world.wait(minutes=2)
        world.jc.grants("c8", MOTHER, ["LM"])
        world.run()
        assert {one.fields for one in verify(world.parts).breaches} == {FIELDS}


WRONG: dict[str, dict[str, Any]] = {
    "other recipient": {"recipients": ["elsewhere"]},
    "other purpose": {"purposes": ["evaluation"]},
    "other category": {"categories": ["LS"]},
    "other sender": {"sender": JA},
    "not yet": {"granted_at": NOW + timedelta(days=9)},
    "over": {"valid_until": NOW - timedelta(days=1)},
    "oral": {"form": "oral"},
    "two notices": {"notices": ["purpose", "refusal"]},
    "no proof": {"proof_hash": ""},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_consent_that_does_not_fit_covers_nothing(folder: Path, name: str) -> None:
    with (
        fresh(folder) as world,
        switched_off({**DELIVERY_DECIDES_NOT, "hub.policy.gate.decide": all_is_kept}),
    ):
        world.know_family()
        world.jc.grants("c1", MOTHER, ["EG"], payload=WRONG[name])
        world.measure()
        world.run()
        assert {one.fields for one in verify(world.parts, tolerance=0).breaches} == {FIELDS}


def test_what_cannot_be_proved_any_more_is_counted_apart(folder: Path) -> None:
    with fresh(folder) as world:
        world.shared()
        world.parts.keys.destroy(KeyRef("proof", JC, world.jc.ref(MOTHER)))
        found = verify(world.parts)
        assert (found.breaches, found.unprovable > 0) == ([], True)


def test_the_command_and_the_metric_say_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "agencies.toml").write_text(
        f'[[agency]]\nid = "{JC}"\nkind = "jobcenter"\n[[agency]]\nid = "{JA}"\nkind = "youth_welfare"\n'
    )
    for name, value in {"KEK": MASTER, "DATA": folder, "AGENCIES": folder / "agencies.toml"}.items():
        monkeypatch.setenv(f"HUB_{name}", str(value))
    with fresh(folder) as world:
        world.shared()
    done = CliRunner().invoke(app, ["--lang", "de", "audit", "verify"])
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "Keine ohne Einwilligung.")
    with fresh(folder) as world:
        world.clock.set(NOW + timedelta(hours=1))
        world.jc.grants("c9", MOTHER, ["LM"])
        world.jc.withdraws("c1", MOTHER)
        with switched_off(DELIVERY_DECIDES_NOT):
            world.wait(hours=13)
            world.run()
        verify(world.parts)
        registry = CollectorRegistry()
        registry.register(StoreCollector(world.parts))
        assert b"hub_released_without_consent 6.0" in generate_latest(registry)
    done = CliRunner().invoke(app, ["audit", "verify", "--json"])
    assert (done.exit_code, done.stdout.count('"view_id"')) == (1, 2)
    assert "OHNE EINWILLIGUNG" in CliRunner().invoke(app, ["--lang", "de", "audit", "verify"]).stdout


def forge(world: World, fields: str) -> None:
    """The register as a faulty hub would write it."""
    with world.parts.store.transaction() as connection:
        connection.execute(
            update(tables.disclosure).where(tables.disclosure.c.recipient == JA).values(fields=fields)
        )


def of_old_release(world: World) -> None:
    """The register as a version of the hub wrote it that did not tell what each field rests on."""
    with world.parts.store.transaction() as connection:
        connection.execute(delete(tables.disclosure_ground))


FORGED = "MeasureStarted.norm,BenefitGranted.amount,PersonRegistered.address"


@pytest.mark.parametrize("consent", ["Einw. 12,3", ",", "c1,c2"])
@pytest.mark.parametrize("old", [False, True])
def test_a_consent_id_may_hold_a_comma(folder: Path, consent: str, old: bool) -> None:
    with fresh(folder) as world:
        world.know_family()
        world.jc.grants(consent, MOTHER, ["EG"])
        world.measure(consents=[consent])
        world.run()
        if old:
            of_old_release(world)
        found = verify(world.parts)
        assert (found.fields > 0, found.breaches, found.unprovable) == (True, [], 0)


def test_a_field_that_rests_on_nothing_is_found_beside_a_power_of_the_law(folder: Path) -> None:
    with fresh(folder) as world:
        world.know_family()
        world.jc.grants("c1", MOTHER, ["EG"])
        world.measure()
        world.jc.say(
            "BenefitGranted",
            MOTHER,
            {"kind": "buergergeld", "month": "2026-09"},
            norm="§ 69 SGB X",
            task_norm="§ 14 SGB II",
            attested_by="w9",
        )
        world.run()
        assert verify(world.parts).breaches == []
        forge(world, FORGED)
        found = verify(world.parts)
        beyond = ("BenefitGranted.amount", "PersonRegistered.address")
        assert {one.fields for one in found.breaches if one.role == "ja_asd"} == {beyond}
        of_old_release(world)
        assert verify(world.parts).unprovable > 0


def test_a_field_shown_on_two_grounds_needs_both(folder: Path) -> None:
    """Two measures, each on a consent of its own; one consent is taken back, and delivery does not decide."""
    with fresh(folder) as world:
        world.know_family()
        for consent in ("c1", "c2"):
            world.jc.grants(consent, MOTHER, ["EG"])
            world.measure(consents=[consent], key=consent)
        world.run()
        world.jc.withdraws("c1", MOTHER)
        with switched_off(DELIVERY_DECIDES_NOT):
            world.wait(hours=13)
            world.run()
        assert {one.fields for one in verify(world.parts).breaches} == {FIELDS}


def broken(world: World) -> None:
    """A withdrawal that ends in the middle of its boxes."""
    whole = encode_envelope(world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1"))
    world.jc.put("consents", Outgoing(world.jc.ref(MOTHER).encode(), whole[:-40]))


def _stranger(office: Office, number: str = "c1") -> None:
    office.born("stranger", date(1980, 1, 1), family="other")
    office.withdraws(number, "stranger", family="other")


def _takes_the_number_and_gives_it_back(world: World) -> None:
    world.jc.grants("c1", "stranger", ["EG"], family="other", key="taken")
    world.jc.withdraws("c1", "stranger", family="other")


def _without_its_id_in_clear(world: World, number: str) -> None:
    world.jc.send(world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": number}, key=number))


OTHERS_WITHDRAWALS: dict[str, Callable[[World], object]] = {
    "of the same number at the office": lambda world: _stranger(world.jc),
    "of the same number at the other office": lambda world: _stranger(world.ja),
    "of the office's number at the other office": lambda world: _stranger(world.ja, f"{JC}:c1"),
    "of a number that was taken": _takes_the_number_and_gives_it_back,
    "by somebody of the family": lambda world: world.jc.withdraws("c1", CHILD),
    "of another consent, sealed": lambda world: _without_its_id_in_clear(world, "c9"),
    "of nobody's number": lambda world: world.jc.withdraws("c77", MOTHER),
}


@pytest.mark.parametrize("name", OTHERS_WITHDRAWALS)
def test_what_takes_nothing_back_is_no_false_alarm(folder: Path, name: str) -> None:
    with fresh(folder) as world:
        world.shared()
        world.jc.grants("c9", MOTHER, ["LM"])
        OTHERS_WITHDRAWALS[name](world)
        world.wait(hours=13)
        world.measure(key="later")
        world.run()
        assert world.seen(JA, "ja_asd") == ["MeasureStarted", "MeasureStarted"]
        found = verify(world.parts, tolerance=0)
        assert (found.breaches, found.in_flight, found.unprovable) == ([], 0, 0)


def _by_number_where_a_stranger_has_it(world: World) -> None:
    world.ja.born("stranger", date(1980, 1, 1), family="other")
    world.ja.grants("c1", "stranger", ["HS"], family="other")
    world.ja.withdraws("c1", MOTHER)


def _said_by_nobody(world: World) -> None:
    good = world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c1")
    world.jc.send(good._replace(subject_ref="\t"), key="x")


def _unreadable_under_an_unknown_number(world: World) -> None:
    good = world.jc.draft("ConsentWithdrawn", MOTHER, {"consent_id": "c1"}, consent_id="c77")
    world.jc.send(good._replace(boxes={"CT": bytes([0, 0, 0, 1]) + bytes(40)}))


ENDED: dict[str, Callable[[World], object]] = {
    "by office and number at the other office": lambda world: world.ja.withdraws(f"{JC}:c1", MOTHER),
    "by the number at the other office": lambda world: world.ja.withdraws("c1", MOTHER),
    "by a number that a stranger has there": _by_number_where_a_stranger_has_it,
    "without its id in clear": lambda world: _without_its_id_in_clear(world, "c1"),
    "broken, said by nobody": _said_by_nobody,
    "not readable, of an unknown number": _unreadable_under_an_unknown_number,
}


@pytest.mark.parametrize("name", ENDED)
def test_whatever_way_it_is_said_a_withdrawal_counts(folder: Path, name: str) -> None:
    def say(world: World) -> None:
        world.jc.say(
            "PersonRegistered",
            MOTHER,
            {"names": "A"},
            norm="§ 69 SGB X",
            task_norm="§ 36 SGB VIII",
            attested_by="w",
        )  # the key stays
        world.run()
        ENDED[name](world)

    assert {one.fields for one in released(folder, say).breaches} == {FIELDS}


def test_a_broken_withdrawal_counts(folder: Path) -> None:
    assert {one.fields for one in released(folder, broken).breaches} == {FIELDS}


def test_a_scope_that_names_something_unknown_takes_the_whole_dimension(folder: Path) -> None:
    scope = '{"categories": ["EG"], "recipients": ["an office nobody knows"]}'
    assert released(folder, lambda world: world.jc.withdraws("c1", MOTHER, scope=scope)).breaches


@contextmanager
def held_up(world: World) -> Iterator[None]:
    """A disclose worker stands still between comparing and producing, and appends when this ends."""
    with patch("hub.stages.disclose._append", side_effect=CrashError), pytest.raises(CrashError):
        world.run()
    yield
    for row in world.rows("view_state"):
        if row["state"] == "pending":
            topic, record = (
                f"agency.{row['recipient']}.views",
                Outgoing(row["case_ref"].encode(), row["value"]),
            )
            world.parts.log.append(topic, [record])


def test_a_view_counts_from_when_it_was_appended(folder: Path) -> None:
    """Decided before the withdrawal, appended a second after the hub had committed it."""
    with fresh(folder) as world:
        world.know_family()
        world.jc.grants("c1", MOTHER, ["EG"])
        world.measure()
        with held_up(world):
            world.wait(minutes=1)
            world.jc.withdraws("c1", MOTHER)
            world.host.catch_up()
            world.wait(seconds=1)
        found = verify(world.parts)
        assert {one.fields for one in found.breaches} == {FIELDS}
        assert found.in_flight == 0


def test_in_flight_is_what_the_hub_had_not_committed_yet(folder: Path) -> None:
    with fresh(folder) as world:
        world.know_family()
        world.jc.grants("c1", MOTHER, ["EG"])
        world.measure()
        with held_up(world):
            world.jc.withdraws("c1", MOTHER)
            world.wait(seconds=1)
        before = verify(world.parts)
        world.wait(seconds=1)
        world.host.catch_up()
        after = verify(world.parts)
        assert [(one.in_flight > 0, one.breaches) for one in (before, after)] == [(True, [])] * 2


def test_a_view_appended_after_its_own_deadline_is_worth_nothing(folder: Path) -> None:
    with fresh(folder) as world:
        world.shared()
        ids = {row["view_id"] for row in world.rows("disclosure")}
        late = evidence.Appended(micros(NOW) + 2, micros(NOW) + 1)
        with world.parts.store.transaction() as connection:
            evidence.note_appended(connection, dict.fromkeys(ids, late))
        found = verify(world.parts)
        assert (found.worthless, found.fields) == (found.releases, 0)


def test_a_partial_audit_leaves_the_metric_as_it_is(folder: Path) -> None:
    with fresh(folder) as world:
        world.shared()
        forge(world, FORGED)
        whole = verify(world.parts).without_consent
        before = metrics_of(world)
        world.wait(days=3)
        assert verify(world.parts, since=micros(world.clock.now())).without_consent == 0
        assert metrics_of(world) == before
        assert before["hub_released_without_consent"] == whole > 0
        assert before["hub_audit_timestamp_seconds"] == NOW.timestamp()


def metrics_of(world: World) -> dict[str, float]:
    wanted = ("hub_released_without_consent", "hub_audit_timestamp_seconds")
    return {
        sample.name: sample.value
        for family in StoreCollector(world.parts).collect()
        for sample in family.samples
        if sample.name in wanted
    }


def test_pages_of_one_find_the_same(folder: Path) -> None:
    with fresh(folder) as world:
        world.shared()
        forge(world, FORGED)
        whole = verify(world.parts)
        with patch("hub.operations.audit.verify._PAGE", 1), patch("hub.operations.audit.verify.LISTED", 1):
            paged = verify(world.parts)
        assert (paged.releases, paged.fields, paged.without_consent) == (
            whole.releases,
            whole.fields,
            whole.without_consent,
        )
        assert len(paged.breaches) == 1
