"""`pytest --hub-connector package:Name`: the compliance kit for that connector, and a certificate at the end."""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from connectors.kit.bench import Candidate
    from connectors.kit.sink_bench import SinkCandidate

FIGURES = pytest.StashKey[dict[str, str]]()
"""Passed check → its figure."""
SUITE = Path(__file__).with_name("suite.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fallbruecke")
    group.addoption(
        "--hub-connector", metavar="PACKAGE:NAME", help="run the compliance kit on this source or sink"
    )
    group.addoption(
        "--hub-trial",
        metavar="PACKAGE:TRIAL",
        help="the system it reads or writes (PACKAGE.trial:Trial unless given)",
    )
    group.addoption(
        "--hub-rows", type=int, default=2000, help="rows of the large reading (default: %(default)s)"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--hub-connector"):
        config.stash[FIGURES] = {}
        config.args[:] = [str(SUITE)]
        sys.path.insert(0, str(config.invocation_params.dir))


def candidate_of(config: pytest.Config) -> "Candidate | SinkCandidate":
    """The connector that the command line names; raises pytest.UsageError."""
    from connectors.kit.bench import Candidate
    from connectors.kit.sink_bench import SinkCandidate

    name = config.getoption("--hub-connector")
    trial = config.getoption("--hub-trial") or f"{name.partition(':')[0]}.trial:Trial"
    package = import_module(name.partition(":")[0])
    if not hasattr(package, "spec"):
        raise pytest.UsageError(f"{package.__name__} has no spec: connectors.contract.Spec")
    of = SinkCandidate if package.spec.role == "sink" else Candidate
    return of(name, _found(name), package.spec, _found(trial))


def checks_of(candidate: "Candidate | SinkCandidate") -> Sequence[Callable[..., str]]:
    """The checks of its role."""
    from connectors.kit.checks import CHECKS
    from connectors.kit.checks.sinks import SINK_CHECKS
    from connectors.kit.sink_bench import SinkCandidate

    return SINK_CHECKS if isinstance(candidate, SinkCandidate) else CHECKS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The certificate, or what is missing for it."""
    if config.getoption("--hub-connector") and FIGURES in config.stash:
        from connectors.kit.certificate import certificate

        figures: dict[str, str] = config.stash[FIGURES]
        for line in certificate(
            config.getoption("--hub-connector"), checks_of(candidate_of(config)), figures
        ):
            terminalreporter.write_line(line)


def _found(name: str):  # type: ignore[no-untyped-def]  # whatever stands there; the kit finds out whether it fits
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError):
        raise pytest.UsageError(f"{name} is not there: name it as package:Name") from None
