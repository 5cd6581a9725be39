"""Stories of the contract folder, and small ones to be spoilt."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "contract_examples" / "rehearse"


def told(name: str) -> dict[str, Any]:
    """A story of the folder as JSON, by the beginning of its name."""
    (file,) = FOLDER.glob(f"{name}*.json")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


@pytest.fixture
def plain() -> dict[str, Any]:
    """Consent, record, view, withdrawal, view."""
    return told("01")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(story: Any, name: str = "story.json") -> Path:
        file = tmp_path / name
        file.write_text(json.dumps(story), encoding="utf-8")
        return file

    return write
