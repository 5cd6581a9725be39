"""What a log line may say is listed; a value under another name is left out, whatever it is (abuse case 8)."""

import ast
import json
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import structlog

from hub.cli.logs import ALLOWED, log_to_stderr

ROOT = Path(__file__).parents[3]
CANARY = "Kanarienvogel"


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    said = StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    log_to_stderr(pid=7)
    yield said
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def line(stderr: StringIO) -> dict[str, object]:
    said: dict[str, object] = json.loads(stderr.getvalue())
    return said


def test_only_what_is_listed_is_said(stderr: StringIO) -> None:
    structlog.get_logger().warning("worker.waiting", stage="admit", names=CANARY, payload={"names": CANARY})
    said = line(stderr)
    assert said.pop("timestamp")
    assert said == {
        "event": "worker.waiting",
        "level": "warning",
        "pid": 7,
        "stage": "admit",
        "left_out": ["names", "payload"],
    }


@pytest.mark.parametrize("value", [{"names": CANARY}, [CANARY], ValueError(CANARY), CANARY.encode()])
def test_a_listed_name_says_plain_values_only(stderr: StringIO, value: object) -> None:
    structlog.get_logger().error("worker.left", cause=value, offset=3)
    said = line(stderr)
    assert CANARY not in str(said)
    assert (said["offset"], said["left_out"]) == (3, ["cause"])


def test_counts_by_code_are_plain_and_a_traceback_is_not(stderr: StringIO) -> None:
    structlog.get_logger().error("connector.step", withheld={"R04": 2}, exc_info=ValueError(CANARY))
    said = line(stderr)
    assert (said["withheld"], said["left_out"]) == ({"R04": 2}, ["exc_info"])
    assert CANARY not in str(said)


def test_every_line_of_the_code_keeps_to_the_list() -> None:
    """What would be left out in operation is found here."""
    said = {
        keyword.arg
        for path in [*(ROOT / "hub").rglob("*.py"), *(ROOT / "connectors").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
        for keyword in node.keywords
        if keyword.arg
    }
    assert len(said) > 15
    assert said <= ALLOWED


def test_with_json_the_states_of_a_process_are_lines_on_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", StringIO())
    log_to_stderr(states=True, pid=7)
    log = structlog.get_logger()
    log.info("worker.started", role="admit", names=CANARY)
    log.info("worker.redelivered", stage="admit", duplicates=3)
    log.info("worker.stopped")
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    told = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert [one["state"] for one in told] == ["running", "stopped"]
    assert (told[0]["role"], told[0]["pid"]) == ("admit", 7)
    assert CANARY not in str(told)
