"""An agency's own policy at admission and at delivery: judged by the day, and views shrink on that very day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.errors import ConfigurationError
from hub.policy.facts import Recipient
from hub.rights.event_history.trail import trail
from hub.views.opening import open_view
from tests.support.world import FAMILY, JA, JC, NOW, World

MIDNIGHT = datetime(2026, 9, 2, 22, tzinfo=UTC)  # 3 September in Berlin
ASD = Recipient(
    controller=JA, kind="youth_welfare", role="ja_asd", worker="w", assigned=True, undertaking=False
)


def _file(folder: Path, agency: str = JC, cell: str = "D", first: str = "2026-09-03") -> Path:
    path = folder / f"{agency}.toml"
    path.write_text(
        f'agency = "{agency}"\n[[tighten]]\nid = "no-measures"\nrole = "ja_asd"\ncategory = "EG"\ncell = "{cell}"\n'
        f'norm = "Dienstanweisung 7"\nde = "Keine Maßnahmen an den ASD"\nvalid_from = {first}\n',
        encoding="utf-8",
    )
    return path


def _opened(world: World) -> list[str]:
    found = open_view(world.parts, world.ja.key.case(FAMILY), ASD, "joint_case_management")
    return [entry.event_type for part in found.redacted.parts for entry in part.entries if part.sender == JC]


def test_views_shrink_on_the_very_day(folder: Path) -> None:
    world = World.at(folder, policy_files=(_file(folder),))
    world.shared()
    assert world.seen(JA, "ja_asd") == ["MeasureStarted"]
    world.clock.set(MIDNIGHT - timedelta(hours=3))
    world.run()
    assert max(shown.view["not_after"] for shown in world.views(JA, "ja_asd")) <= int(
        MIDNIGHT.timestamp() * 1e6
    )
    world.clock.set(MIDNIGHT - timedelta(seconds=1))
    assert _opened(world) == ["MeasureStarted"]
    world.clock.set(MIDNIGHT)
    assert _opened(world) == []
    world.run()
    assert world.seen(JA, "ja_asd") == []
    world.close()


def test_admission_decides_by_the_file_and_the_trail_names_its_rule(folder: Path) -> None:
    world = World.at(folder, policy_files=(_file(folder, first="2026-01-01"),))
    world.know_family()
    world.jc.grants("c1", "mother", ["EG"])
    event = world.measure()
    world.run()
    assert world.decisions() == [("withheld", f"{JC}:no-measures")]
    steps = [step for step in trail(world.parts, event.event_id.hex()).steps if step.point == "admit"]
    assert [(step.outcome, step.rules) for step in steps] == [("withheld", (f"{JC}:no-measures",))]
    world.close()


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_a_file_that_comes_or_goes_raises_every_epoch_and_marks_every_case(
    folder: Path, store: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("database_url") if store == "postgres" else ""
    world = World.at(folder, url)
    world.shared()
    before = {row["key"]: row["epoch"] for row in world.rows("subject")}
    world.close()
    changed = World.at(
        folder, url, now=NOW + timedelta(hours=1), policy_files=(_file(folder, first="2026-09-01"),)
    )
    changed.run()
    after = {row["key"]: row["epoch"] for row in changed.rows("subject")}
    assert all(after[key] > before[key] for key in before)
    assert changed.seen(JA, "ja_asd") == []
    changed.close()
    again = World.at(folder, url, now=NOW + timedelta(hours=2))
    again.run()
    assert again.seen(JA, "ja_asd") == ["MeasureStarted"]
    again.close()


def test_a_hub_does_not_start_on_a_file_that_loosens_or_belongs_to_nobody(folder: Path) -> None:
    for file in (_file(folder, cell="A"), _file(folder, agency="ja-elsewhere")):
        with pytest.raises(ConfigurationError) as caught:
            World.at(folder, policy_files=(file,))
        assert caught.value.exit_code == 78
    assert not (folder / "log.sqlite").exists()
