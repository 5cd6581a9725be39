"""Names of columns that would protect, wherever they stand."""

import pytest

from connectors.pipeline.config.protecting import BLOCKED, protects
from connectors.sources.outbox.entries import members


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("Auskunftssperre", BLOCKED),
        ("/schutz/sperrvermerk", BLOCKED),
        ("/Export/d:Sperrvermerk/@art", BLOCKED),
        ("schutz.p76", "objected_76"),
        ("P.76", "objected_76"),
        ("Schweigepflicht", "source_203"),
        ("Bemerkung", ""),
        ("/person/p7", ""),
    ],
)
def test_a_name_or_a_step_to_it_protects(column: str, kind: str) -> None:
    assert protects(column) == kind


def test_members_of_an_outbox_name_what_protects_in_lists() -> None:
    payload = '{"nr": 1, "akte": {"az": 2}, "meldungen": [{"grund": "x", "sperre": {"Sperrvermerk": "J"}}]}'
    assert members(payload) == {
        "nr",
        "akte.az",
        "meldungen",
        "meldungen.sperre",
        "meldungen.sperre.Sperrvermerk",
    }
