"""`hub quarantine`: what could not be taken, what waits behind it, and letting it go on."""

import getpass
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from hub.cli.language import Message, message, verbatim
from hub.cli.messages import print_message_table, print_messages
from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json, rfc3339
from hub.domain.clock import micros
from hub.errors import HubError, UsageError
from hub.operations import quarantine_release as lanes
from hub.operations.quarantine_release import ReleaseOutcome
from hub.parts import Parts
from hub.ports import RecordPosition
from hub.sealed.decode import decode_envelope
from hub.stages import misnamed
from hub.store import quarantines
from schemas import event_types

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Records that could not be taken, and those that wait behind them.",
)
Lane = Annotated[
    str | None,
    typer.Argument(metavar="LANE", help="Lane or item from `hub quarantine list`, or its beginning."),
]
Everything = Annotated[bool, typer.Option("--all", help="Every lane.")]
_LONGEST = 500  # characters of an operator's reason


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Each quarantined record: place, reason, age, and how many wait behind it."""
    with opened_parts() as parts:
        found, items = _waiting(parts), _items(parts)
    if as_json:
        print_json({"quarantined": found, "parked": _parked(found)} | ({"items": items} if items else {}))
        return
    if not found and not items:
        print_messages([message("Nothing is quarantined.")])
    if found:
        rows = [
            (
                *(verbatim(one[name]) for name in ("stage", "lane", "place", "reason")),
                _age(one["age_s"]),
                one["waiting"],
            )
            for one in found
        ]
        columns = (
            message("Stage"),
            message("Lane"),
            message("Place"),
            message("Reason"),
            message("for"),
            message("waiting"),
        )
        title = message("{} quarantined, {} wait behind them", len(rows), _parked(found))
        print_message_table(title, columns, rows)
    if items:
        aside = [
            (*(verbatim(one[name]) for name in ("stage", "item", "reason")), _age(one["age_s"]))
            for one in items
        ]
        headings = (message("Stage"), message("Item"), message("Reason"), message("for"))
        print_message_table(message("{} items quarantined", len(aside)), headings, aside)


@app.command()
def show(lane: Lane = None, as_json: AsJson = False) -> None:
    """One lane in detail: place, stage, reason, event type, what waits behind it, and how it goes on."""
    if lane is None:
        raise UsageError(
            "name one lane", place="hub quarantine show", remedy="LANE from `hub quarantine list`"
        )
    with opened_parts() as parts:
        stage, name = _chosen(parts, lane, "show")[0]
        found = _shown(parts, stage, name)
    if as_json:
        print_json(found)
    else:
        print_messages(_told(found))


@app.command()
def retry(lane: Lane = None, everything: Everything = False, as_json: AsJson = False) -> None:
    """Try it again, then everything behind it. What still fails stays quarantined; then exit 1."""
    _go_on("retry", lane, everything, as_json, lanes.retry, _retry_items)


@app.command()
def drop(
    lane: Lane = None,
    reason: Annotated[str, typer.Option(help="Why, in a sentence about no person; it is recorded.")] = "",
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """Give the quarantined record up and take what waits behind it. Who, when and why is recorded."""
    if not reason.strip() or len(reason) > _LONGEST or not reason.isprintable():
        raise UsageError(
            f"a reason of 1 to {_LONGEST} printable characters is needed",
            place="hub quarantine drop",
            remedy="--reason",
        )
    operator, why = getpass.getuser(), reason.strip()
    work = partial(lanes.drop, operator=operator, reason=why)
    _go_on("drop", lane, everything, as_json, work, partial(_drop_items, operator=operator, reason=why))


@app.command(hidden=True)
def release(lane: Lane = None, everything: Everything = False, as_json: AsJson = False) -> None:
    """Like `retry`; what still fails is given up."""
    operator = getpass.getuser()
    _go_on("release", lane, everything, as_json, partial(lanes.release, operator=operator), _retry_items)


def _go_on(
    verb: str,
    lane: str | None,
    everything: bool,
    as_json: bool,
    work: Callable[[Parts, str, str], ReleaseOutcome],
    work_items: Callable[[Parts, str | None], list[str]],
) -> None:
    if bool(lane) == everything:
        raise UsageError("name one lane, or all", place=f"hub quarantine {verb}", remedy="LANE or --all")
    with opened_parts() as parts:
        again = work_items(parts, lane)
        chosen = [] if again and lane else _chosen(parts, lane, verb)
        outcomes = [work(parts, *one) for one in chosen]
    if as_json:
        print_json(
            {"released": [asdict(outcome) for outcome in outcomes]} | ({"items": again} if again else {})
        )
    else:
        lines = [*map(_sentence, outcomes), *(message(_ITEMS_GO_ON[verb], one) for one in again)]
        print_messages(lines or [message("Nothing is quarantined.")])
    if any(outcome.still or outcome.quarantined for outcome in outcomes):
        raise typer.Exit(1)


_ITEMS_GO_ON = {
    "retry": "{}: is tried again at once.",
    "release": "{}: is tried again at once.",
    "drop": "{}: given up.",
}


def _retry_items(parts: Parts, name: str | None) -> list[str]:
    """Work that is no record is tried again by its stage as soon as it stands in quarantine no more. A withdrawal that
    names somebody else's consent was taken and stays until somebody drops it."""
    with parts.store.transaction() as connection:
        found = [one for one in _items_named(connection, name) if one.stage != misnamed.STAGE]
        for one in found:
            quarantines.remove_items(connection, one.stage, [one.item])
    return [one.item for one in found]


def _drop_items(parts: Parts, name: str | None, operator: str, reason: str) -> list[str]:
    """Work that is no record cannot be given up, for what it is about is still to be done; withdrawals that name
    somebody else's consent can."""
    with parts.store.transaction() as connection:
        found = _items_named(connection, name)
        told = [one for one in found if one.stage == misnamed.STAGE]
        if name and len(told) < len(found):
            raise UsageError(
                "this is no record: it cannot be given up", place=found[0].stage, remedy="retry it"
            )
        misnamed.drop(connection, told, operator, reason, micros(parts.clock.now()))
    return [one.item for one in told]


def _items_named(connection: Connection, name: str | None) -> list[quarantines.Item]:
    return [one for one in quarantines.items(connection) if name is None or one.item.startswith(name)]


def _waiting(parts: Parts) -> list[dict[str, Any]]:
    now = micros(parts.clock.now())
    with parts.store.transaction() as connection:
        found = quarantines.waiting(connection)
    return [
        {
            "stage": one.stage,
            "lane": one.lane,
            "place": str(place),
            "reason": reason,
            "at": rfc3339(at),
            "age_s": (now - at) // 1_000_000,
            "waiting": one.parked,
        }
        for one in found
        for place, reason, at in one.bad
    ]


def _items(parts: Parts) -> list[dict[str, Any]]:
    now = micros(parts.clock.now())
    with parts.store.transaction() as connection:
        found = quarantines.items(connection)
    return [
        {
            "stage": one.stage,
            "item": one.item,
            "reason": one.reason,
            "at": rfc3339(one.at),
            "age_s": (now - one.at) // 1_000_000,
        }
        for one in found
    ]


def _parked(found: list[dict[str, Any]]) -> int:
    """A lane with two bad records has one queue behind it."""
    queues: Mapping[tuple[str, str], int] = {(one["stage"], one["lane"]): one["waiting"] for one in found}
    return sum(queues.values())


def _chosen(parts: Parts, lane: str | None, verb: str) -> list[tuple[str, str]]:
    with parts.store.transaction() as connection:
        every = [(one.stage, one.lane) for one in quarantines.waiting(connection)]
    if lane is None:
        return every
    found = [(stage, name) for stage, name in every if name.startswith(lane)]
    if len(found) != 1:
        message = "more than one lane begins so" if found else "no lane of this name waits"
        raise UsageError(message, place=f"hub quarantine {verb}", remedy="see `hub quarantine list`")
    return found


def _shown(parts: Parts, stage: str, name: str) -> dict[str, Any]:
    """A lane with what its records are, as far as their envelopes can be read, and the commands that let it go on."""
    bad = [one for one in _waiting(parts) if (one["stage"], one["lane"]) == (stage, name)]
    with parts.store.transaction() as connection:
        places, behind = quarantines.of_lane(connection, stage, name)
    types = {str(place): _event_type(parts, place) for place in (*places, *behind)}
    return {
        "stage": stage,
        "lane": name,
        "quarantined": [
            {key: one[key] for key in ("place", "reason", "at", "age_s")}
            | {"event_type": types[one["place"]]}
            for one in bad
        ],
        "waiting": [{"place": str(place), "event_type": types[str(place)]} for place in behind],
        "commands": [f"hub quarantine retry {name}", f'hub quarantine drop {name} --reason "…"'],
    }


def _event_type(parts: Parts, place: RecordPosition) -> str | None:
    """None where the record is no envelope, says a type that is none, or is gone."""
    try:
        found = parts.log.read(place.topic, {place.partition: place.offset}, 1)
        said = decode_envelope(found[0]).event_type if found and found[0].place == place else None
    except HubError:
        return None
    return said if said in event_types() else None


def _told(found: Mapping[str, Any]) -> list[Message]:
    lines = [message("Stage {stage}, lane {lane}", **found)]
    for one in found["quarantined"]:
        what = one["event_type"] or message("unknown type")
        age = _age(one["age_s"])
        lines.append(
            message("quarantined: {} ({}), reason {}, for {}", one["place"], what, one["reason"], age)
        )
    lines += [
        message("behind it: {} ({})", one["place"], one["event_type"] or message("unknown type"))
        for one in found["waiting"]
    ]
    retry_command, drop_command = found["commands"]
    return [*lines, message("try again: {}", retry_command), message("give up: {}", drop_command)]


def _sentence(outcome: ReleaseOutcome) -> Message:
    done = (outcome.stage, outcome.lane[:8], outcome.taken, outcome.left_out)
    reasons = ", ".join(sorted({*outcome.still, *outcome.quarantined}))
    if not reasons:
        return message("{} {}: {} taken, {} given up.", *done)
    return message(
        "{} {}: {} taken, {} given up; still quarantined ({}), {} wait behind it.",
        *done,
        reasons,
        outcome.parked,
    )


def _age(seconds: int) -> Message:
    return verbatim(timedelta(seconds=seconds))
