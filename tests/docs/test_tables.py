"""What the pages take from the code is what the code says now; `python -m tests.docs.tables` writes it anew."""

import pytest

from tests.docs.pages import pages
from tests.docs.tables import TABLES, table

PLACES = {name: (page.name, content) for page in pages() for name, content in page.blocks.items()}


def test_every_table_has_its_page() -> None:
    assert PLACES.keys() == TABLES.keys()


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_page_says_what_the_code_says(name: str) -> None:
    assert PLACES[name][1] == table(name)
