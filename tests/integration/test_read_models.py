"""A read model of another package is kept up, rebuilt and made to forget like the hub's own, and holds up nobody."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from connectors.pipeline.config import kinds
from connectors.pipeline.config.connector import parse_config
from connectors.pipeline.run.pipeline import build_sink
from hub import read_models
from hub.cli.doctor.store import store_checks
from hub.config import load_settings
from hub.errors import ConfigurationError, UsageError
from hub.operations import quarantine_release
from hub.operations.rebuild import rebuild
from hub.ports import ProjectedEvent
from tests.support.stranger import PACKAGE, beside_the_hub, install
from tests.support.world import JA, JC, MASTER, MOTHER, World, crash_at

NAME, ROWS = "case_tally", "case_tally_row"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stranger's package as pip installs it."""
    return install(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, site: Path, tmp_path: Path) -> Iterator[World]:
    """A hub on each database, with the stranger's package beside it."""
    url = request.getfixturevalue("store_url") if request.param == "postgres" else ""
    with beside_the_hub(site):
        made = World.at(tmp_path, url)
        yield made
        made.close()


def _records(world: World, table: str) -> set[tuple[Any, ...]]:
    names = ("controller", "record_ref", "subject", "case_key", "event_type", "source_version", "publication")
    return {tuple(row[name] for name in names) for row in world.rows(table)}


@contextmanager
def _failing(method: str, event_id: bytes = b"") -> Iterator[None]:
    """The stranger's method raises, for this event or for all."""
    model = import_module(NAME).CaseTally
    real = getattr(model, method)

    def fail(self: Any, *arguments: Any) -> Any:
        if not event_id or any(_speaks(one, event_id) for one in arguments):
            raise ValueError("Erika")
        return real(self, *arguments)

    with patch.object(model, method, fail):
        yield


def _speaks(argument: Any, event_id: bytes) -> bool:
    events = argument if isinstance(argument, list) else [argument]
    return any(isinstance(one, ProjectedEvent) and one.head.event_id == event_id for one in events)


def test_its_rows_are_those_of_the_joint_case(world: World) -> None:
    world.shared()
    world.measure(key="more")
    world.run()
    assert [model.name for model in world.parts.read_models][-1] == NAME
    assert len(_records(world, ROWS)) == 3
    assert _records(world, ROWS) == _records(world, "case_row")
    case = f"{JC}:{world.jc.key.case('fam')}"
    with world.parts.store.transaction() as connection:
        assert import_module(NAME).counts(connection, 1, case) == {"MeasureStarted": 2}


def test_its_rows_come_with_the_position_or_not_at_all(world: World) -> None:
    world.shared()
    before, stood = _records(world, ROWS), _position(world)
    world.measure(key="late")
    with crash_at("project.in_transaction"):
        world.run()
    assert (_records(world, ROWS), _position(world)) == (before, stood)
    world.run()
    assert len(_records(world, ROWS)) == len(before) + 1
    assert _position(world) == stood + 1


def _position(world: World) -> int:
    return sum(row["next_offset"] for row in world.rows("position") if row["stage"] == "project")


def test_it_is_rebuilt_without_divergence_killed_or_not(world: World) -> None:
    world.shared()
    before = _records(world, ROWS)
    with crash_at("rebuild.before_switch"):
        rebuild(world.parts, NAME)
    outcome = rebuild(world.parts, NAME)
    assert (outcome.divergence, outcome.rows) == (0, len(before))
    assert _records(world, ROWS) == before
    with world.parts.store.transaction() as connection:
        connection.execute(import_module(NAME).tally_row.delete())
    assert rebuild(world.parts, NAME).divergence == len(before)
    assert _records(world, ROWS) == before


@pytest.mark.parametrize("fault", [False, True], ids=["sound", "its forget raises"])
@pytest.mark.parametrize("way", ["erasure", "withdrawal"])
def test_it_forgets_with_the_hub(world: World, way: str, fault: bool) -> None:
    """A fault of its own keeps nobody from being forgotten."""
    world.shared()
    if way == "erasure":
        world.jc.say("ErasureRequested", MOTHER, {"norm": "Art. 17 DSGVO"}, key="erase")
    else:
        world.jc.withdraws("c1", MOTHER)
    if fault:
        with _failing("forget"):
            world.run()
    else:
        world.run()
    assert {row["controller"] for row in world.rows(ROWS)} == {JA}
    assert _records(world, ROWS) == _records(world, "case_row")
    assert rebuild(world.parts, NAME).divergence == 0


@pytest.mark.parametrize("method", ["decode", "apply"])
def test_what_it_cannot_take_waits_for_it_alone(world: World, method: str) -> None:
    world.shared()
    bad = world.measure(key="bad", provider="A")
    world.measure(key="good", provider="B")
    with _failing(method, bad.event_id):
        world.run()
        assert world.seen(JA, "ja_asd").count("MeasureStarted") == 3
        assert len(_records(world, "case_row") - _records(world, ROWS)) == 1
        (row,) = world.rows("quarantine")
        assert (row["stage"], row["reason"]) == (f"project.{NAME}", "failed_ValueError")
        assert world.rows("parked") == []
        assert rebuild(world.parts, NAME).divergence == 0  # it cannot take it in a rebuild either
        assert len(world.rows("quarantine")) == 1
        world.jc.withdraws("c1", MOTHER)
        world.run()
    assert world.seen(JA, "ja_asd") == []


def test_a_rebuild_takes_what_a_sound_release_of_it_can_take(world: World) -> None:
    world.shared()
    bad = world.measure(key="bad")
    with _failing("apply", bad.event_id):
        world.run()
    assert len(world.rows("quarantine")) == 1
    assert rebuild(world.parts, NAME).divergence == 1
    assert world.rows("quarantine") == []
    assert _records(world, ROWS) == _records(world, "case_row")


def _stopped(world: World) -> tuple[str, str]:
    """Stage and lane of what waits."""
    (row,) = world.rows("quarantine")
    return row["stage"], row["lane"]


def test_what_waits_for_it_is_tried_again_or_given_up(world: World) -> None:
    world.shared()
    bad = world.measure(key="bad")
    with _failing("apply", bad.event_id):
        world.run()
        assert quarantine_release.retry(world.parts, *_stopped(world)).still == {"failed_ValueError": 1}
        assert _records(world, ROWS) != _records(world, "case_row")
    assert quarantine_release.retry(world.parts, *_stopped(world)).taken == 1
    assert world.rows("quarantine") == []
    assert _records(world, ROWS) == _records(world, "case_row")


@pytest.mark.parametrize("there", [True, False], ids=["installed", "uninstalled"])
def test_what_is_given_up_stays_given_up(world: World, there: bool) -> None:
    world.shared()
    bad = world.measure(key="bad")
    with _failing("apply", bad.event_id):
        world.run()
        parts = world.parts if there else replace(world.parts, read_models=world.parts.read_models[:-1])
        if not there:
            with pytest.raises(UsageError, match="case_tally is not installed"):
                quarantine_release.retry(parts, *_stopped(world))
        outcome = quarantine_release.drop(parts, *_stopped(world), "operator", "tried")
        assert (outcome.left_out, outcome.taken) == (1, 0)
        rebuild(world.parts, NAME)
    (row,) = world.rows("quarantine")
    assert row["released"]
    assert [row["operator"] for row in world.rows("quarantine_drop")] == ["operator"]


def test_doctor_names_tables_that_nobody_owns(world: World) -> None:
    settings = load_settings(data=world.data, kek=MASTER, database_url=world.parts.store.url)
    checked = {one.name: one for one in store_checks(settings)}["read_models"]
    assert (checked.ok, NAME in checked.found) == (True, True)
    with patch.object(read_models, "installed", return_value=read_models.installed()[:-1]):
        checked = {one.name: one for one in store_checks(settings)}["read_models"]
    assert (checked.ok, ROWS in checked.found) == (False, True)


def test_an_outage_in_it_is_an_outage(world: World) -> None:
    world.shared()
    model = import_module(NAME).CaseTally
    world.measure(key="late")
    with patch.object(model, "apply", side_effect=ConnectionError), pytest.raises(ConnectionError):
        world.run()
    assert world.rows("quarantine") == []


def test_its_sink_shows_a_view_and_takes_it_away(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "shown"
    raw = {
        "agency": {"id": JA, "kind": "youth_welfare"},
        "connector": {"kind": "text_folder", "state": "sink.sqlite", "pseudonyms": "pseudonyms.sqlite"},
        "settings": {"folder": "shown"},
    }
    sink = build_sink(parse_config(raw, tmp_path), world.parts.keys, world.parts.log)
    world.shared()
    assert sink.step(world.clock.now()).answers["shown"]
    assert any('"provider"' in file.read_text("utf-8") for file in folder.iterdir())
    world.jc.withdraws("c1", MOTHER)
    world.run()
    sink.step(world.clock.now())
    sink.close()
    assert not any("provider" in file.read_text("utf-8") for file in folder.iterdir())


def _table(name: str, *columns: str) -> Table:
    made = (Column("generation", Integer, primary_key=True), Column("subject", String))
    return Table(name, MetaData(), *(column for column in made if not columns or column.name in columns))


class _Model:
    """A read model that keeps the contract, as long as no test changes it."""

    name, stage = "other", "project"
    tables: Sequence[Table] = (_table("other_row"),)

    def decode(self, event: ProjectedEvent) -> None:
        """It makes no row of anything."""

    def apply(self, connection: object, generation: int, events: Sequence[object]) -> None:
        """Nothing comes here."""

    def forget(self, connection: object, gone: Sequence[object]) -> int:
        return 0


FAULTS: dict[str, dict[str, Any]] = {
    "calls itself another": {"name": "another"},
    "no read model can hang on the stage admit": {"stage": "admit"},
    "has no table": {"tables": ()},
    "belongs to the hub": {"tables": (_table("decision"),)},
    "lacks the column subject": {"tables": (_table("other_row", "generation"),)},
    "lacks the column generation": {"tables": (_table("other_row", "subject"),)},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_read_model_that_breaks_the_contract_is_refused(fault: str) -> None:
    own = [(model.name, "own", model) for model in read_models.installed() if model.name in read_models.OWN]
    model = _Model()
    assert read_models.checked([*own, ("other", "place", model)])[-1] is model
    for name, value in FAULTS[fault].items():
        setattr(model, name, value)
    with pytest.raises(ConfigurationError, match=fault) as refused:
        read_models.checked([*own, ("other", "place", model)])
    assert (refused.value.place, refused.value.remedy) == ("place", "correct or uninstall the package")


@pytest.mark.parametrize(
    ("value", "said"),
    [("no_such_module", r"cannot be loaded \(ModuleNotFoundError\)"), ("json", "has no `projection`")],
)
def test_a_broken_entry_point_stops_the_start(tmp_path: Path, value: str, said: str) -> None:
    _only_named(tmp_path, "broken", value)
    with beside_the_hub(tmp_path), pytest.raises(ConfigurationError, match=said) as refused:
        World.at(tmp_path / "hub")
    assert refused.value.place == f"entry point hub.projections: broken = {value}"
    assert refused.value.remedy


def test_two_read_models_of_one_name_are_refused(tmp_path: Path) -> None:
    _only_named(tmp_path, "joint_case", "projections.joint_case")
    with beside_the_hub(tmp_path), pytest.raises(ConfigurationError, match="of this name"):
        read_models.installed()


def _only_named(site: Path, name: str, value: str, group: str = "hub.projections") -> None:
    """What pip writes of a package with this entry point."""
    folder = site / "broken-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n", encoding="utf-8")
    (folder / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n", encoding="utf-8")


def test_a_kind_that_cannot_be_loaded_is_named_with_a_remedy(tmp_path: Path) -> None:
    _only_named(tmp_path, "broken", "no_such_module", "hub.connectors")
    with beside_the_hub(tmp_path):
        assert "broken" not in kinds.installed_kinds()
        with pytest.raises(ConfigurationError) as refused:
            kinds.load_kind("broken")
    assert refused.value.place == "entry point hub.connectors: broken = no_such_module"
    assert refused.value.remedy


def test_the_page_shows_the_read_model_that_is_tested() -> None:
    page = (PACKAGE.parents[1] / "docs" / "contributing" / "add-a-read-model.md").read_text(encoding="utf-8")
    assert (PACKAGE / "case_tally" / "__init__.py").read_text(encoding="utf-8") in page
