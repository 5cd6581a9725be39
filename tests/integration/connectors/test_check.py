"""`hub connect check`: each thing that is wrong makes its own line fail, with what to do, in two languages."""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.pipeline.state.sqlite_files import lease, lease_of
from hub.adapters.keys.certs import make_certificates
from hub.adapters.keys.expiry import not_after
from hub.cli.connect import app

Change = Callable[[Any, Path], object]


def lines(config: Path, *options: str, code: int) -> Mapping[str, Any]:
    result = CliRunner().invoke(app, ["check", str(config), "--json", *options])
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_what_is_in_order_says_so_and_nothing_is_left_behind(house: Path) -> None:
    before = sorted(path.name for path in house.parent.iterdir())
    found = lines(house, code=0)
    assert found["ok"]
    assert {line["name"] for line in found["checks"]} == {
        "config",
        "agency_key",
        "key_ring",
        "policy",
        "state",
        "pseudonyms",
        "running",
        "source",
        "columns",
        "codes",
        "circumstances",
        "consents",
        "lookups",
        "rows",
        "kek",
        "keys",
        "log",
        "topics",
        "register",
    }
    assert all(line["remedy"] == "" for line in found["checks"])
    assert sorted(path.name for path in house.parent.iterdir()) == before


def _toml(old: str, new: str) -> Change:
    return lambda offices, _: offices.edit("jc-seestadt", lambda toml: toml.replace(old, new))


def _file(name: str, content: str) -> Change:
    return lambda _, folder: (folder / name).write_text(content, encoding="ascii")


def _mode(name: str, mode: int) -> Change:
    return lambda _, folder: (folder / name).chmod(mode)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("agency_key", _file("agency.key", "short")),
        ("agency_key", _mode("agency.key", 0o644)),
        ("kek", _mode("controller.kek", 0o640)),
        ("kek", _file("controller.kek", "short")),
        ("policy", _toml("[connector]\n", '[connector]\npolicy_files = ["none.toml"]\n')),
        ("source", _toml('url = "sqlite:///jobcenter.sqlite"', 'url = "sqlite:////nowhere/at/all.sqlite"')),
        ("columns", _toml('"GESCHLECHT"', '"NICHTDA"')),
        ("codes", _toml('W = "f"\n', "")),
        ("lookups", _toml('key = "KDNR"\ncolumns', 'key = "MITGLIED_ID"\ncolumns')),
        ("log", _toml('path = "../log.sqlite"', 'bootstrap = "127.0.0.1:1"')),
        ("topics", _toml('path = "../log.sqlite"', 'path = "another.sqlite"')),
        ("register", _file("clock", "2026-11-16T23:00:00+00:00")),
        ("register", _file("clock", "2026-11-16T19:00:00+00:00")),
    ],
)
def test_each_thing_that_is_wrong_fails_on_its_line(
    house: Path, offices: Any, name: str, change: Change
) -> None:
    change(offices, house.parent)
    for lang in ("de", "en"):
        failed = [line for line in lines(house, "--lang", lang, code=1)["checks"] if not line["ok"]]
        assert name in {line["name"] for line in failed}
        assert all(line["remedy"] and line["found"] for line in failed)


def test_a_code_of_no_list_is_named_by_its_column_and_never_by_itself(house: Path, break_a_code: Any) -> None:
    break_a_code()
    result = CliRunner().invoke(app, ["check", str(house)])
    assert result.exit_code == 1
    told = " ".join(result.stdout.split())
    assert "FAIL Codelisten" in told
    assert "GESCHLECHT" in told
    assert "ZZSTRANGE" not in told


def test_a_circumstance_that_nobody_answered_fails(youth_house: Path, offices: Any) -> None:
    offices.edit("ja-seestadt", lambda toml: toml.replace('objected_76 = "none"\n', "", 1))
    failed = [line for line in lines(youth_house, code=1)["checks"] if not line["ok"]]
    assert {line["name"] for line in failed} == {"circumstances"}
    assert all("objected_76" in line["found"] for line in failed)


def test_a_column_that_looks_like_a_circumstance_is_missed_unless_it_is_unrelated(
    youth_house: Path, offices: Any
) -> None:
    mapped = 'entrusted_by = "vertraulich_von"\n'
    offices.edit("ja-seestadt", lambda toml: toml.replace(mapped, ""))
    failed = [line for line in lines(youth_house, code=1)["checks"] if not line["ok"]]
    assert {line["name"] for line in failed} == {"circumstances"}
    assert all("vertraulich_von" in line["found"] for line in failed)
    streams = ("hilfen", "hilfeplaene")
    for name in streams:
        offices.edit(
            "ja-seestadt",
            lambda toml, name=name: toml.replace(
                f"[streams.{name}]\n", f'[streams.{name}]\nunrelated = ["vertraulich_von"]\n'
            ),
        )
    assert lines(youth_house, code=0)["ok"]


def test_consents_that_can_never_be_withdrawn_fail(house: Path, offices: Any) -> None:
    def without_withdrawals(toml: str) -> str:
        before, _, rest = toml.partition("[streams.widerrufe]")
        return before + "[streams.widersprueche]" + rest.partition("[streams.widersprueche]")[2]

    offices.edit("jc-seestadt", without_withdrawals)
    failed = [line["name"] for line in lines(house, code=1)["checks"] if not line["ok"]]
    assert "withdrawals" in failed


def test_consents_without_effect_say_why(youth_house: Path, offices: Any) -> None:
    (before,) = (line for line in lines(youth_house, code=0)["checks"] if line["name"] == "consents")
    offices.edit(
        "ja-seestadt",
        lambda toml: toml.replace(
            'notices = { flags = { purpose = "hinweis_zweck", ', "notices = { flags = { "
        ),
    )
    (after,) = (
        line for line in lines(youth_house, "--lang", "en", code=0)["checks"] if line["name"] == "consents"
    )
    assert "wirksam" in before["found"]
    assert after["found"].startswith("0 effective")
    assert "notices incomplete" in after["found"]


def test_a_file_that_cannot_be_read_keeps_its_exit_code(house: Path, offices: Any) -> None:
    offices.edit("jc-seestadt", lambda toml: toml.replace("[connector]\n", "[connector]\nbatchs = 7\n"))
    found = lines(house, "--lang", "en", code=78)
    (line,) = found["checks"]
    assert (line["name"], line["ok"]) == ("config", False)
    assert "batchs" in line["found"] + line["remedy"]


def test_a_running_connector_is_named_and_not_disturbed(house: Path, offices: Any) -> None:
    with closing(lease(lease_of(house.parent / "state" / "source.sqlite"))):
        found = lines(house, code=0)
    (running,) = (line for line in found["checks"] if line["name"] == "running")
    assert "abgewiesen" in running["found"]


@pytest.mark.parametrize(("days", "ok"), [(60, True), (13, False), (-2, False)])
def test_certificates_are_pointed_out_before_they_end(house: Path, offices: Any, days: int, ok: bool) -> None:
    made = make_certificates(house.parent / "certs", ["jc-seestadt"])["connector-jc-seestadt"]
    offices.edit(
        "jc-seestadt",
        lambda toml: toml.replace(
            "[keys]\n", '[keys]\ntls_ca = "certs/ca.pem"\ntls_cert = "certs/connector-jc-seestadt.pem"\n'
        ),
    )
    then = min(not_after(made.ca), not_after(made.cert)) - timedelta(days=days)
    (house.parent / "clock").write_text(then.isoformat(), encoding="ascii")
    result = CliRunner().invoke(app, ["check", str(house), "--json"])
    told = [line for line in json.loads(result.stdout)["checks"] if line["name"] == "certificate"]
    assert {line["ok"] for line in told} == {ok}
    assert len(told) == 2


@pytest.mark.parametrize("missing", ["agency.key", "controller.kek", "aliases.csv", "own.toml"])
def test_one_missing_file_is_one_fail(house: Path, offices: Any, missing: str) -> None:
    if missing == "aliases.csv":
        _toml("[connector]\n", '[connector]\naliases = "aliases.csv"\n')(offices, house.parent)
    elif missing == "own.toml":
        _toml("[connector]\n", '[connector]\npolicy_files = ["own.toml"]\n')(offices, house.parent)
    (house.parent / missing).unlink(missing_ok=True)
    code = 66 if missing == "aliases.csv" else 1
    failed = [line for line in lines(house, code=code)["checks"] if not line["ok"]]
    assert len(failed) == 1, failed
    assert failed[0]["found"]
    assert failed[0]["remedy"]
