"""`hub bench`: how fast the pipeline is, as a ratio to a floor from the same run."""

from typing import Annotated, Any, Literal

import typer

from hub.cli.output import AsJson, print_json, progress_wanted, warn


def bench(
    host: Annotated[Literal["embedded", "kafka"], typer.Option(help="What is measured.")] = "embedded",
    events: Annotated[int, typer.Option(min=100, help="Events of each round.")] = 20_000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that admit and project (kafka).")] = 1,
    persons: Annotated[
        int, typer.Option(min=0, help="Persons with consents and keys; 0: as many as the events need.")
    ] = 0,
    key_service: Annotated[
        bool, typer.Option("--key-service", help="Keys from a key service in a process of its own.")
    ] = False,
    connectors: Annotated[
        bool, typer.Option("--connectors", help="Instead: what an agency's machine needs to read.")
    ] = False,
    midnight: Annotated[
        int, typer.Option(help="Instead: a Berlin midnight with so many pseudonyms, on PostgreSQL.")
    ] = 0,
    sharing: Annotated[
        int, typer.Option(help="Instead: one disclose worker and two, over so many families, on servers.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure floor and pipeline in turn, five times, and count afterwards what was applied, doubled and lost."""
    if connectors:
        from hub.dev.bench.connectors import bench_connectors

        _print(bench_connectors(), as_json=as_json)
        return
    if midnight:
        from hub.dev.bench.midnight import bench_midnight

        _print(bench_midnight(midnight, _tell), as_json=as_json)
        return
    if sharing:
        from hub.dev.bench.sharing import bench_sharing

        _print(bench_sharing(sharing, _tell), as_json=as_json)
        return
    if host == "embedded":
        from hub.dev.bench.embedded import bench_embedded

        result = bench_embedded(events, _tell, persons, key_service=key_service)
    else:
        from hub.dev.bench.kafka import bench_kafka

        result = bench_kafka(events, workers, _tell, persons, key_service=key_service)
    _print(result.as_json(), as_json=as_json)


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if name != "rounds":
            typer.echo(f"{name:26} {value}")


def _tell(text: str) -> None:
    if progress_wanted():
        warn(text)
