"""An embedded hub in a folder, two agencies that publish to it, and its command line on the same settings."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hub.adapters.keys.wrapping import as_text, new_master
from hub.bootstrap import build_parts
from hub.cli.app import app
from hub.cli.opened import close_parts
from hub.config import load_settings
from hub.domain.agencies import default_agency
from hub.domain.identifiers import AgencyKey
from hub.hosts.embedded import Embedded
from hub.parts import Parts
from tests.support.publisher import Publisher

JOBCENTER, YOUTH_OFFICE = "jc-a", "ja-a"
_TOML = """
[[agency]]
id = "jc-a"
kind = "jobcenter"

[[agency]]
id = "ja-a"
kind = "youth_welfare"
"""


@dataclass(frozen=True, slots=True)
class World:
    """The hub's parts, opened beside the command line's own, and the two agencies' sides."""

    folder: Path
    parts: Parts
    jobcenter: Publisher
    youth_office: Publisher

    def run(self) -> None:
        Embedded(self.parts).run_until_quiet()


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings of a hub that never ran."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agencies.toml").write_text(_TOML, encoding="utf-8")
    monkeypatch.setenv("HUB_DATA", str(tmp_path / "var"))
    monkeypatch.setenv("HUB_KEK", as_text(new_master()))
    return tmp_path


@pytest.fixture
def world(configured: Path) -> Iterator[World]:
    parts = build_parts(load_settings())
    sides = [
        Publisher(parts.log, parts.keys, AgencyKey(name.encode() * 8), default_agency(name, kind))
        for name, kind in ((JOBCENTER, "jobcenter"), (YOUTH_OFFICE, "youth_welfare"))
    ]
    yield World(configured, parts, *sides)
    close_parts(parts)


def hub(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def answer(*arguments: str, code: int = 0) -> dict[str, Any]:
    """What a verb prints with `--json`, and nothing else on standard output."""
    result = hub(*arguments, "--json")
    assert result.exit_code == code, (result.output, result.exception)
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found
