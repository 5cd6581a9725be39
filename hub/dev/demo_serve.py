"""The demo in a browser, alive: while the pages are served, time goes on, connectors read and the hub decides.

Connectors keep to the thread that opened them, so this thread lives the day and the pages are served by another.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import uvicorn

from hub.dev.demo import OFFICES, Demo, caller
from hub.web.app import Desks
from hub.web.serve import LOOPBACK, config

EVERY = 5.0  # seconds between two looks of the connectors; what the desk records is read at once
HUB = 1.0  # seconds between two rounds of the hub: its pages stay closed when consents were not looked at for long


class LiveDemo:
    """Call `run` from the thread that made the demo; `stop` from any."""

    def __init__(self, demo: Demo, port: int) -> None:
        self._demo, self._woken, self._ended = demo, threading.Event(), threading.Event()
        desks = Desks({agency: demo.desk(agency) for agency, _, _ in OFFICES}, self._woken.set)
        self.server = uvicorn.Server(config(demo.parts, caller(demo), port=port, desks=desks))

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve and live until stopped, or until the server ends."""
        serving = threading.Thread(target=self.server.run, name="demo-pages", daemon=True)
        serving.start()
        try:
            self._live(serving, ready)
        finally:
            self.server.should_exit = True
            serving.join(timeout=10)

    def stop(self) -> None:
        self._ended.set()
        self._woken.set()

    def _live(self, serving: threading.Thread, ready: Callable[[], None]) -> None:
        began, start = time.monotonic(), self._demo.clock.now()
        looked = told = 0.0
        while serving.is_alive() and not self._ended.is_set():
            woken = self._woken.wait(HUB)
            self._woken.clear()
            passed = time.monotonic() - began
            self._demo.clock.set(start + timedelta(seconds=passed))
            if woken or passed - looked >= EVERY:
                self._demo.settle()
                looked = time.monotonic() - began
            else:
                self._demo.hub.run_until_quiet()
            if self.server.started and not told:
                told = 1.0
                ready()


def address(port: int) -> str:
    return f"http://{LOOPBACK}:{port}/"
