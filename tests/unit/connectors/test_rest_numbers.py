"""A JSON number is a number, whatever the agency's texts look like."""

from decimal import Decimal

from connectors.rest.document import Cells, parsed
from connectors.runtime.cells import read
from connectors.runtime.values import Style, value_of


def test_a_json_number_is_no_text_with_thousands() -> None:
    german = Style(decimal=",", thousands=".")
    row = parsed(b'{"a": 1.234, "b": "1.234", "c": -12.5}', "page")
    names = ["a", "b", "c"]
    cells = dict(zip(names, Cells(names, frozenset(), german.decimal).of(row), strict=True))
    found = [read(value_of(name, "test", german, {}), cells, "decimal") for name in names]
    assert found == [Decimal("1.234"), Decimal(1234), Decimal("-12.5")]
