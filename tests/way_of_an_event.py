"""The files that one event passes through, from the agency's table to the joint view at the other office.

`python -m tests.way_of_an_event` runs the demo with a profiler over the jobcenter's SQL source, the embedded hub and
the youth welfare office's sink. It prints every file of which a function ran on the last day that published anything.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import hub
from hub.dev.demo import DAYS, Demo
from hub.domain.clock import BERLIN

ROOT = Path(hub.__file__).parents[1]
PARTS = ("hub/", "connectors/", "projections/", "schemas/")


@contextmanager
def recorded(files: set[str]) -> Iterator[None]:
    """Collect the files of this project in which a function is called."""

    def profile(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        name = code.co_filename.removeprefix(f"{ROOT}/")
        if event == "call" and code.co_name != "<module>" and name.startswith(PARTS):
            files.add(name)

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


def way(folder: Path) -> list[str]:
    """The files, in the order of their names."""
    files: set[str] = set()
    demo = Demo(folder, families=3, seed=1)
    for day in islice(demo.simulation.days, DAYS):
        demo.simulation.write_day(day)
        demo.clock.set(datetime.combine(day, time(20), tzinfo=BERLIN))
        passed: set[str] = set()
        with recorded(passed):
            report = demo._sources[0].step(demo.clock.now())
            demo.hub.run_until_quiet()
            demo._sinks[1].step(demo.clock.now())
        files = passed if report.published else files
        demo.settle()
    demo.close()
    return sorted(files)


def main() -> None:
    with TemporaryDirectory() as folder:
        files = way(Path(folder))
    for file in files:
        print(file)  # noqa: T201 -- a report for a person
    print(f"{len(files)} files")  # noqa: T201


if __name__ == "__main__":
    main()
