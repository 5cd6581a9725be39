"""What withdrawals of parts leave of a consent: the same as trying every use, in bounded work."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.consent import ALL_NOTICES, Consent, ScopedWithdrawal

AT = datetime(2026, 9, 1, tzinfo=UTC)
SOME = st.frozensets(st.sampled_from("abc"), max_size=3)
CONSENT = Consent(
    id="c",
    subject="p",
    granted_by=("p",),
    sender="s",
    recipients=frozenset(),
    recipient_workers=frozenset(),
    purposes=frozenset(),
    categories=frozenset(),
    form="written",
    explicit_special=False,
    notices=ALL_NOTICES,
    text_version="1",
    proof_hash="x",
    granted_at=AT,
    valid_until=None,
    withdrawn_at=None,
)
PARTS = st.lists(
    st.builds(ScopedWithdrawal, at=st.just(AT), purposes=SOME, categories=SOME, recipients=SOME), max_size=4
)


@given(SOME, SOME, SOME, PARTS)
def test_it_is_what_trying_every_use_finds(
    purposes: frozenset[str],
    categories: frozenset[str],
    recipients: frozenset[str],
    parts: list[ScopedWithdrawal],
) -> None:
    consent = replace(
        CONSENT,
        purposes=purposes,
        categories=categories,
        recipients=recipients,
        scoped_withdrawals=tuple(parts),
    )
    uses = product(purposes, categories, recipients)
    assert consent.lets_anything(AT) is any(not consent.withdrawn_for(*use, AT) for use in uses)


def test_a_consent_of_a_thousand_purposes_and_recipients_is_soon_looked_at() -> None:
    many = frozenset(f"{number}" for number in range(1000))
    part = ScopedWithdrawal(at=AT, categories=frozenset("abc"))
    consent = replace(
        CONSENT, purposes=many, recipients=many, categories=frozenset("abc"), scoped_withdrawals=(part,)
    )
    with patch.object(Consent, "withdrawn_for", autospec=True, return_value=True) as asked:
        assert not consent.lets_anything(AT)
    assert asked.call_count == 3
