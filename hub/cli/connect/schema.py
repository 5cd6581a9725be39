"""`hub connect schema`: what editors need to complete and check a connector's file."""

from hub.cli.output import print_document


def schema() -> None:
    """Das JSON-Schema der Datei, zum Beispiel nach connector.schema.json: Editoren ergänzen und prüfen damit."""
    import orjson

    from connectors.tools.propose.schema import config_schema

    print_document(orjson.dumps(config_schema(), option=orjson.OPT_INDENT_2))
