"""A kind of connector as the compliance kit examines it."""

from importlib import import_module

from connectors.kit.bench import Candidate
from connectors.pipeline.config.kinds import load_kind


def candidate(kind: str) -> Candidate:
    """The source of this kind, with the trial that writes its system."""
    module = load_kind(kind)
    trial = import_module(f"{module.__name__}.trial").Trial
    return Candidate(kind, module.build, module.spec, trial)
