"""`hub consent` as a caseworker types it, over the simulated jobcenter and its own configuration file."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.cli.consent.commands import app
from hub.desk.texts import LANGUAGES
from hub.dev.demo import Demo, seeded
from hub.dev.simulate.world import Home
from hub.domain.pairing import read_code
from hub.errors import UsageError

THERE = "jc-seestadt>ja-seestadt"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    made = Demo(tmp_path_factory.mktemp("commands"), 14, 1)
    made.run(lambda _: None)
    key = base64.b64encode(seeded("jobcenter")).decode()
    (made.folder / "jobcenter" / "agency.key").write_text(key, encoding="ascii")
    yield made
    made.close()


@pytest.fixture
def home(demo: Demo) -> Home:
    return next(one for one in demo.simulation.world.families if one.model.kind == "refused").homes[0]


def hub(*arguments: str) -> Any:
    done = CliRunner().invoke(app, [*arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def answer(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(hub(*arguments, "--json").stdout)
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_form_is_one_page_of_its_language_with_a_fresh_code(tmp_path: Path, language: str) -> None:
    codes = set()
    for name in ("one.html", "two.html"):
        found = answer("form", "--language", language, "--out", str(tmp_path / name))
        page = (tmp_path / name).read_text(encoding="utf-8")
        assert (found["language"], found["version"]) == (language, f"2026-06/{language}")
        assert not re.search(r'(src|href)="', page), "no outside asset"
        code = re.search(r"<strong>([\w-]+)</strong>", page)
        assert code is not None
        assert read_code(code[1]) == code[1]
        codes.add(code[1])
    assert len(codes) == 2


def test_a_form_may_bear_the_familys_names(demo: Demo, home: Home, tmp_path: Path) -> None:
    out, config = tmp_path / "form.html", demo.folder / "jobcenter" / "desk.toml"
    hub("form", "--config", str(config), "--case", str(home.bg_number), "--out", str(out))
    page = out.read_text(encoding="utf-8")
    assert all(f"{one.given_name} {one.surname}" in page for one in home.in_jobcenter)


def test_grant_list_withdraw_and_object(demo: Demo, home: Home) -> None:
    config, case = str(demo.folder / "jobcenter" / "desk.toml"), str(home.bg_number)
    father, mother, child = (
        str(one.jobcenter_id) for one in sorted(home.in_jobcenter, key=lambda p: p.birth_date)
    )
    granted = answer(
        "grant",
        config,
        "--case",
        case,
        "--signed",
        f"{father}={father}",
        "--signed",
        f"{child}={father},{mother}",
        "--to",
        f"{THERE}=ID,EG",
        "--language",
        "tr",
        "--interpreter",
        "mediator",
        "--until",
        "2027-01-31",
    )
    assert len(granted["consents"]) == 2
    assert len(granted["missing"]) == 1, "who holds custody is not known at the jobcenter"
    listed = answer("list", config, "--case", case)["consents"]
    assert {one["id"] for one in listed} == set(granted["consents"])
    assert {one["valid_until"] for one in listed} == {"2027-01-31T23:00:00Z"}
    assert {one["withdrawn_at"] for one in listed} == {None}
    book = answer("list", config)["consents"]
    assert {(one["language"], one["interpreter"]) for one in book} == {("tr", "mediator")}

    assert answer("withdraw", config, "--case", case, "--category", "EG")["partly"] is True
    (parts, *_) = [one["withdrawn_parts"] for one in answer("list", config, "--case", case)["consents"]]
    assert [part["categories"] for part in parts] == [["EG"]]
    assert answer("withdraw", config, "--case", case)["withdrawn"] == 2
    assert None not in {one["withdrawn_at"] for one in answer("list", config, "--case", case)["consents"]}
    assert answer("object", config, "--case", case, "--person", child)["objection"].startswith("O-")


def test_custody_is_recorded_from_a_day_on_corrected_and_held_by_nobody(demo: Demo, home: Home) -> None:
    config, case = str(demo.folder / "jobcenter" / "desk.toml"), str(home.bg_number)
    father, mother, child = (
        str(one.jobcenter_id) for one in sorted(home.in_jobcenter, key=lambda p: p.birth_date)
    )
    record = ("custody", config, "--case", case, "--child", child)

    def held() -> set[str] | None:
        found = demo.desk("jc-seestadt").family(case, demo.clock.now())
        assert found is not None
        names = {one.ref: one.id for one in found.household.members}
        held = next(one for one in found.household.members if one.id == child).custodians
        return None if held is None else {names[ref] for ref in held}

    assert held() is None
    assert answer(*record, "--holder", father, "--from", "2999-01-01")["from"] == "2998-12-31T23:00:00Z"
    assert held() is None, "a future custody changes nothing before"
    answer(*record, "--holder", mother, "--from", "2026-01-01")
    assert held() == {mother}
    answer(*record, "--holder", mother, "--holder", father, "--from", "2026-01-01")
    assert held() == {mother, father}, "the same day again is a correction"
    answer(*record, "--nobody", "--from", "2026-02-01")
    assert held() == set()


@pytest.mark.parametrize(
    "wrong",
    [
        ["grant", "--signed", "nobody=nobody", "--to", f"{THERE}=ID"],
        ["grant", "--signed", "nonsense", "--to", f"{THERE}=ID"],
        ["grant", "--signed", "FATHER=FATHER", "--to", f"{THERE}=HI"],
        ["grant", "--signed", "FATHER=FATHER", "--to", "here>there=ID"],
        ["grant", "--signed", "FATHER=FATHER", "--to", f"{THERE}=ID", "--until", "next year"],
        ["grant", "--signed", "FATHER=FATHER", "--to", f"{THERE}=ID", "--language", "xx"],
        ["withdraw", "--consent", "unknown"],
        ["withdraw", "--by-number", "--consent", "x", "--category", "ID"],
        ["object", "--person", "nobody"],
        ["custody", "--child", "nobody", "--nobody"],
        ["custody", "--child", "FATHER"],
        ["custody", "--child", "FATHER", "--nobody", "--holder", "FATHER"],
        ["custody", "--child", "FATHER", "--nobody", "--from", "morgen"],
    ],
)
def test_a_wrong_call_records_nothing(demo: Demo, home: Home, wrong: list[str]) -> None:
    config = str(demo.folder / "jobcenter" / "desk.toml")
    father = str(min(home.in_jobcenter, key=lambda person: person.birth_date).jobcenter_id)
    before = demo.desk("jc-seestadt").grants()
    verb, *options = (one.replace("FATHER", father) for one in wrong)
    with pytest.raises(UsageError):
        hub(verb, config, "--case", str(home.bg_number), *options)
    assert demo.desk("jc-seestadt").grants() == before
