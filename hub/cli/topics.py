"""`hub topics`: the topics as declared, and as they are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from hub.adapters.log import topics
from hub.bootstrap import build_clock, build_log
from hub.cli.language import Message, message, verbatim
from hub.cli.messages import print_message_table, print_messages
from hub.cli.output import AsJson, State, print_json
from hub.config import Settings, load_agencies, load_settings
from hub.ports import TopicState

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Create topics, and compare them with their declaration.",
)


@app.command()
def apply(as_json: AsJson = False) -> None:
    """Create what is missing. What exists stays as it is."""
    settings = load_settings()
    if settings.host == "embedded":
        settings.data.mkdir(parents=True, exist_ok=True)
    plan, log = plan_of(settings), build_log(settings, build_clock(settings))
    try:
        before = log.state(list(plan))
        topics.apply(log, plan)
    finally:
        log.close()
    created = [name for name in plan if name not in before]
    if as_json:
        print_json({"created": created, "existing": sorted(before)})
    else:
        print_messages(
            [message("{} topics created, {} existed.", len(created), len(before)), *map(verbatim, created)]
        )


@app.command()
def show(as_json: AsJson = False) -> None:
    """Each topic as declared and as it is: partitions, retention, timestamps. Exit 1 where something differs."""
    settings = load_settings()
    found = compared(settings)
    if as_json:
        print_json({"ok": not any(one["differs"] for one in found), "topics": found})
    else:
        _print(found)
    if any(one["differs"] for one in found):
        raise typer.Exit(1)


def plan_of(settings: Settings) -> topics.Plan:
    agencies = [agency.id for agency in load_agencies(settings.agencies)]
    days = settings.danger_retention_days
    return topics.topic_plan(agencies, settings.partitions, settings.topic_timestamps, days)


def compared(settings: Settings) -> list[dict[str, Any]]:
    """Every topic of the plan: what is declared, what is there, and where that differs."""
    plan = plan_of(settings)
    if settings.host == "embedded" and not log_file_exists(settings):
        return [_row(name, plan, None, {}) for name in plan]
    log = build_log(settings, build_clock(settings))
    try:
        states = log.state(list(plan))
        found = _settings(settings, list(states))
    finally:
        log.close()
    return [_row(name, plan, states.get(name), found.get(name, {})) for name in plan]


def log_file_exists(settings: Settings) -> bool:
    """Whether there is a file to look into: looking must not create one."""
    return (settings.data / "log.sqlite").exists()


def _settings(settings: Settings, names: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    from hub.adapters.log.settings import of_broker, of_file

    if settings.host == "embedded":
        return of_file(settings.data / "log.sqlite", names)
    return of_broker(settings.kafka_bootstrap, names, settings.broker_security().clients())


def _row(name: str, plan: topics.Plan, state: TopicState | None, found: Mapping[str, str]) -> dict[str, Any]:
    partitions, declared = plan[name]
    return {
        "topic": name,
        "partitions": {"declared": partitions, "found": len(state.end) if state else 0},
        "records": sum(end - state.first[p] for p, end in state.end.items()) if state else 0,
        "settings": {
            key: {"declared": value, "found": found.get(key)} for key, value in sorted(declared.items())
        },
        "differs": list(_differences(partitions, declared, state, found)),
    }


def _differences(
    partitions: int, declared: Mapping[str, str], state: TopicState | None, found: Mapping[str, str]
) -> Iterator[str]:
    if state is None:
        yield "missing"
        return
    if len(state.end) != partitions:
        yield "partitions"
    yield from (key for key, value in sorted(declared.items()) if found.get(key) != value)


def _print(found: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (
            verbatim(one["topic"]),
            verbatim(f"{one['partitions']['found']}/{one['partitions']['declared']}"),
            one["records"],
            _kept(one["settings"]),
            verbatim(one["settings"]["message.timestamp.type"]["found"] or "–"),
            State(", ".join(one["differs"]) or message("no"), not one["differs"]),
        )
        for one in found
    ]
    columns = (
        message("Topic"),
        message("Partitions (found/declared)"),
        message("Records"),
        message("Retention"),
        message("Timestamps"),
        message("differs"),
    )
    print_message_table(message("{} topics", len(rows)), columns, rows)


def _kept(settings: Mapping[str, Mapping[str, str | None]]) -> Message:
    if settings["cleanup.policy"]["found"] == "compact":
        return message("newest record per key")
    kept = settings["retention.ms"]["found"]
    if kept is None:
        return verbatim("–")
    return message("unlimited") if kept == "-1" else message("{} h", int(kept) // 3_600_000)
