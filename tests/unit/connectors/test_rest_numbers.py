"""A JSON number is a number, whatever the agency's texts look like."""

from decimal import Decimal

from connectors.pipeline.config.values import Style, value_of
from connectors.pipeline.mapping.cells import read
from connectors.sources.rest.document import Cells, parsed


def test_a_json_number_is_no_text_with_thousands() -> None:
    german = Style(decimal=",", thousands=".")
    row = parsed(b'{"a": 1.234, "b": "1.234", "c": -12.5}', "page")
    names = ["a", "b", "c"]
    cells = dict(zip(names, Cells(names, frozenset(), german.decimal).of(row), strict=True))
    found = [read(value_of(name, "test", german, {}), cells, "decimal") for name in names]
    assert found == [Decimal("1.234"), Decimal(1234), Decimal("-12.5")]
