"""A connector's state, counts and categories in words of the spoken language, at the agency and at the hub."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from connectors.pipeline.config.protecting import BLOCKED
from connectors.tools.dry_run.protections import Effect
from hub.cli.language import Message, message, spoken, word_of
from hub.metrics.hearing import SILENT
from hub.web.wording import speaking, word

_HOUR, _DAY = 3600, 86_400
_STATES = {
    "running": "running",
    "paused": "paused",
    "held": "waits for a decision",
    "waiting": "waits for a service",
    "auth": "refused (credentials)",
    "closed": "gate closed: register too old",
    "stopped": "stopped",
    "never": "never ran yet",
    SILENT: "silent",
}
_GUARDED = {
    "": "without a label",
    "A65": "entrusted data (§ 65 SGB VIII)",
    "K8a": "danger to a child (§ 8a SGB VIII)",
    "CT": "control data: read by the rules only",
    "B68": "guardianship (§ 68 SGB VIII)",
}
_CIRCUMSTANCES = {
    "entrusted_by": "entrusted by (§ 65 SGB VIII)",
    "source_203": "from holders of professional secrets (§ 203 StGB)",
    "task_class": "task (§ 63 Abs. 2 SGB VIII)",
    "connection": "connection of two tasks",
    "endangers_help": "endangers the help (§ 64 Abs. 2 SGB VIII)",
    "objected_76": "objection (§ 76 Abs. 2 SGB X)",
    "disputed": "disputed (Art. 16, 18 GDPR)",
}
_BLOCK = "block of an address or of information, §§ 51, 52 BMG: no circumstance stands for it"
_COUNTED = {
    "read": "read",
    "events": "events",
    "published": "published",
    "republished": "released anew",
    "backfilled": "delivered again",
    "unchanged": "unchanged",
    "shown": "shown",
    "deleted": "taken away",
    "superseded": "superseded",
    "late": "too late",
    "waiting": "waiting",
    "kept": "taken away, kept in the agency's own file",
}


def state(name: str) -> Message:
    """A connector's state, or that the hub does not hear of it."""
    return message(_STATES[name])


def label(kind: str, code: str) -> str:
    """The label of a code in one table of the word list, in the spoken language."""
    with speaking(spoken()):
        return word(kind, code)


def category(code: str) -> str:
    """A category in words, with its code."""
    guarded = _GUARDED.get(code)
    return message(guarded) if guarded else f"{label('categories', code)} ({code})"


def circumstance(name: str) -> str:
    """A circumstance that narrows a release, with its key in the configuration; a block has none."""
    return message(_BLOCK) if name == BLOCKED else f"{name}: {message(_CIRCUMSTANCES[name])}"


def consents(effect: Effect) -> Message:
    """How many of the agency's consents count, and why the others do not."""
    words = check_words()["consents"]
    flaws = ", ".join(
        f"{message(words[f'flaws.{name}'])} ({count})" for name, count in sorted(effect.flawed.items())
    )
    sentence = words["some" if effect.without else "ok"]
    return message(sentence, effective=effect.effective, without=effect.without, flaws=flaws)


@cache
def check_words() -> Mapping[str, Mapping[str, str]]:
    """The sentences of `hub connect check`: check → case → template, whose German is in the catalogue."""
    return tomllib.loads(files("hub.cli.connect").joinpath("check.toml").read_text(encoding="utf-8"))


def ago(seconds: int | None) -> Message:
    """How long since, in the largest unit of which there are two."""
    if seconds is None:
        return message("never")
    seconds = max(0, seconds)
    if seconds >= 2 * _DAY:
        return message("{} days ago", seconds // _DAY)
    if seconds >= 2 * _HOUR:
        return message("{} h ago", seconds // _HOUR)
    return message("{} min ago", seconds // 60) if seconds >= 120 else message("{} s ago", seconds)


def counted(totals: Mapping[str, int]) -> str:
    """Counts of actions, without those that are zero."""
    parts = (f"{number} {word_of(_COUNTED, name)}" for name, number in totals.items() if number)
    return ", ".join(parts) or message("nothing")
