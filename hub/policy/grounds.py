"""What the ground that an event names opens: which consents count, and whether those who can have signed them.

Pure functions for one question, and `Consents`, which answers them for all fields of one request and asks each consent
once. Norms: § 67b(2) SGB X, Art. 6(1)a, 7, 9(2)a GDPR (consent); § 36 SGB I, §§ 1629, 1687 BGB (signers).
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime

from hub.domain.clock import berlin_day
from hub.domain.consent import Consent
from hub.policy.facts import ConsentGround, Request, Subject

SECTION_69 = "§ 69 SGB X"
"""The only norm that opens anything; every other one is a duty to cooperate (R23)."""

MAJORITY = 18
SELF_SIGNING = 15
LONGEST_LIFE = 120
"""Years. A birth date before that, or ahead, stands for none (0001-01-01, 1900-01-01): nobody signs alone by it."""


def age_on(day: date, birth_date: date) -> int:
    """Completed years of life; who was born on 29 February turns on 1 March of a common year (§§ 187, 188 BGB)."""
    not_yet = (day.month, day.day) < (birth_date.month, birth_date.day)
    return day.year - birth_date.year - not_yet


def signers(subject: Subject, day: date) -> frozenset[str] | None:
    """All who must have signed for the subject on a Berlin day; None when nobody can.

    Adults sign for themselves unless their capacity is denied; from 15 so do minors; `capable` overrides either way
    below 18; everyone else, and a family, needs all custodians, and without custodians nobody can sign.
    """
    custodians = frozenset(subject.custodians) or None
    age = None if subject.birth_date is None else age_on(day, subject.birth_date)
    if age is None or not 0 <= age <= LONGEST_LIFE:
        return custodians
    alone = subject.capable is not False if age >= SELF_SIGNING else subject.capable is True
    if alone:
        return frozenset((subject.ref,))
    return None if age >= MAJORITY else custodians


def signed(consent: Consent, subject: Subject, at: datetime) -> bool:
    """Whether all who can sign for the subject at `at` (Berlin calendar day) have signed this consent."""
    needed = signers(subject, berlin_day(at))
    return needed is not None and needed.issubset(consent.granted_by)


def named(consent: Consent, worker: str | None) -> bool:
    """Whether it names this very worker; a consent to the unit names nobody (§ 65 SGB VIII, § 203 StGB)."""
    return worker is not None and worker in consent.recipient_workers


def counts(consent: Consent, category: str, request: Request) -> bool:
    """Whether the consent counts for a field of this category in this request, its signers aside."""
    return referred(consent, request) and stands(consent, request) and covers(consent, category, request)


def referred(consent: Consent, request: Request) -> bool:
    """Whether the event refers to it; no other consent counts."""
    ground = request.event.ground
    return isinstance(ground, ConsentGround) and consent.id in ground.consents


def concerns(consent: Consent, request: Request) -> bool:
    """Whether it is this subject's, and about this sender's data."""
    return consent.subject == request.subject.ref and consent.sender == request.sender.controller


def stands(consent: Consent, request: Request) -> bool:
    """What `counts` asks that is the same for every field of a request."""
    return concerns(consent, request) and next(lacks(consent, request), None) is None


def lacks(consent: Consent, request: Request) -> Iterator[str]:
    """What a consent of this subject and sender lacks for the request, whatever the field's category."""
    recipient = request.recipient
    if recipient.controller not in consent.recipients:
        yield "recipient"
    if request.purpose not in consent.purposes:
        yield "purpose"
    if not consent.in_force(request.at):
        yield "period"
    yield from consent.flaws()
    if recipient.role == "coordinator" and not named(consent, recipient.worker):
        yield "worker"


def covers(consent: Consent, category: str, request: Request) -> bool:
    """What `counts` asks of the field's category."""
    return next(lacks_for(consent, category, request), None) is None


def lacks_for(consent: Consent, category: str, request: Request) -> Iterator[str]:
    """What a consent lacks for this category: it is named, explicit where special (Art. 9), no part taken back."""
    if category not in consent.categories:
        yield "category"
    elif category == "G9" and not consent.explicit_special:
        yield "explicit"
    if consent.scoped_withdrawals and consent.withdrawn_for(
        request.purpose, category, request.recipient.controller, request.at
    ):
        yield "withdrawn"


class Consents:
    """The consents that one request's event refers to and that stand, ready to be asked category by category."""

    __slots__ = ("_request", "_signers", "_standing")

    def __init__(self, request: Request, day: date) -> None:
        ground = request.event.ground
        ids = ground.consents if isinstance(ground, ConsentGround) else ()
        self._request = request
        self._standing = [
            consent for consent in request.consents if consent.id in ids and stands(consent, request)
        ]
        self._signers = signers(request.subject, day) if self._standing else None

    def counting(self, category: str) -> list[Consent]:
        """Those that count for this category, signers aside."""
        request = self._request
        return [consent for consent in self._standing if covers(consent, category, request)]

    def naming(self, consents: Iterable[Consent]) -> list[Consent]:
        """Those of them that name the recipient's worker."""
        worker = self._request.recipient.worker
        return [consent for consent in consents if named(consent, worker)]

    def any_signed(self, consents: Iterable[Consent]) -> bool:
        """Whether one of them is signed by all who can sign: one good one is enough."""
        needed = self._signers
        return needed is not None and any(needed.issubset(consent.granted_by) for consent in consents)

    def released_by_confider(self) -> bool:
        """§ 65 SGB VIII: a named consent for entrusted data, granted by who confided them alone, whatever the age."""
        confider = self._request.event.entrusted_by
        named_ones = self.naming(self.counting("A65")) if confider is not None else []
        return any(set(consent.granted_by) == {confider} for consent in named_ones)
