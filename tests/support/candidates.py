"""A kind of connector as the compliance kit examines it, by the name of its package."""

from importlib import import_module

from connectors.kit.bench import Candidate


def candidate(package: str) -> Candidate:
    """The source in `connectors.<package>`, with the trial that writes its system."""
    module = import_module(f"connectors.{package}")
    trial = import_module(f"connectors.{package}.trial").Trial
    return Candidate(package, module.build, module.spec, trial)
