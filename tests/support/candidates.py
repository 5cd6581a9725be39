"""A kind of connector as the compliance kit examines it."""

from importlib import import_module
from types import ModuleType

from connectors.kit.bench import Candidate
from connectors.pipeline.config.kinds import load_kind


def module_of(kind: str) -> ModuleType:
    """The module of this kind; "example" is the one that a new connector begins with."""
    found: ModuleType = import_module("connectors.kit.example") if kind == "example" else load_kind(kind)
    return found


def candidate(kind: str) -> Candidate:
    """The source of this kind, with the trial that writes its system."""
    module = module_of(kind)
    trial = import_module(f"{module.__name__}.trial").Trial
    return Candidate(kind, module.build, module.spec, trial)
