"""A new number is the same person when the agency says so; said too late, it is refused, not guessed."""

import json
import os
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.kit.bench import AGENCY, Bench, Candidate, evening, families
from connectors.kit.example import build, spec
from connectors.kit.example.trial import Trial
from connectors.pipeline.config.aliases import load_aliases
from connectors.pipeline.config.connector import load_config
from connectors.pipeline.publish.keyring import agency_keys
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.run.pipeline import build_source
from hub.cli.connect import app
from hub.domain.clock import BERLIN, micros, moment
from hub.errors import ConfigurationError, NoInput
from hub.ports import Outgoing
from schemas import encode_single, record_schema, topics

EXAMPLE = Candidate("example", build, spec, Trial)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(EXAMPLE, tmp_path / "bench")


def told(bench: Bench, text: str) -> None:
    (bench.folder / "system" / "aliases.csv").write_text(f"neu;alt\n{text}", encoding="utf-8")
    bench.raw["connector"]["aliases"] = "aliases.csv"


def renumbered(count: int = 1) -> dict[str, list[dict[str, str]]]:
    tables = families(count)
    tables["people"][0]["number"] = tables["consents"][0]["person"] = "NEU-1"
    return tables


def subjects(bench: Bench) -> set[str]:
    return {envelope["subject_ref"] for envelope in bench._envelopes()}


def withdrawn(bench: Bench) -> bool:
    return any(fact.type == "ConsentWithdrawn" for fact in bench.facts())


@pytest.mark.parametrize("key", ["number", "person"])
def test_a_new_number_is_the_same_person(bench: Bench, key: str) -> None:
    """Also where the number is the key of the consent's row: the row vanishes and the paper is there."""
    bench.raw["streams"]["consents"]["key"] = key
    bench.write(families(1), 0)
    bench.all(0)
    told(bench, "NEU-1;NEU-0\nNEU-0;P0000000\n")
    bench.write(renumbered(), 1)
    bench.raw["connector"]["batch"] = 2
    bench.all(1)
    assert subjects(bench) == {bench.key.person("P0000000")}
    assert not withdrawn(bench)
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


def test_a_number_that_was_only_read_may_still_become_another_ones(bench: Bench) -> None:
    """The second family has not consented: its number stands in the table, and nothing was said about it."""
    tables = families(2)
    bench.write(tables, 0)
    bench.all(0)
    told(bench, "P0000001;P0000000\n")
    with bench.life() as connector:
        pending = connector._state.pending()
        assert bench.key.person("P0000000") in pending, "who mentions the number is looked at once more"
        bench.step(connector, evening(0))
        assert connector._state.pending() == []
    assert subjects(bench) == {bench.key.person("P0000000")}
    with bench.life() as connector:
        assert connector._state.pending() == []
    bench.close()


def test_what_was_erased_comes_back_under_no_new_number(bench: Bench) -> None:
    """The consent stands, and what happens from now on may be said; what happened before has ended. The neighbour's row
    stays: a table of which every key vanished would wait for a person."""
    bench.write(families(2), 0)
    bench.all(0)
    subject, erased_at = bench.key.person("P0000000"), evening(0) + timedelta(hours=1)
    entry = {
        "kind": "erased",
        "at": micros(erased_at),
        "agency": AGENCY,
        "consent_id": None,
        "subject_ref": subject,
        "key_version": None,
        "box": None,
    }
    register = topics()["register"].of(AGENCY)
    bench._log.append(register, [Outgoing(b"erased", encode_single(record_schema("register"), entry))])
    bench.all(1)
    sent = bench.sent()
    told(bench, "NEU-1;P0000000\nNEU-2;P0000000\n")
    tables = renumbered(2)
    later = {**tables["people"][0], "number": "NEU-2", "since": "2026-11-18 08:00:00"}
    tables["people"].append(later)
    bench.write(tables, 2)
    bench.all(2)
    came = [
        moment(e["occurred_at"])
        for e in bench._envelopes(sent)
        if e["subject_ref"] == subject and e["event_type"] == "PersonRegistered"
    ]
    assert came == [datetime(2026, 11, 18, 8, tzinfo=BERLIN)]
    assert bench.waiting() == []
    assert not withdrawn(bench)
    bench.close()


def run(*arguments: object, typed: str = "") -> Any:
    found = CliRunner().invoke(app, ["alias", *map(str, arguments)], input=typed)
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@pytest.fixture
def own(offices: Any, house: Path) -> Path:
    """The jobcenter's configuration, which names a file of aliases that is not there yet."""
    offices.edit(
        "jc-seestadt", lambda toml: toml.replace("[connector]\n", '[connector]\naliases = "neu.csv"\n')
    )
    house.chmod(0o640)
    return house


def test_an_alias_is_entered_whole_and_in_a_readable_file(own: Path) -> None:
    file = own.parent / "neu.csv"
    assert "noch niemand bekannt" in run("add", "N-1", "A-1", "--config", own).stderr
    run("add", " N;2 ", "N-1", "--config", own)
    assert load_aliases(file).first == {"N-1": "A-1", "N;2": "A-1"}
    assert (file.read_text(encoding="utf-8").splitlines()[0], file.stat().st_mode & 0o777) == (
        "neu;alt",
        0o640,
    )
    assert load_config(own).aliases.of("N;2") == "A-1"
    listed = run("list", "--config", own)
    assert "2 Nummern" in listed.stdout
    assert "A-1" not in listed.stdout, "this is no terminal"
    assert json.loads(run("list", "--config", own, "--json").stdout) == {"aliases": 2, "persons": 1}


def test_a_folder_that_is_missing_is_said(own: Path) -> None:
    own.write_text(own.read_text(encoding="utf-8").replace('"neu.csv"', '"fehlt/neu.csv"'), encoding="utf-8")
    with pytest.raises(NoInput, match="fehlt"):
        run("add", "N-1", "A-1", "--config", own)


def test_numbers_need_not_stand_on_the_command_line(own: Path) -> None:
    assert run("add", "--config", own, typed="N-1\nA-1\n").exit_code == 0
    assert load_config(own).aliases.of("N-1") == "A-1"
    assert run("add", "--config", own, typed="N-2\n").exit_code == 1
    assert load_config(own).aliases.of("N-2") == "N-2"


def test_the_file_is_for_whom_the_configuration_is_for_and_never_for_everybody(own: Path) -> None:
    """Root enters it, the connector's account must read it; there are people's numbers in it."""
    mine = os.getegid()
    group = next((one for one in os.getgroups() if one != mine), 12345 if os.geteuid() == 0 else mine)
    os.chown(own, -1, group)
    own.chmod(0o644)
    for new in ("N-1", "N-2"):
        run("add", new, "A-1", "--config", own)
        found = (own.parent / "neu.csv").stat()
        assert (found.st_gid, found.st_mode & 0o777) == (group, 0o640)


@pytest.mark.parametrize(
    ("new", "old"), [("N-1", "X"), ("A-1", "N-1"), ("A-1", "A-1"), ("", "X"), ("a\nb", "X")]
)
def test_what_makes_no_sense_is_not_entered(own: Path, new: str, old: str) -> None:
    run("add", "N-1", "A-1", "--config", own)
    before = (own.parent / "neu.csv").read_bytes()
    with pytest.raises(ConfigurationError):
        run("add", new, old, "--config", own)
    assert (own.parent / "neu.csv").read_bytes() == before


def test_a_configuration_without_a_file_says_what_to_write(house: Path) -> None:
    for verb in (("add", "N-1", "A-1"), ("list",)):
        with pytest.raises(ConfigurationError, match="names no file") as error:
            run(*verb, "--config", house)
        assert "aliases =" in error.value.remedy


def test_a_number_that_was_spoken_of_waits_for_its_erasure(offices: Any, own: Path, tools: Any) -> None:
    def life() -> Any:
        config = load_config(own)
        made = build_source(
            config, agency_keys(config.keys.agency_key_file), offices.keys("jc-seestadt"), offices.log
        )
        offices._open.append(made)
        return made

    (own.parent / "neu.csv").write_text("neu;alt\n", encoding="utf-8")
    offices.step(life(), tools.evening(0))
    offices.close_all()
    subject = next(
        e["subject_ref"]
        for e in offices.envelopes("jc-seestadt", "events")
        if e["subject_ref"] != e["case_ref"]
    )
    with closing(Pseudonyms(load_config(own).pseudonyms)) as names:
        number = names.local([subject])[subject].local_id
    assert "noch niemand bekannt" not in run("add", "N-1", number, "--config", own).stderr
    with pytest.raises(ConfigurationError) as error:
        run("add", number, "A-1", "--config", own)
    assert number not in str(error.value)
    offices.erased("jc-seestadt", subject, tools.evening(0) + timedelta(minutes=1))
    offices.step(life(), tools.evening(0) + timedelta(minutes=2))
    offices.close_all()
    run("add", number, "A-1", "--config", own)
    assert load_config(own).aliases.of("N-1") == "A-1"
    life()


@pytest.mark.parametrize(
    "text", ["neu;alt\na;b\na;c\n", "neu;alt\na;b\nb;a\n", "neu;alt\na;\n", "alt;neu\na;b\n"]
)
def test_faulty_files_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "aliases.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        load_aliases(file)


def test_a_number_that_lost_digits_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("neu;alt\n1,5E+3;4\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_aliases(path)
    assert (error.value.message, error.value.place) == ("is no number of a person", "a.csv:2")


@pytest.mark.parametrize("newer", ["people", "consents"])
def test_a_lookup_finds_a_person_under_each_number(bench: Bench, newer: str) -> None:
    """The consent's row names the person by one number, the register that tells the case by another."""
    bench.raw["lookups"] = {"homes": {"stream": "people", "key": "number", "columns": ["family", "name"]}}
    for event in bench.raw["streams"]["consents"]["events"]:
        event["case"] = {"lookup": "homes", "by": "person", "column": "family"}
    said = {
        "type": "PersonChanged",
        "subject": "person",
        "case": "family",
        "occurred_at": "granted",
        "fields": {"names": {"lookup": "homes", "by": "person", "column": "name"}},
    }
    bench.raw["streams"]["consents"]["events"].append(said)
    told(bench, "NEU-1;P0000000\n")
    tables = families(1)
    if newer == "people":
        tables["people"][0]["number"] = "NEU-1"
    else:
        tables["consents"][0]["person"] = "NEU-1"
    bench.write(tables, 0)
    bench.all(0)
    assert bench.waiting() == []
    assert {"ConsentGranted", "PersonChanged"} <= {fact.type for fact in bench.facts()}
    before = bench.sent()
    tables["people"][0]["name"] = "Anders"
    bench.write(tables, 1)
    bench.all(1)
    assert ("PersonChanged", "[('names', 'Anders')]") in bench.newest(before).values()
    bench.close()
