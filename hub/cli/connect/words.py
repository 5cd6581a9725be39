"""How a connector's state is said in German, at the agency and at the hub."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from connectors.looking.protections import Effect
from connectors.proposal.words import BLOCKED
from hub.metrics.hearing import SILENT
from hub.web.wording import word

STATES = {
    "running": "läuft", "paused": "ruht", "held": "wartet auf eine Bestätigung", "waiting": "wartet auf einen Dienst",
    "auth": "wird abgewiesen (Zugang)", "closed": "Schleuse zu: Register zu alt", "stopped": "steht",
    "never": "lief noch nie", SILENT: "schweigt",
}  # fmt: skip
_GUARDED = {
    "": "ohne Kennzeichnung",
    "A65": "Anvertrautes (§ 65 SGB VIII)",
    "K8a": "Gefährdung (§ 8a SGB VIII)",
    "CT": "Steuerdaten: liest nur das Regelwerk",
    "B68": "Vormundschaft (§ 68 SGB VIII)",
}
_CIRCUMSTANCES = {
    "entrusted_by": "anvertraut von (§ 65 SGB VIII)",
    "source_203": "von Berufsgeheimnisträgern (§ 203 StGB)",
    "task_class": "Aufgabe (§ 63 Abs. 2 SGB VIII)",
    "connection": "Zusammenhang zweier Aufgaben",
    "endangers_help": "gefährdet die Hilfe (§ 64 Abs. 2 SGB VIII)",
    "objected_76": "Widerspruch (§ 76 Abs. 2 SGB X)",
    "disputed": "bestritten (Art. 16, 18 DSGVO)",
}
_BLOCK = "Sperre der Anschrift oder Auskunft, §§ 51, 52 BMG: kein Umstand steht dafür"
_COUNTED = {
    "read": "gelesen", "events": "Ereignisse", "published": "veröffentlicht", "republished": "davon neu freigegeben",
    "backfilled": "nachgeliefert", "unchanged": "unverändert",
    "shown": "gezeigt", "deleted": "weggenommen", "superseded": "überholt", "late": "zu spät", "waiting": "wartet",
    "kept": "weggenommen, in der eigenen Akte behalten",
}  # fmt: skip
_SIZES = ((86_400, "Tagen"), (3600, "h"), (60, "min"))


def category(code: str) -> str:
    """A category in words, with its code."""
    return _GUARDED.get(code) or f"{word('categories', code)} ({code})"


def circumstance(name: str) -> str:
    """A circumstance that narrows a release, with its key in the configuration; a block has none."""
    return _BLOCK if name == BLOCKED else f"{name}: {_CIRCUMSTANCES[name]}"


def consents(effect: Effect) -> str:
    """How many of the agency's consents count, and why the others do not."""
    words = check_words()["de"]["consents"]
    flaws = ", ".join(f"{words[f'flaws.{name}']} ({count})" for name, count in sorted(effect.flawed.items()))
    sentence = words["some" if effect.without else "ok"]
    return sentence.format(effective=effect.effective, without=effect.without, flaws=flaws)


@cache
def check_words() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """The sentences of `hub connect check`: language → check → case."""
    return tomllib.loads(files("hub.cli.connect").joinpath("check.toml").read_text(encoding="utf-8"))


def ago(seconds: int | None) -> str:
    """How long since, in the largest unit of which there are two."""
    if seconds is None:
        return "noch nie"
    seconds = max(0, seconds)
    size, unit = next((one for one in _SIZES if seconds >= 2 * one[0]), (1, "s"))
    return f"vor {seconds // size} {unit}"


def counted(totals: Mapping[str, int]) -> str:
    """What was done so far, without what was not."""
    said = (f"{number} {_COUNTED.get(name, name)}" for name, number in totals.items() if number)
    return ", ".join(said) or "nichts"
