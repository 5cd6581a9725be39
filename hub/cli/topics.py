"""`hub topics`: the topics as declared, and as they are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from hub.adapters.log import topics
from hub.bootstrap import build_clock, build_log
from hub.cli.output import AsJson, print_json, print_lines, print_table
from hub.config import Settings, load_agencies, load_settings
from hub.ports import TopicState

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Topics anlegen und mit dem Soll vergleichen.",
)


@app.command()
def apply(as_json: AsJson = False) -> None:
    """Anlegen, was fehlt. Was es schon gibt, bleibt, wie es ist."""
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
        print_lines([f"{len(created)} Topics angelegt, {len(before)} gab es schon.", *created])


@app.command()
def show(as_json: AsJson = False) -> None:
    """Soll und Ist jedes Topics: Partitionen, Aufbewahrung, Zeitstempel. Ende 1, wenn etwas abweicht."""
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
            one["topic"],
            f"{one['partitions']['found']}/{one['partitions']['declared']}",
            one["records"],
            _kept(one["settings"]),
            one["settings"]["message.timestamp.type"]["found"] or "–",
            ", ".join(one["differs"]) or "nein",
        )
        for one in found
    ]
    columns = ("Topic", "Partitionen (Ist/Soll)", "Einträge", "Aufbewahrung", "Zeitstempel", "weicht ab")
    print_table(f"{len(rows)} Topics", columns, rows)


def _kept(settings: Mapping[str, Mapping[str, str | None]]) -> str:
    if settings["cleanup.policy"]["found"] == "compact":
        return "neuester Eintrag je Schlüssel"
    kept = settings["retention.ms"]["found"]
    if kept is None:
        return "–"
    return "unbegrenzt" if kept == "-1" else f"{int(kept) // 3_600_000} h"
