"""The same seed gives the same bytes, a canary is everywhere it should be, and the command says what it did."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hub.cli.language import speak
from hub.cli.simulate import simulate as command
from hub.dev.simulate import jobcenter, youth_office
from tests.unit.simulate.running import Run, simulate


def tree(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    again = simulate(tmp_path, 6)
    assert tree(again.folder) == tree(run.folder)
    assert len(tree(run.folder)) == 1 + 6 * 12


def test_another_seed_gives_other_bytes(run: Run, tmp_path: Path) -> None:
    other = tree(simulate(tmp_path, 1, seed=2).folder)
    assert other["jobcenter.sqlite"] != tree(run.folder)["jobcenter.sqlite"]
    assert other["jugendamt/2026-06-01/personen.csv"] != tree(run.folder)["jugendamt/2026-06-01/personen.csv"]


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return simulate(tmp_path_factory.mktemp("marked"), 3, canary="KANARIE")


def test_the_canary_is_in_every_free_text_of_the_jobcenter(marked: Run) -> None:
    for table in jobcenter.metadata.tables.values():
        for column in (c.name for c in table.columns if c.name in jobcenter.FREE_TEXT):
            values = [v for (v,) in marked.rows(f"select {column} from {table.name}") if v is not None]  # noqa: S608
            assert values
            assert all("KANARIE" in str(v) for v in values)


def test_the_canary_is_in_every_free_text_of_the_youth_office(marked: Run) -> None:
    for name in youth_office.COLUMNS:
        for row in marked.read(name, 2):
            free = {k: v for k, v in row.items() if k in youth_office.FREE_TEXT and v}
            assert all("KANARIE" in v for v in free.values())
            assert not any("KANARIE" in v for k, v in row.items() if k not in free)


def test_names_stand_in_no_unmarked_column(marked: Run) -> None:
    names = {p.surname for p in marked.simulation.world.persons}
    for path in marked.folder.rglob("*.csv"):
        text = path.read_text("cp1252")
        assert all(re.search(rf"{name}(?! KANARIE)", text) is None for name in names)


def app() -> typer.Typer:
    one = typer.Typer()
    one.command()(command)
    return one


def test_the_command_reports_as_json(tmp_path: Path) -> None:
    arguments = ["--families", "20", "--days", "2", "--out", str(tmp_path / "new"), "--month-end", "--json"]
    result = CliRunner().invoke(app(), arguments)
    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (answer["families"], len(answer["days"])) == (20, 2)
    assert answer["days"][1]["jobcenter"]["T_LEISTUNG"] > 180
    assert (tmp_path / "new" / "jobcenter.sqlite").exists()


def test_the_command_speaks_german_where_that_is_asked_for(tmp_path: Path) -> None:
    speak("de")
    result = CliRunner().invoke(app(), ["--days", "1", "--out", str(tmp_path)])
    assert "20 Familien" in result.stdout
    assert "1 Tage geschrieben" in result.stdout
