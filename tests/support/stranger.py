"""A package of somebody else (tests/stranger: read model, source, sink), installed by pip beside the hub."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.pipeline.config import kinds
from hub import read_models

PACKAGE = Path(__file__).parents[1] / "stranger"


def install(folder: Path) -> Path:
    """Build and install it from a copy, without a network: what it needs is installed. Returns the site folder."""
    copy, site = folder / "package", folder / "site"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "install",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--no-compile",
        "--target",
        str(site),
        str(copy),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return site


@contextmanager
def beside_the_hub(site: Path) -> Iterator[None]:
    """What is in this site folder is installed, for as long as this lasts."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        _look_again()
        yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(site)):
            del sys.modules[name]
    _look_again()


def _look_again() -> None:
    read_models.installed.cache_clear()
    kinds._installed.cache_clear()
