"""A real Chromium, and `hub demo --serve` as an operator starts it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 300  # seconds until the demo has lived its five days, on a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's own browser; a machine without one is told which package to install.

    The driver keeps an event loop running in this process, in which no other test could call `asyncio.run`: it ends
    with the module."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    assert path, "no Chromium: install the Debian package chromium"
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the demo is served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("served")
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    code = "from hub.cli import main; main()"
    command = [sys.executable, "-c", code, "demo", "--serve", "--port", str(port), "--families", "14"]
    with (folder / "said").open("w+") as said:
        served = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=env | {"PYTHONPATH": str(_clone())},
            cwd=folder,
        )
        try:
            _wait_for(folder / "said", served)
            yield f"http://127.0.0.1:{port}"
        finally:
            served.terminate()
            served.wait(timeout=30)


def _clone() -> Path:
    return Path(__file__).parents[3]


def _wait_for(said: Path, served: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE
    while "http://" not in (text := said.read_text(encoding="utf-8")):
        assert served.poll() is None, text
        assert time.monotonic() < end, "the demo did not come up"
        time.sleep(0.2)
