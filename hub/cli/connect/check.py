"""`hub connect check`: every line OK or FAIL with what to do, in German or English; nothing is sent."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from connectors.pipeline.config.connector import load_config
from hub.cli.connect.checks import Line, all_lines, failed
from hub.cli.connect.given import Config
from hub.cli.connect.words import check_words
from hub.cli.language import Message, message, verbatim
from hub.cli.messages import print_messages
from hub.cli.output import AsJson, State, ok_or_fail, print_json
from hub.errors import HubError


def check(
    config: Config,
    as_json: AsJson = False,
    rows: Annotated[
        int | None, typer.Option(min=1, help="nur etwa so viele Zeilen der Quelle lesen (sonst alle)")
    ] = None,
) -> None:
    """Prüft alles, was der Anschluss braucht: Datei, Schlüssel, Rechte, Quelle, Codes, Broker, Uhr, Zertifikate."""
    try:
        lines: Iterable[Line] = all_lines(load_config(config), rows)
    except HubError as error:
        _tell([failed("config", error)], as_json=as_json)
        raise typer.Exit(error.exit_code) from None
    if not _tell(lines, as_json=as_json):
        raise typer.Exit(1)


def _tell(lines: Iterable[Line], *, as_json: bool) -> bool:
    """Line by line as they come; whether all is well."""
    told: list[dict[str, Any]] = []
    for line in lines:
        found = as_object(line)
        told.append(found)
        if not as_json:
            print_messages(_sentences(found))
    wrong = sum(not found["ok"] for found in told)
    if as_json:
        print_json({"ok": not wrong, "checks": told})
    else:
        print_messages(
            [message("{} points need attention.", wrong) if wrong else message("All checks passed.")]
        )
    return not wrong


def as_object(line: Line) -> dict[str, Any]:
    """A line in words; the remedy of a check that failed is never empty."""
    words = check_words()[line.name]
    said = {name: _in_words(name, value, words) for name, value in line.said.items()}
    remedy = message(words["remedy"]) + (f" ({line.remedy})" if line.remedy else "")
    return {
        "name": line.name,
        "ok": line.ok,
        "title": message(words["title"]),
        "found": message(words[line.case], **said),
        "remedy": "" if line.ok else remedy,
    }


def _in_words(name: str, value: Any, words: Mapping[str, str]) -> Any:
    """Counts by code as text, each code by its name in `words`."""
    if not isinstance(value, Counter):
        return value
    return ", ".join(f"{message(words[f'{name}.{code}'])} ({count})" for code, count in sorted(value.items()))


def _sentences(found: Mapping[str, Any]) -> list[Message | State]:
    head = ok_or_fail(found["ok"])
    first = head._replace(rest=f"{' ' * (5 - len(head.text))}{found['title']}: {found['found']}")
    return [first] if found["ok"] else [first, verbatim(f"     → {found['remedy']}")]
