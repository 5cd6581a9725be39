"""How a connector's state is said in German, at the agency and at the hub."""

from collections.abc import Mapping

from hub.metrics.hearing import SILENT

STATES = {
    "running": "läuft", "paused": "ruht", "held": "wartet auf eine Bestätigung", "waiting": "wartet auf einen Dienst",
    "auth": "wird abgewiesen (Zugang)", "closed": "Schleuse zu: Register zu alt", "stopped": "steht",
    "never": "lief noch nie", SILENT: "schweigt",
}  # fmt: skip
_COUNTED = {
    "read": "gelesen", "events": "Ereignisse", "published": "veröffentlicht", "republished": "davon neu freigegeben",
    "backfilled": "nachgeliefert", "unchanged": "unverändert",
    "shown": "gezeigt", "deleted": "weggenommen", "superseded": "überholt", "late": "zu spät", "waiting": "wartet",
    "kept": "weggenommen, in der eigenen Akte behalten",
}  # fmt: skip
_SIZES = ((86_400, "Tagen"), (3600, "h"), (60, "min"))


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
