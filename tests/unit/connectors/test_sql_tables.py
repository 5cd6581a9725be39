"""The statements in the spelling of every database: names quoted, nothing that one of them lacks."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects import mssql, mysql, postgresql, sqlite

from connectors.database.statements import after, exactly, ordered
from connectors.pipeline.config.connector import parse_config
from connectors.sources.sql.config import SqlStream
from connectors.sources.sql.reader import chosen

DIALECTS: dict[str, Any] = {"mssql": mssql, "mysql": mysql, "postgresql": postgresql, "sqlite": sqlite}
QUOTED = {"mssql": "[order]", "mysql": "`order`", "postgresql": '"order"', "sqlite": '"order"'}


def stream(**settings: Any) -> SqlStream:
    from connectors.sources.sql.config import sql_settings

    raw = {
        "agency": {"id": "x", "kind": "jobcenter"},
        "connector": {"kind": "sql", "state": "s", "pseudonyms": "p"},
        "settings": {"url": "sqlite:///x.sqlite"},
        "streams": {"s": {"key": ["order", "Nr"], "version": "user", **settings}},
    }
    return sql_settings(parse_config(raw, Path())).streams["s"]


@pytest.mark.parametrize("name", DIALECTS)
def test_a_page_after_the_last_row(name: str) -> None:
    found = stream(table="dbo.group")
    names = ["user", *found.stream.key]
    query = ordered(chosen(found, found.columns), names, 100).where(after(names, [5, "a", "b"]))
    said = str(query.compile(dialect=DIALECTS[name].dialect()))
    assert QUOTED[name] in said
    assert QUOTED[name].replace("order", "group") in said
    assert ("TOP" in said) is (name == "mssql")
    assert "VARCHAR" not in said  # a cast would compare padded keys otherwise
    assert "(%s, %s)" not in said.replace("IN (", "")


def test_a_query_is_taken_as_it_stands() -> None:
    query = chosen(stream(query="SELECT ':a', b::date FROM t -- Ende;\n ; "), ["order"])
    said = str(query.compile(dialect=DIALECTS["sqlite"].dialect()))
    assert "(\nSELECT ':a', b::date FROM t -- Ende\n) AS source" in said


def test_several_keys_at_once() -> None:
    said = str(exactly(["a", "b"], [(1, 2), (3, 4)]).compile(dialect=DIALECTS["mssql"].dialect()))
    assert said.count(" AND ") == 2
    assert said.count(" OR ") == 1
