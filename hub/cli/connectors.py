"""`hub connectors`: which connectors were heard of, how they are, and who is silent."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

import typer

from hub.bootstrap import build_clock, build_log
from hub.cli.connect.words import ago, state
from hub.cli.language import message, verbatim
from hub.cli.messages import print_message_table
from hub.cli.output import AsJson, State, print_json, rfc3339
from hub.cli.topics import log_file_exists
from hub.config import Settings, load_agencies, load_settings
from hub.domain.clock import micros
from hub.metrics.hearing import SILENT, Heard, Hearing


def connectors(as_json: AsJson = False) -> None:
    """Every connector that was ever heard of: state, last heard, last success. Exit 1 where one is silent."""
    settings = load_settings()
    now = build_clock(settings).now()
    found = [as_object(one, now) for one in heard_of(settings, now).values()]
    silent = any(one["state"] == SILENT for one in found)
    if as_json:
        print_json({"ok": not silent, "connectors": found})
    else:
        _print(found)
    if silent:
        raise typer.Exit(1)


def heard_of(settings: Settings, now: datetime) -> Mapping[tuple[str, str], Heard]:
    """(agency, connector) → what was heard last; looking creates no log. Raises HubError."""
    if settings.host == "embedded" and not log_file_exists(settings):
        return {}
    agencies = [agency.id for agency in load_agencies(settings.agencies)]
    with closing(build_log(settings, build_clock(settings))) as log:
        return Hearing(log, agencies).heard(now)


def as_object(one: Heard, now: datetime) -> dict[str, Any]:
    beat = one.beat
    return {
        "agency": beat.agency,
        "connector": beat.connector,
        "kind": beat.kind,
        "role": beat.role,
        "state": one.state(now),
        "said": beat.state,
        "closed": beat.closed,
        "heard": rfc3339(one.heard_at),
        "age_s": int(one.age(now).total_seconds()),
        "last_success": rfc3339(one.last_success),
        "success_age_s": _since(one.last_success, now),
        "register_as_of": rfc3339(beat.register_as_of),
        "skew_s": round(one.skew, 3),
        "software": beat.software,
        "quarantined": [entry._asdict() for entry in beat.quarantined],
        "certificates": {which: rfc3339(end) for which, end in sorted(beat.certificates.items())},
    }


def _print(found: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (
            verbatim(f"{one['agency']}/{one['connector']}"),
            State(state(one["state"]), one["state"] != SILENT),
            ago(one["age_s"]),
            ago(one["success_age_s"]),
            sum(entry["number"] for entry in one["quarantined"]),
            verbatim(min(one["certificates"].values(), default="–").partition("T")[0]),
        )
        for one in found
    ]
    columns = (
        message("connector"),
        message("state"),
        message("heard"),
        message("success"),
        message("records waiting"),
        message("certificate"),
    )
    print_message_table(message("{} connectors", len(rows)), columns, rows)


def _since(at: int | None, now: datetime) -> int | None:
    return None if at is None else (micros(now) - at) // 1_000_000
