"""`hub connect schema`: what editors need to complete and check a connector's file."""

from hub.cli.output import AsJson, print_document


def schema(as_json: AsJson = False) -> None:
    """Das JSON-Schema der Datei, zum Beispiel nach connector.schema.json: Editoren ergänzen und prüfen damit."""
    del as_json  # the schema is JSON in any case
    import orjson

    from connectors.tools.propose.schema import config_schema

    print_document(orjson.dumps(config_schema(), option=orjson.OPT_INDENT_2))
