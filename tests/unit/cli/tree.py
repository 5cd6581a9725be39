"""Every verb of `hub`, found by walking the tree of commands: a new verb is walked without being named anywhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.cli.app import VERBS, load
from hub.cli.language import AGENCY

TRIED = frozenset({"demo", "decide", "rehearse"})
"""Verbs that agencies' people try: their report and help are German, as their tutorials are."""


@dataclass(frozen=True)
class Leaf:
    """A verb that does something: its words after `hub`, and its command."""

    words: tuple[str, ...]
    command: Any

    @property
    def name(self) -> str:
        return " ".join(self.words)

    @property
    def agency(self) -> bool:
        return self.words[0] in AGENCY

    @property
    def german(self) -> bool:
        """Whether agencies' people read its help."""
        return self.agency or self.words[0] in TRIED

    @property
    def options(self) -> set[str]:
        return {option for parameter in self.command.params for option in parameter.opts}

    @property
    def paths(self) -> list[Any]:
        """Parameters that take a path."""
        return [one for one in self.command.params if _holds(one, Path)]

    @property
    def texts(self) -> list[Any]:
        """Parameters that take a text: ids, names, reasons."""
        return [one for one in self.command.params if _holds(one, str)]

    def call(self, **given: str) -> list[str]:
        """The words of a call: what is given by parameter, and something harmless for whatever else is required."""
        options: list[str] = []
        arguments: list[str] = []
        for one in self.command.params:
            value = given.get(one.name, _some(one) if one.required else None)
            if value is None:
                continue
            if one.opts[0].startswith("-"):
                options += [one.opts[0], value]
            else:
                arguments.append(value)
        return [*self.words, *options, "--", *arguments]


def _holds(parameter: Any, kind: type) -> bool:
    annotation = parameter.type_descriptor.annotation
    return annotation is kind or kind in getattr(annotation, "__args__", ())


def _some(parameter: Any) -> str:
    return "none.toml" if _holds(parameter, Path) else "a"


def _leaves(command: Any, words: tuple[str, ...]) -> Iterator[Leaf]:
    commands = getattr(command, "commands", None)
    if commands is None:
        yield Leaf(words, command)
    for name, one in (commands or {}).items():
        yield from _leaves(one, (*words, name))


LEAVES = [leaf for name, verb in VERBS.items() for leaf in _leaves(load(name, verb.target), (name,))]


def named(leaf: Leaf) -> str:
    return leaf.name.replace(" ", "_")
