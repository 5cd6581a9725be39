"""`hub connect schema`: what editors need to complete and check a connector's file."""

import typer


def schema() -> None:
    """Das JSON-Schema der Datei, zum Beispiel nach connector.schema.json: Editoren ergänzen und prüfen damit."""
    import orjson

    from connectors.proposal.schema import config_schema

    typer.echo(orjson.dumps(config_schema(), option=orjson.OPT_INDENT_2))
