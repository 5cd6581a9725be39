"""The packaged words by which tables, columns and codes are recognised. Pure."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from connectors.pipeline.config.protecting import BLOCKED, protecting


@cache
def vocabulary() -> Mapping[str, Any]:
    """The packaged words, with those of the circumstances among the concepts."""
    text = (files("connectors.tools.propose") / "vocabulary.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    circumstances = {name: words for name, words in protecting().items() if name != BLOCKED}
    return {**found, "concepts": found["concepts"] | circumstances}
