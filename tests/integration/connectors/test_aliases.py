"""A new number is the same person when the agency says so; said too late, it is refused, not guessed."""

from pathlib import Path

import pytest

from connectors.kit.bench import Bench, Candidate, evening, families
from connectors.kit.example import build, spec
from connectors.kit.example.trial import Trial
from connectors.runtime.aliases import load_aliases
from hub.errors import ConfigurationError

EXAMPLE = Candidate("example", build, spec, Trial)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(EXAMPLE, tmp_path / "bench")


def told(bench: Bench, text: str) -> None:
    (bench.folder / "system" / "aliases.csv").write_text(f"neu;alt\n{text}", encoding="utf-8")
    bench.raw["connector"]["aliases"] = "aliases.csv"


def renumbered() -> dict[str, list[dict[str, str]]]:
    tables = families(1)
    tables["people"][0]["number"] = tables["consents"][0]["person"] = "NEU-1"
    return tables


def subjects(bench: Bench) -> set[str]:
    return {envelope["subject_ref"] for envelope in bench._envelopes()}


def test_a_new_number_is_the_same_person(bench: Bench) -> None:
    bench.write(families(1), 0)
    bench.all(0)
    told(bench, "NEU-1;NEU-0\nNEU-0;P0000000\n")
    bench.write(renumbered(), 1)
    bench.raw["connector"]["batch"] = 2
    bench.all(1)
    assert subjects(bench) == {bench.key.person("P0000000")}
    with bench.life() as connector:
        assert not bench.step(connector, evening(1)).events
    bench.close()


def test_said_too_late_it_is_refused(bench: Bench) -> None:
    bench.write(renumbered(), 0)
    bench.all(0)
    told(bench, "NEU-1;P0000000\n")
    with pytest.raises(ConfigurationError) as error, bench.life():
        pass
    assert error.value.place == "config.connector.aliases"
    assert "NEU-1" not in str(error.value)
    bench.close()


@pytest.mark.parametrize(
    "text", ["neu;alt\na;b\na;c\n", "neu;alt\na;b\nb;a\n", "neu;alt\na;\n", "alt;neu\na;b\n"]
)
def test_faulty_files_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "aliases.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        load_aliases(file)
