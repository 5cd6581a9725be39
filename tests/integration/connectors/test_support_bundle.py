"""What leaves the house to ask for help names no person, no secret, no address and no code."""

import json
import stat
import tarfile
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from hub.cli.connect import app
from hub.cli.connect.support import LOG_LINES, log_tail

CANARY = "ZZCANARYZZ"


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def unpacked(path: Path) -> dict[str, Any]:
    with tarfile.open(path) as archive:
        found = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        return {name.removeprefix("support/"): json.load(file) for name, file in found.items() if file}


def test_a_bundle_helps_and_tells_of_nobody(
    house: Path, break_a_code: Any, offices: Any, tmp_path: Path
) -> None:
    break_a_code(CANARY)
    more = f'W = "f"\n{CANARY}1 = "f"\n'
    offices.edit("jc-seestadt", lambda toml: toml.replace('W = "f"\n', more))
    run("run", str(house), "--once")
    run("pause", str(house), "--reason", f"wegen {CANARY}")
    log = tmp_path / "connector.log"
    lines = [
        json.dumps(
            {"event": "connector.step", "read": 7, "name": CANARY, "host": CANARY, "published": {"a": CANARY}}
        ),
        f"Traceback: {CANARY}",
        json.dumps([CANARY]),
    ]
    log.write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "support.tar.gz"
    run("support-bundle", str(house), "--out", str(out), "--log", str(log))
    found = unpacked(out)
    whole = json.dumps(found)
    secrets = (house.parent / name for name in ("agency.key", "controller.kek"))
    for forbidden in (CANARY, "sqlite:///", *(path.read_text(encoding="ascii").strip() for path in secrets)):
        assert forbidden not in whole
    assert found["versions.json"]["python"]
    assert found["configuration.json"]["codes"]["geschlecht"] == 5
    assert found["counts.json"]["waiting"] == {"unknown_code": 1}
    assert found["counts.json"]["published"]["confirmed"] > 0
    assert found["status.json"]["paused"].keys() == {"since"}
    assert found["log.json"]["not_kept"] == 2
    assert found["log.json"]["lines"] == [{"event": "connector.step", "read": 7, "left_out": ["published"]}]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    result = CliRunner().invoke(app, ["support-bundle", str(house), "--out", str(out)])
    assert "file already exists" in str(result.exception)


def test_of_a_long_log_the_end_is_kept() -> None:
    tail = log_tail(json.dumps({"event": "step", "read": number}) for number in range(LOG_LINES + 5))
    assert [line["read"] for line in tail["lines"]] == list(range(5, LOG_LINES + 5))
