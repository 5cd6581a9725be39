"""A consent as the hub knows it, and the part of judging it that asks neither the event nor the person.

Pure: times are arguments. What a consent opens for one event is `hub.policy.grounds`.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product

ALL_NOTICES = frozenset({"purpose", "refusal", "withdrawal"})
"""What must have been told before signing (§ 67b(2) SGB X, Art. 7(3) GDPR)."""

VALID_FORMS = frozenset({"written", "electronic"})
"""Oral consent is recorded but never counts (§ 67b(2) SGB X)."""

NOBODY: frozenset[str] = frozenset()


_SECTION_76 = re.compile(r"(?<!\d)76(?!\d)")


def objects_76(norm: str) -> bool:
    """Whether an objection on this norm is one under § 76 SGB X; every other one is recorded and changes nothing."""
    return _SECTION_76.search(norm) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopedWithdrawal:
    """Part of a consent taken back from `at` on; an empty dimension means all of it.

    It withdraws where all its named dimensions meet, so one that names nothing withdraws everything.
    """

    at: datetime
    purposes: frozenset[str] = NOBODY
    categories: frozenset[str] = NOBODY
    recipients: frozenset[str] = NOBODY

    def meets(self, purpose: str, category: str, recipient: str) -> bool:
        return (
            (not self.purposes or purpose in self.purposes)
            and (not self.categories or category in self.categories)
            and (not self.recipients or recipient in self.recipients)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One declaration: who released what, from whom, to whom, for what, and how it was given.

    `sender` and `recipients` are controller ids; empty `recipient_workers` means the unit and names nobody;
    `valid_until` is the first moment at which it no longer holds. All times carry an offset.
    """

    id: str
    subject: str = field(repr=False)
    granted_by: tuple[str, ...] = field(repr=False)
    sender: str
    recipients: frozenset[str]
    recipient_workers: frozenset[str] = field(repr=False)
    purposes: frozenset[str]
    categories: frozenset[str]
    form: str
    explicit_special: bool
    notices: frozenset[str]
    text_version: str
    proof_hash: str
    granted_at: datetime
    valid_until: datetime | None
    withdrawn_at: datetime | None
    scoped_withdrawals: tuple[ScopedWithdrawal, ...] = ()

    def in_force(self, at: datetime) -> bool:
        """Granted, not ended and not withdrawn as a whole; a withdrawal holds from its very moment on."""
        return (
            self.granted_at <= at
            and (self.valid_until is None or at < self.valid_until)
            and (self.withdrawn_at is None or at < self.withdrawn_at)
        )

    def well_formed(self) -> bool:
        """Given after all three notices, in a form that counts, with proof (§ 67b(2) SGB X, Art. 7(1) GDPR)."""
        return self.form in VALID_FORMS and self.notices >= ALL_NOTICES and bool(self.proof_hash)

    def lets_anything(self, at: datetime) -> bool:
        """Whether any use of it is left at `at`, whoever must have signed it."""
        return (
            self.in_force(at)
            and self.well_formed()
            and any(
                not self.withdrawn_for(purpose, category, recipient, at)
                for purpose, category, recipient in product(self.purposes, self.categories, self.recipients)
            )
        )

    def withdrawn_for(self, purpose: str, category: str, recipient: str, at: datetime) -> bool:
        """Whether a withdrawal of a part reaches this use at `at`."""
        return any(
            part.at <= at and part.meets(purpose, category, recipient) for part in self.scoped_withdrawals
        )
