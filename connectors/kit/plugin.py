"""`pytest --hub-connector package:Source`: the compliance kit for that connector, and a certificate at the end."""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from connectors.kit.bench import Candidate

FIGURES = pytest.StashKey[dict[str, str]]()
"""Passed check → its figure."""
SUITE = Path(__file__).with_name("suite.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fallbruecke")
    group.addoption("--hub-connector", metavar="PACKAGE:SOURCE", help="run the compliance kit on this source")
    group.addoption(
        "--hub-trial", metavar="PACKAGE:TRIAL", help="the system it reads (PACKAGE.trial:Trial unless given)"
    )
    group.addoption(
        "--hub-rows", type=int, default=2000, help="rows of the large reading (default: %(default)s)"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--hub-connector"):
        config.stash[FIGURES] = {}
        config.args[:] = [str(SUITE)]
        sys.path.insert(0, str(config.invocation_params.dir))


def candidate_of(config: pytest.Config) -> "Candidate":
    """The connector that the command line names; raises pytest.UsageError."""
    from connectors.kit.bench import Candidate

    name = config.getoption("--hub-connector")
    trial = config.getoption("--hub-trial") or f"{name.partition(':')[0]}.trial:Trial"
    package = import_module(name.partition(":")[0])
    if not hasattr(package, "spec"):
        raise pytest.UsageError(f"{package.__name__} has no spec: connectors.contract.Spec")
    return Candidate(name, _found(name), package.spec, _found(trial))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The certificate, or what is missing for it."""
    if config.getoption("--hub-connector") and FIGURES in config.stash:
        from connectors.kit.certificate import certificate

        figures: dict[str, str] = config.stash[FIGURES]
        for line in certificate(config.getoption("--hub-connector"), figures):
            terminalreporter.write_line(line)


def _found(name: str):  # type: ignore[no-untyped-def]  # whatever stands there; the kit finds out whether it fits
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError):
        raise pytest.UsageError(f"{name} is not there: name it as package:Name") from None
