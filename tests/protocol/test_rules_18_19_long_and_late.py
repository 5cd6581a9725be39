"""Views of any length, views that come too late, cases of which no view can be built (rules 14a, 18, 19)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import text

from hub.domain.clock import micros
from hub.failpoints import observed
from hub.operations.audit.verify import verify
from hub.policy.reduce import LONGEST_SENTENCE
from hub.ports import Outgoing, Record
from hub.stages import disclose
from hub.store import subjects, views
from hub.views.plan import ViewPlan
from hub.views.record import MOST, VIEW, VIEW_PART, append_deadline
from schemas import decode_single, encode_single
from tests.support.sinks import Staging
from tests.support.world import FAMILY, JA, JC, MOTHER, CrashError, World

LONG = "€" * (LONGEST_SENTENCE - 5)  # three bytes each
COUNT = 850


@pytest.fixture
def staging(small: World, folder: Path) -> Staging:
    return Staging(small.parts, JA, f"sqlite:///{folder}/staging.sqlite", batch=1)


def _long(world: World) -> None:
    """The mother's history is longer than any record may be."""
    for number in range(COUNT):
        payload = {"norm": "16d", "provider": f"{number} {LONG}", "status": "running"}
        world.jc.record(
            MOTHER,
            FAMILY,
            "MeasureStarted",
            payload,
            source_key=f"long {number}",
            consents=["c1"],
            at=world.clock.now(),
        )
    world.jc.flush()
    world.run()


def _topic(world: World, agency: str = JA, role: str = "ja_asd") -> list[Record]:
    found = world.records(f"agency.{agency}.views")
    return [record for record in found if decode_single(record.value)[1]["role"] == role]


def _append(world: World, records: Sequence[Record]) -> None:
    out = [Outgoing(record.key, record.value, record.headers) for record in records]
    world.parts.log.append(f"agency.{JA}.views", out)


# --- views of any length --------------------------------------------------------------------------------------------


def test_a_long_view_comes_in_parts_and_is_shown_whole(small: World, staging: Staging) -> None:
    small.shared()
    _long(small)
    values = [record.value for record in _topic(small)]
    assert max(map(len, values)) <= MOST
    assert sum(map(len, values)) > MOST
    staging.step()
    assert len(staging.values("provider")) == COUNT + 1
    assert staging.rows("fallbruecke_wartend") == []
    small.wait(minutes=1)
    small.jc.withdraws("c1", MOTHER)
    small.run()
    staging.step()
    assert staging.rows() == []


def test_receipts_are_one_for_each_version(small: World, staging: Staging) -> None:
    small.shared()
    _long(small)
    staging.step()
    small.run()
    states = {row["role"]: row["state"] for row in small.rows("view_state") if row["recipient"] == JA}
    assert states["ja_asd"] == "shown"


def test_a_torn_view_shows_nothing_and_a_newer_one_takes_its_place(small: World, staging: Staging) -> None:
    small.shared()
    _long(small)
    staging.step()
    before = staging.rows()
    small.measure(key="one more")
    with _not_appended(small) as held:
        small.run()
    parts = [record for record in held if decode_single(record.value)[1]["role"] == "ja_asd"]
    small.parts.log.append(f"agency.{JA}.views", parts[:-1])
    staging.step()
    assert staging.rows() == before
    assert len(staging.rows("fallbruecke_wartend")) == len(parts) - 1
    small.run()
    staging.step()
    assert len(staging.values("provider")) == COUNT + 2
    assert staging.rows("fallbruecke_wartend") == []


def test_a_smaller_version_never_wins_in_parts_either(small: World, staging: Staging) -> None:
    small.shared()
    _long(small)
    old = _topic(small)
    small.jc.withdraws("c1", MOTHER)
    small.run()
    _append(small, old)
    staging.step()
    assert staging.rows() == []


@pytest.mark.parametrize("place", [0, 1, -1])
def test_parts_come_in_any_order_and_twice(small: World, staging: Staging, place: int) -> None:
    """The removal that tells a sink of an earlier release has the version of the parts, wherever it stands."""
    small.shared()
    staging.step()
    with _not_appended(small) as held:
        _long(small)
    told = [one for one in held if decode_single(one.value)[1]["role"] == "ja_asd"]
    parts = [*reversed(told[1:]), told[-1]]
    parts.insert(place % (len(parts) + 1), told[0])
    assert decode_single(told[0].value)[1]["removed"]
    assert len(told) > 2
    small.parts.log.append(f"agency.{JA}.views", parts)
    staging.step()
    assert len(staging.values("provider")) == COUNT + 1


def test_a_removal_counts_though_parts_of_a_newer_version_wait(small: World, staging: Staging) -> None:
    small.shared()
    with _not_appended(small) as held:
        _long(small)
    newest = [one for one in held if decode_single(one.value)[1]["role"] == "ja_asd"]
    old = decode_single(_topic(small)[-1].value)[1]
    staging.step()
    assert len(staging.values("provider")) == 1
    schema, part = decode_single(newest[-1].value)
    later = Outgoing(newest[-1].key, encode_single(schema, {**part, "version": part["version"] + 1}))
    removal = encode_single(VIEW, {**old, "version": part["version"], "removed": True, "parts": []})
    small.parts.log.append(f"agency.{JA}.views", [later, Outgoing(newest[-1].key, removal)])
    staging.step()
    assert staging.values("provider") == []


def test_a_part_that_says_another_number_or_version_does_not_open(small: World, staging: Staging) -> None:
    """The release is the same when a lease is renewed; each piece is bound to its version all the same."""
    small.shared()
    _long(small)
    for record in _topic(small):
        schema, view = decode_single(record.value)
        if schema is VIEW_PART:
            value = encode_single(schema, {**view, "version": view["version"] + 1})
            small.parts.log.append(f"agency.{JA}.views", [Outgoing(record.key, value)])
    staging.step()
    assert staging.values("provider") == []


def test_an_earlier_releases_sink_shows_nothing_of_a_view_that_it_cannot_read(small: World) -> None:
    """It knows `View` alone: it reads a removal before the first part."""
    small.shared()
    _long(small)
    known = [
        view for schema, view in (decode_single(record.value) for record in _topic(small)) if schema is VIEW
    ]
    assert known[-1]["removed"]
    small.measure(key="one more")
    small.run()
    again = [decode_single(record.value)[0] for record in _topic(small)]
    assert again.count(VIEW) == len(known)  # once is enough


# --- too late -------------------------------------------------------------------------------------------------------


@contextmanager
def _not_appended(world: World) -> Iterator[list[Outgoing]]:
    """A worker that has locked and compared, and does not come to append; what it would have appended."""
    held: list[Outgoing] = []

    def stop(_: object, going: Sequence[Any]) -> None:
        held.extend(record for one in going if one.row.recipient == JA for record in one.records)
        raise CrashError

    with patch("hub.stages.disclose._append", stop), pytest.raises(CrashError):
        yield held


def test_what_a_worker_appends_too_late_is_not_shown_and_comes_again(small: World, staging: Staging) -> None:
    small.shared()
    staging.step()
    small.run()
    small.measure(key="more")
    with _not_appended(small) as held:
        small.run()
    small.wait(minutes=1)
    small.parts.log.append(f"agency.{JA}.views", held)
    assert set(staging.step()) == {"late"}
    assert len(staging.values("provider")) == 1
    small.run()
    staging.step()
    assert len(staging.values("provider")) == 2


def test_a_withdrawal_holds_against_a_worker_that_stood_still(small: World, staging: Staging) -> None:
    small.shared()
    with _not_appended(small) as held:
        small.measure(key="more")
        small.run()
    small.wait(minutes=1)
    small.jc.withdraws("c1", MOTHER, scope='{"purposes": [], "categories": ["EG"], "recipients": []}')
    small.host.catch_up()
    small.wait(seconds=1)
    small.parts.log.append(f"agency.{JA}.views", held)
    assert staging.step()["late"] > 0
    assert len(staging.values("provider")) == 1  # of the view before; the next round takes it away
    small.run()
    staging.step()
    assert staging.values("provider") == []
    assert verify(small.parts).breaches == []


def _both_change(world: World) -> None:
    """A new measure and a new help: either office's view changes."""
    world.measure(key="more")
    world.help(key="more")
    world.host.catch_up()
    world.host._cases()


def _counts(world: World) -> dict[str, int]:
    return {agency: len(world.views(agency)) for agency in (JC, JA)}


@contextmanager
def _standing_still_at(world: World, point: str) -> Iterator[None]:
    """The worker stands still for a minute when it comes to this point for the first time."""
    still = [point]

    def reach(name: str) -> None:
        if name in still:
            still.remove(name)
            world.wait(minutes=1)

    with observed(reach):
        yield


def test_what_ran_out_under_the_locks_is_left_as_if_it_had_never_been(small: World) -> None:
    small.shared()
    _both_change(small)
    before = [small.rows(name) for name in ("view_state", "disclosure")], _counts(small)
    with _standing_still_at(small, "disclose.between"):
        outcome = disclose.disclose(small.parts)
    assert (outcome.delivered, outcome.aborted > 0) == (0, True)
    assert ([small.rows(name) for name in ("view_state", "disclosure")], _counts(small)) == before
    small.run()
    assert len(small.seen(JA, "ja_asd")) == len(small.seen(JC, "jc_case_manager")) == 2


def test_the_deadline_is_checked_right_before_each_topic_and_after_the_last(small: World) -> None:
    """What went to the first topic came too late and counts as not delivered; the second is not written to."""
    small.shared()
    _both_change(small)
    before = _counts(small)
    with _standing_still_at(small, "disclose.before_produce"):
        outcome = disclose.disclose(small.parts)
    assert (outcome.delivered, outcome.aborted > 0) == (0, True)
    assert [agency for agency, number in _counts(small).items() if number > before[agency]] == [JA]
    small.run()
    assert len(small.seen(JA, "ja_asd")) == len(small.seen(JC, "jc_case_manager")) == 2


def test_a_view_that_was_appended_too_late_is_not_delivered(small: World) -> None:
    small.shared()
    small.measure(key="more")
    small.host.catch_up()
    small.host._cases()
    with _standing_still_at(small, "disclose.before_produce"):
        outcome = disclose.disclose(small.parts)
    assert (outcome.delivered, outcome.aborted > 0) == (0, True)


def test_the_log_gets_no_more_time_than_is_left(small: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small.shared()
    _both_change(small)
    given: list[float] = []
    append = type(small.parts.log).append

    def told(log: Any, topic: str, records: Sequence[Outgoing], *, deadline: float = 30.0) -> None:
        given.append(deadline)
        append(log, topic, records, deadline=deadline)

    monkeypatch.setattr(type(small.parts.log), "append", told)
    disclose.disclose(small.parts)
    assert given
    assert max(given) < small.parts.store.standstill


def test_a_record_says_its_deadline_under_the_hubs_secret(small: World) -> None:
    small.shared()
    (record, *_) = _topic(small)
    secret, clock = small.parts.secret, micros(small.clock.now())
    assert clock < (append_deadline(secret, record) or 0) < clock + 60_000_000
    assert append_deadline(b"another" * 5, record) is None
    assert append_deadline(secret, record._replace(value=record.value + b" ")) is None
    assert append_deadline(secret, record._replace(headers=())) is None


# --- renewals -------------------------------------------------------------------------------------------------------


def test_renewing_a_lease_is_no_release(small: World) -> None:
    small.shared()
    small.run()
    register, sent = small.rows("disclosure"), len(small.views(JA))
    for _ in range(14):
        small.wait(hours=12)
        small.run()
    assert len(small.views(JA)) > sent
    assert small.rows("disclosure") == register
    assert verify(small.parts).breaches == []


def test_a_renewal_of_what_the_register_does_not_name_is_a_release(small: World) -> None:
    """Its entry was kept long enough, or names another ground: what is shown is registered."""
    small.shared()
    before = {row["view_id"] for row in small.rows("disclosure")}
    with small.parts.store.transaction() as connection:
        connection.execute(text("UPDATE disclosure SET grounds = 'another'"))
    small.wait(hours=13)
    small.run()
    after = {row["view_id"]: row["grounds"] for row in small.rows("disclosure")}
    assert {after[name] for name in after.keys() - before} == {"c1", "c2"}


# --- one case alone -------------------------------------------------------------------------------------------------


def _broken(family: str, world: World) -> Any:
    real = ViewPlan.drafts

    def drafts(self: ViewPlan, file: Any) -> Any:
        if file.case_of(world.jc.id) == world.jc.key.case(family):
            raise KeyError
        return real(self, file)

    return patch.object(ViewPlan, "drafts", drafts)


def test_a_case_of_which_no_view_can_be_built_holds_up_no_other(world: World) -> None:
    world.shared()
    for office in (world.jc, world.ja):
        office.born("aunt", world.clock.now().date().replace(year=1980), family="aunt's")
        office.pairs("aunt", 1, code="AUNT", family="aunt's")
    world.jc.grants("c9", "aunt", ["EG"], family="aunt's")
    with _broken("fam", world):
        world.measure(key="more")
        world.measure(["c9"], person="aunt", family="aunt's")
        world.run()
        assert {row["item"] for row in world.rows("quarantine_item")} >= {world.jc.case("fam")}
        assert {row["case_key"] for row in world.rows("dirty")} >= {world.jc.case("fam")}
        aunts = [
            one for one in world.views(JA, "ja_asd") if one.view["case_ref"] == world.ja.key.case("aunt's")
        ]
        assert len(aunts) == 1
    world.wait(minutes=6)
    world.run()
    assert (world.rows("quarantine_item"), world.rows("dirty")) == ([], [])
    assert len(world.seen(JA, "ja_asd")) > 0


def test_what_narrows_takes_effect_on_a_case_of_which_no_view_can_be_built(world: World) -> None:
    world.shared()
    world.wait(minutes=1)
    with _broken("fam", world):
        world.jc.withdraws("c1", MOTHER)
        world.run()
        assert world.seen(JA, "ja_asd") == []
        assert world.seen("jc-a", "jc_case_manager") == []
    world.wait(minutes=6)
    world.run()
    assert world.seen("jc-a", "jc_case_manager") == ["HelpStarted"]
    assert world.seen(JA, "ja_asd") == []


# --- several workers ------------------------------------------------------------------------------------------------


def test_workers_share_the_marks_and_a_new_number_is_free_at_once(folder: Path, store_url: str) -> None:
    world = World.at(folder, store_url)
    world.shared()
    now = micros(world.clock.now())
    with world.parts.store.transaction() as connection:
        subjects.mark_dirty(connection, [world.jc.case("fam"), "ja-a:f_other"], now)
    claims = []
    for _ in range(3):
        with world.parts.store.transaction() as connection:
            claims.append(views.claim(connection, 1, now))
    assert [len(one.marks) for one in claims] == [1, 1, 0]
    assert claims[0].marks.keys() != claims[1].marks.keys()
    with world.parts.store.transaction() as connection:
        subjects.mark_dirty(connection, [world.jc.case("fam")], now, urgent=True)
        again = views.claim(connection, 5, now)
        dead = views.claim(connection, 5, now + views.CLAIM_LIFE + 1)
        views.release_claim(connection, claims[1])
    assert [mark.case_key for of in again.marks.values() for mark in of] == [world.jc.case("fam")]
    assert len(dead.marks) == 2
    world.close()


def test_a_claim_from_the_future_holds_nobody_up(folder: Path, store_url: str) -> None:
    world = World.at(folder, store_url)
    now = micros(world.clock.now())
    with world.parts.store.transaction() as connection:
        subjects.mark_dirty(connection, ["ja-a:f_x"], now)
        views.claim(connection, 1, now + micros(world.clock.now() + timedelta(days=1)) - now)
    with world.parts.store.transaction() as connection:
        assert len(views.claim(connection, 1, now).marks) == 1
    world.close()
