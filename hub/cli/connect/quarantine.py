"""`hub connect quarantine`: what waits at an agency, with place, column and remedy, and never a value."""

from collections.abc import Sequence
from contextlib import closing
from typing import Annotated, Any

import typer

from connectors.pipeline.config.connector import ConnectorConfig, load_config
from connectors.pipeline.publish.keyring import Keys, agency_keys
from connectors.pipeline.state.faults import WHOLE
from connectors.pipeline.state.quarantine import Decisions, QuarantinedRow
from connectors.pipeline.state.state import State
from connectors.tools.dry_run.locating import Located, locate
from hub.cli.connect.given import Config, clock_of, state_beside
from hub.cli.language import AgencyTyper, Message, message, said, verbatim
from hub.cli.messages import print_message_table, print_messages
from hub.cli.output import AsJson, print_json, rfc3339
from hub.domain.clock import micros
from hub.errors import UsageError

app = AgencyTyper(help="Was nicht gelesen werden konnte und wartet.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="aus `quarantine list`, oder der Anfang davon")]


@app.command("list")
def show_all(config: Config, as_json: AsJson = False) -> None:
    """Was wartet: Grund, Ort, Spalte und Abhilfe; und was jemand hat gehen lassen."""
    with closing(state_beside(load_config(config))) as state:
        waiting, dropped = state.quarantined(), Decisions(state.db).dropped()
    if as_json:
        gone = [one._asdict() | {"at": rfc3339(one.at)} for one in dropped]
        print_json({"quarantine": [as_object(entry) for entry in waiting], "dropped": gone})
        return
    print_waiting(message("{} waiting", len(waiting)), waiting)
    print_messages(
        message("Let go {}: {}, {}: {}", rfc3339(one.at), one.place, one.reason, one.why) for one in dropped
    )


def print_waiting(title: Message, waiting: Sequence[QuarantinedRow]) -> None:
    """The table of what waits, here and in `status`."""
    columns = (message("Name"), message("Reason"), message("Place"), message("Column"), message("Remedy"))
    rows = [
        (*map(verbatim, (one.name, one.reason, one.place, one.column)), said(one.remedy)) for one in waiting
    ]
    print_message_table(title, columns, rows)


@app.command()
def show(config: Config, name: Name, as_json: AsJson = False) -> None:
    """Ein Eintrag ganz: welche Zeile es ist (ihr Schlüssel, die Lieferung), warum sie wartet und was zu tun ist.

    Dafür wird die Quelle gelesen. Andere Werte stehen nicht darin.
    """
    settings = load_config(config)
    with closing(state_beside(settings)) as state:
        entry = _named(state, name)
    row = None if _whole(entry) else locate(settings, _keys(settings), entry, clock_of(settings).now())
    if as_json:
        print_json(as_object(entry) | _row_as_object(row))
        return
    words = {
        message("Name"): entry.name,
        message("Stream"): entry.stream,
        message("Event"): "" if _whole(entry) else entry.event_type,
        message("Reason"): entry.reason,
        message("Place"): entry.place,
        message("Row key"): "" if _whole(entry) else _key_of(row),
        message("Delivery"): _delivery_of(row),
        message("Column"): entry.column,
        message("Remedy"): said(entry.remedy),
    }
    print_messages(verbatim(f"{title}: {text}") for title, text in words.items() if text)


def _keys(settings: ConnectorConfig) -> Keys:
    """The row is known by a hash under the agency's own key. Raises ConfigurationError."""
    return agency_keys(settings.keys.agency_key_file)


def _key_of(row: Located | None) -> str:
    if row is None:
        return message("no longer found in the source")
    return ", ".join(f"{column} = {value}" for column, value in row.key.items()) or message("empty")


def _delivery_of(row: Located | None) -> str:
    if row is None or not row.file:
        return ""
    return message("{} of {}", row.file, f"{row.day:%d.%m.%Y}") if row.day else row.file


def _row_as_object(row: Located | None) -> dict[str, Any]:
    """The row's key columns, and file and day of its delivery."""
    if row is None:
        return {"key": None, "delivery": None}
    day = row.day.isoformat() if row.day else None
    return {"key": dict(row.key), "delivery": {"file": row.file, "day": day} if row.file else None}


@app.command()
def retry(
    config: Config,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="ein Eintrag")] = None,
    everything: Annotated[bool, typer.Option("--all", help="alles, was wartet")] = False,
    as_json: AsJson = False,
) -> None:
    """Noch einmal lesen, was wartet: der Anschluss tut es mit seinem nächsten Schritt."""
    if bool(name) == everything:
        raise UsageError(
            "name one entry, or all", place="hub connect quarantine retry", remedy="NAME or --all"
        )
    with closing(state_beside(load_config(config))) as state:
        chosen = [_named(state, name)] if name else state.quarantined()
        rows = [entry for entry in chosen if not _whole(entry)]
        with state.transaction():
            Decisions(state.db).ask_again({entry.stream for entry in rows})
    whole = [entry for entry in chosen if _whole(entry)]
    if as_json:
        print_json(
            {"asked": [as_object(entry) for entry in rows], "whole": [as_object(entry) for entry in whole]}
        )
        return
    print_messages(
        message("{}: is looked at again with every step; {}", entry.name, said(entry.remedy))
        for entry in whole
    )
    print_messages([message("{} records are read again with the next step.", len(rows))])


@app.command()
def drop(
    config: Config,
    name: Name,
    reason: Annotated[str, typer.Option("--reason", help="warum er nicht gebraucht wird; wird festgehalten")],
    as_json: AsJson = False,
) -> None:
    """Einen Datensatz gehen lassen, so wie er jetzt ist. Ändert er sich in der Quelle, wird er neu gelesen."""
    settings = load_config(config)
    if not reason.strip():
        raise UsageError(
            "needs a reason", place="hub connect quarantine drop", remedy="say why: --reason TEXT"
        )
    with closing(state_beside(settings)) as state:
        entry = _named(state, name)
        if _whole(entry):
            raise UsageError(
                "a whole delivery or stream is not let go, or nobody would notice what is missing",
                place=entry.place,
                remedy=entry.remedy,
            )
        with state.transaction():
            Decisions(state.db).drop(entry, reason.strip(), micros(clock_of(settings).now()))
    if as_json:
        print_json({"dropped": as_object(entry)})
        return
    print_messages(
        [message("{} ({}) is not read again as long as it stays so. Recorded.", entry.name, entry.place)]
    )


def as_object(entry: QuarantinedRow) -> dict[str, Any]:
    """An entry for --json: no key, no content."""
    found = {name: getattr(entry, name) for name in ("name", "stream", "reason", "place", "column")}
    found["remedy"] = said(entry.remedy)
    return found | {"event_type": "" if _whole(entry) else entry.event_type}


def _whole(entry: QuarantinedRow) -> bool:
    return entry.key == WHOLE


def _named(state: State, name: str) -> QuarantinedRow:
    found: Sequence[QuarantinedRow] = [entry for entry in state.quarantined() if entry.name.startswith(name)]
    if len(found) != 1:
        raise UsageError(
            "more than one entry begins so" if found else "no entry of this name waits",
            place="hub connect quarantine",
            remedy="see `hub connect quarantine list`",
        )
    return found[0]
