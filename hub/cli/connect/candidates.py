"""`hub connect candidates`: which families meet an agreed target group. Nothing leaves the house."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import orjson
import typer

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.mapping.mapped import MappedEvent
from connectors.pipeline.publish.keyring import first_of
from connectors.tools.candidates.find import Candidate, find
from connectors.tools.candidates.groups import Group, load_groups, packaged
from connectors.tools.dry_run.offline import Found, Vanished, offline
from hub.cli.connect.given import clock_of, keys_to_look
from hub.cli.files import write_new
from hub.cli.language import message, verbatim
from hub.cli.messages import print_message_table, print_messages, warn_of
from hub.cli.output import AsJson, print_document, print_json
from hub.domain.clock import berlin_day

REMARK = "A person invites; the list does not rank, does not rate and does not leave the agency."


def candidates(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML-Datei der Quelle")],
    groups: Annotated[
        Path | None, typer.Option("--groups", help="geprüfte Datei der Zielgruppen; sonst die mitgelieferte")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="in diese neue Datei, nur für Sie lesbar, statt auf den Schirm"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Nennt Fälle dieses Amts, auf die eine vereinbarte Zielgruppe zutrifft. Nur hier im Haus, ohne Rangfolge."""
    settings, agreed = load_config(config), load_groups(groups or packaged())
    now = clock_of(settings).now()
    with offline(settings, first_of(keys_to_look(settings))) as house:
        standing, unread = _standing(house.judged(now))
        found = find(standing, agreed, berlin_day(now))
    if out:
        write_new(out, _answer(found, agreed) + b"\n")
        if as_json:
            print_json({"file": str(out), "families": len(found)})
        else:
            print_messages(
                [message("{} families in {} (readable by you only).", len(found), out.name), message(REMARK)]
            )
    elif as_json:
        print_document(_answer(found, agreed))
    else:
        labels = {group.id: group.label for group in agreed}
        rows = [
            (verbatim(one.case_id), verbatim("; ".join(labels[group] for group in one.groups)))
            for one in found
        ]
        print_message_table(
            message("{} families", len(found)), (message("Case"), message("Target groups")), rows
        )
        print_messages([message(REMARK)])
    if unread:
        warn_of(
            message("{} records could not be read, families may be missing: see hub connect check", unread)
        )
        raise typer.Exit(1)


def _standing(found: Iterable[Found]) -> tuple[Iterable[MappedEvent], int]:
    """The records as they stand at the end (corrected ones once, vanished ones not at all), and how many could not be
    read."""
    standing: dict[bytes, MappedEvent] = {}
    unread = 0
    for one in found:
        if isinstance(one, Judged):
            standing[one.event.record_ref] = one.event
        elif isinstance(one, Vanished):
            standing.pop(one.record_ref, None)
        else:
            unread += 1
    return standing.values(), unread


def _answer(found: list[Candidate], agreed: tuple[Group, ...]) -> bytes:
    answer = {
        "groups": [{"id": group.id, "label": group.label} for group in agreed],
        "candidates": [{"case": one.case_id, "groups": list(one.groups)} for one in found],
        "remark": message(REMARK),
    }
    return orjson.dumps(answer, option=orjson.OPT_INDENT_2)
