"""Both offices change their keys in the middle of their days: every view stays as it would have been without."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.publish.key_rotation import rotate
from connectors.pipeline.publish.keyring import written
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from hub.desk.texts import consent_text
from hub.desk.ticks import Ticks
from hub.dev.demo import OFFICES, Demo, seeded
from hub.domain.clock import BERLIN
from hub.domain.identifiers import AgencyKey, AgencyKeys
from hub.policy.facts import Recipient
from hub.views.opening import open_view

JC, JA = "jc-seestadt", "ja-seestadt"
FAMILIES, SEED, AFTER = 14, 1, 2


def lived(folder: Path, *, after: int | None) -> Demo:
    """The five days; both keys change after so many of them."""
    demo = Demo(folder, FAMILIES, SEED)
    for number, day in enumerate(demo.simulation.days, 1):
        demo.simulation.write_day(day)
        demo.clock.set(datetime.combine(day, time(20), tzinfo=BERLIN))
        demo.settle()
        if number == after:
            change_keys(demo)
        if number == 5:
            return demo
    raise AssertionError("the days are fewer")


def change_keys(demo: Demo) -> None:
    own: dict[str, AgencyKeys] = {}
    for _, office, _ in OFFICES:
        file, new = demo.folder / office / "agency.key", AgencyKey(office[:1].encode() * 32)
        file.write_bytes(written((AgencyKey(seeded(office)),)))
        with closing(table(demo, office)) as names:
            own[office] = rotate(file, names, lambda new=new: new)  # type: ignore[misc]
    demo.restart_sources(own)
    published = demo.outcome.published
    demo.settle()
    assert demo.outcome.published == published, "nothing comes again"


def table(demo: Demo, office: str) -> Pseudonyms:
    return Pseudonyms(load_config(demo.folder / office / "source.toml").pseudonyms)


def staged(demo: Demo, office: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(demo.folder / office / "uebergabe.sqlite")) as connection:
        return sorted(connection.execute("SELECT * FROM fallbruecke_sicht"), key=repr)


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, Demo]]:
    with_, without = (lived(tmp_path_factory.mktemp("r"), after=after) for after in (AFTER, None))
    yield with_, without
    with_.close()
    without.close()


def strangers(demo: Demo, office: str) -> int:
    """How many are named otherwise than under the office's first key; everybody was known before it changed."""
    old = AgencyKey(seeded(office))
    with closing(table(demo, office)) as names:
        known = [(ref, local) for ref, local in names.all() if local]
    assert len(known) > FAMILIES
    return sum(ref != (old.person if one.kind == "person" else old.case)(one.local_id) for ref, one in known)


def test_views_and_counts_are_those_of_a_story_without_a_rotation(demos: tuple[Demo, Demo]) -> None:
    with_, without = demos
    for _, office, _ in OFFICES:
        assert strangers(with_, office) == 0
        rows = staged(with_, office)
        assert len(rows) > 20
        assert rows == staged(without, office)
    assert with_.counts() == without.counts()
    assert with_.counts()["quarantined"] == {}


def test_who_was_known_before_signs_afterwards_and_is_let_in(demos: tuple[Demo, Demo]) -> None:
    demo, _ = demos
    home = next(one for one in demo.simulation.world.families if one.model.kind == "refused").homes[0]
    desk, now = demo.desk(JC), demo.clock.now()
    found = desk.family(str(home.bg_number), now)
    assert found
    old = AgencyKey(seeded("jobcenter"))
    assert (found.household.ref, found.household.members[0].ref) == (
        old.case(found.household.id),
        old.person(found.household.members[0].id),
    )
    adults = {one.ref for one in found.household.members if one.adult(now.date())}
    form = Ticks(
        signed={
            one.ref: frozenset({one.ref} if one.ref in adults else adults) for one in found.household.members
        },
        opened={f"{JC}>{JA}": frozenset({"ID", "EG"})},
        purposes=frozenset({"joint_case_management"}),
        workers={},
        interpreter="professional",
    )
    before = demo.counts()["admitted"]
    desk.sign(found, form, desk.directions(), consent_text("tr", date(2026, 6, 5)), now)
    demo.settle()
    assert demo.counts()["admitted"] > before
    reader = Recipient(
        controller=JA, kind="youth_welfare", role="ja_asd", worker=None, assigned=True, undertaking=False
    )
    ours = AgencyKey(seeded("youth_office")).case(str(home.case_number))
    shown = open_view(demo.parts, ours, reader, "joint_case_management")
    assert {e.event_type for part in shown.redacted.parts for e in part.entries if part.sender == JC} >= {
        "MeasureStarted"
    }
