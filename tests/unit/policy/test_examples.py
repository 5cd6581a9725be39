"""The published examples, and what the decide command makes of files and folders."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from hub.cli.decide import decide as command
from hub.errors import NoInput
from hub.policy import decide, default_policy, explain, parse_request
from tests.unit.policy.cast import EXAMPLES, request

FILES = sorted(EXAMPLES.glob("*.json"))
app = typer.Typer()
app.command("decide")(command)
app.command("other")(lambda: None)
KEYS = {"outcome", "kept", "dropped", "marked", "reasons", "needed", "obligations", "policy_version"}


def run(*args: str) -> tuple[int, Any]:
    result = CliRunner().invoke(app, ["decide", *args])
    return result.exit_code, result.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_published_example(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    expected = case["expect"]
    found = decide(default_policy(), parse_request(case)).as_json()
    assert {key: found[key] for key in expected if key != "rules"} == {
        key: expected[key] for key in expected if key != "rules"
    }
    assert set(expected.get("rules", ())) <= {reason["rule"] for reason in found["reasons"]}


def test_all_published_examples_are_here() -> None:
    assert len(FILES) == 24


def test_a_file_prints_one_decision() -> None:
    code, out = run(str(EXAMPLES / "03-benefit-amount-not-covered.json"), "--json")
    found = json.loads(out)
    assert code == 0
    assert found.keys() == KEYS
    assert found["dropped"] == {"amount": "R04"}
    assert found["needed"] == [
        "consent: category LB to ja-luenen",
        "nearly: consent c1 for category LB to ja-luenen lacks category",
    ]
    assert found["reasons"][0].keys() == {"rule", "norm", "effect", "text"}
    assert found["policy_version"].startswith("sha256:")


def test_a_file_in_prose() -> None:
    code, out = run(str(EXAMPLES / "03-benefit-amount-not-covered.json"))
    assert code == 0
    assert "Ein Teil darf weitergegeben werden." in out
    assert "Zurückgehalten: amount" in out
    assert "Kategorie LB" in out


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"at": NaN}', b"[" * 100_000, b'{"event": {"fields": []}}'],
)
def test_content_that_is_no_request_is_decided(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "case.json"
    file.write_bytes(content)
    code, out = run(str(file), "--json")
    found = json.loads(out)
    assert (code, found["outcome"], found["dropped"]) == (0, "deny", {})
    assert found["reasons"][0]["rule"] == "R00"


def test_a_key_said_twice_is_not_guessed_at(tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    text = json.dumps(request())
    file.write_text(text.replace('"purpose"', '"purpose": "planning", "purpose"', 1), encoding="utf-8")
    found = json.loads(run(str(file), "--json")[1])
    assert found["dropped"] == {"field": "R00"}
    assert "purpose" in found["reasons"][0]["text"]


def test_a_missing_file_is_no_decision(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["decide", str(tmp_path / "none.json")])
    assert isinstance(result.exception, NoInput)
    assert result.exception.exit_code == 66


def test_a_folder_of_hits() -> None:
    code, out = run(str(EXAMPLES), "--json")
    found = json.loads(out)
    assert (code, found["hits"], found["misses"]) == (0, 24, 0)
    assert run(str(EXAMPLES))[0] == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("outcome", "deny"),
        ("kept", []),
        ("dropped", {"field": "R04"}),
        ("rules", ["R04"]),
        ("marked", ["field"]),
    ],
)
def test_a_folder_with_a_miss(tmp_path: Path, key: str, value: object) -> None:
    case = {**request(), "expect": {"outcome": "allow", key: value}}
    (tmp_path / "case.json").write_text(json.dumps(case), encoding="utf-8")
    (tmp_path / "no-expectation.json").write_text(json.dumps(request()), encoding="utf-8")
    (tmp_path / "no-json.json").write_text("{", encoding="utf-8")
    code, out = run(str(tmp_path), "--json")
    found = json.loads(out)
    assert (code, found["hits"], found["misses"]) == (1, 0, 1)
    assert found["cases"][0]["differs"] == [key]


def test_prose_in_both_languages() -> None:
    for path in FILES:
        decision = decide(default_policy(), parse_request(json.loads(path.read_text(encoding="utf-8"))))
        german, english = explain(decision), explain(decision, "en")
        for reason in decision.reasons:
            assert reason.rule in german
            assert reason.norm in german
            assert reason.text in german
            assert reason.text_en in english
        assert german.count("\n") == english.count("\n")
