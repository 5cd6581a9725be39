"""A consent as the hub knows it, and the part of judging it that asks neither the event nor the person.

Pure: times are arguments. What a consent opens for one event is `hub.policy.grounds`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product

ALL_NOTICES = frozenset({"purpose", "refusal", "withdrawal"})
"""What must have been told before signing (§ 67b(2) SGB X, Art. 7(3) GDPR)."""

VALID_FORMS = frozenset({"written", "electronic"})
"""Oral consent is recorded but never counts (§ 67b(2) SGB X)."""

NOBODY: frozenset[str] = frozenset()

ENDING = frozenset({"ConsentWithdrawn", "ConsentExpired"})
"""The events that take a consent back, wholly or in part."""

NARROWING = ENDING | {"ObjectionRaised", "IdentitySplit", "ErasureRequested"}
"""The events that can only take something back: they take effect even when they are broken (protocol rule 7)."""


_SECTION_76 = re.compile(r"(?<!\d)76(?!\d)")


def objects_76(norm: str) -> bool:
    """Whether an objection on this norm is one under § 76 SGB X; every other one is recorded and changes nothing."""
    return _SECTION_76.search(norm) is not None


_TOKEN = re.compile(r"c_[a-z2-7]{26}")


def consent_name(controller: str, recorded: str) -> str:
    """The hub's name of a consent that `controller` recorded under this id: a pseudonym says whose it is, a number is
    qualified by its agency, for two agencies count alike."""
    return recorded if _TOKEN.fullmatch(recorded) else f"{controller}:{recorded}"


def recorded_id(controller: str, name: str) -> str:
    """The id under which an agency's own consent stands in its records; the name itself for any other agency's."""
    return name.removeprefix(f"{controller}:")


def referred(ids: Iterable[str], controller: str, known: Iterable[str]) -> frozenset[str]:
    """The names of those `known` consents that an event of `controller` means by these ids: its own number, else an
    office and number. A number alone means another office's consent where one bears it: of two neither."""
    names, found = frozenset(known), set[str]()
    for one in ids:
        own = consent_name(controller, one)
        alike = {name for name in names if name.split(":", 1)[-1] == one}
        found |= names & {own} or names & {one} or (alike if len(alike) == 1 else set())
    return frozenset(found)


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

    `id` is the hub's name of it (`consent_name`), `number` the id on the paper, at the agency that recorded
    it.
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
    number: str = field(default="", repr=False)
    recorded_by: str = ""

    def in_force(self, at: datetime) -> bool:
        """Granted, not ended and not withdrawn as a whole; a withdrawal holds from its very moment on."""
        return (
            self.granted_at <= at
            and (self.valid_until is None or at < self.valid_until)
            and (self.withdrawn_at is None or at < self.withdrawn_at)
        )

    def well_formed(self) -> bool:
        """Given after all three notices, in a form that counts, with proof (§ 67b(2) SGB X, Art. 7(1) GDPR)."""
        return next(self.flaws(), None) is None

    def flaws(self) -> Iterator[str]:
        """What keeps it from being well formed."""
        if self.form not in VALID_FORMS:
            yield "form"
        if not self.notices >= ALL_NOTICES:
            yield "notices"
        if not self.proof_hash:
            yield "proof"

    def lets_anything(self, at: datetime) -> bool:
        """Whether any use of it is left at `at`, whoever must have signed it."""
        return (
            self.in_force(at)
            and self.well_formed()
            and any(
                not self.withdrawn_for(purpose, category, recipient, at)
                for purpose, category, recipient in product(
                    self._unlike("purposes"), self._unlike("categories"), self._unlike("recipients")
                )
            )
        )

    def _unlike(self, dimension: str) -> frozenset[str]:
        """Its codes in one dimension; of those that no withdrawal of a part names, one stands for all."""
        mine: frozenset[str] = getattr(self, dimension)
        named = NOBODY.union(*(getattr(part, dimension) for part in self.scoped_withdrawals))
        return mine & named | frozenset(sorted(mine - named)[:1])

    def withdrawn_for(self, purpose: str, category: str, recipient: str, at: datetime) -> bool:
        """Whether a withdrawal of a part reaches this use at `at`."""
        return any(
            part.at <= at and part.meets(purpose, category, recipient) for part in self.scoped_withdrawals
        )
