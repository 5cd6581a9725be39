"""Which category a field may bear at admission: its schema's, a stricter one, or one to which a code of it may lead."""

import pytest

from hub.sealed.decode import _wrong_labels
from schemas import event_schema


@pytest.mark.parametrize(
    ("event_type", "field", "category", "right"),
    [
        ("BenefitGranted", "kind", "LS", True),
        ("BenefitGranted", "amount", "BT", True),
        ("BenefitGranted", "amount", "G9", True),
        ("BenefitGranted", "amount", "EG", False),
        ("HelpStarted", "paragraph", "BT", False),
        ("PersonRegistered", "sozialraum_code", "ID", True),
        ("PersonRegistered", "sozialraum_code", "IN", False),
    ],
)
def test_a_label_is_one_that_the_field_can_bear(
    event_type: str,
    field: str,
    category: str,
    right: bool,
) -> None:
    found = _wrong_labels(event_schema(event_type).fingerprint, ((field, category),))
    assert (found is None) == right
