"""What an operator installs is enough: the demo runs from a wheel, with nothing of the clone beside it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[2]
PARTS = ("hub", "schemas", "connectors", "projections", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy (a clone's `build` folder would keep what was deleted) and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "clone").mkdir()
    for name in PARTS:
        copy = shutil.copytree if (CLONE / name).is_dir() else shutil.copy
        copy(CLONE / name, folder / "clone" / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    how = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([*pip, "wheel", *how, str(folder / "clone")], check=True, capture_output=True, timeout=240)
    (wheel,) = folder.glob("*.whl")
    shutil.unpack_archive(wheel, folder / "site", "zip")
    return folder / "site"


def test_the_demo_runs_from_a_wheel(installed: Path, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    env["PYTHONPATH"] = str(installed)
    code = "import hub, sys; print(hub.__file__, file=sys.stderr); from hub.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "--json", "--families", "2"],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=240, env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == str(installed / "hub" / "__init__.py")
    assert json.loads(done.stdout)["published"] > 0
