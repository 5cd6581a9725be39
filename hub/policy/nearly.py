"""The consent that nearly counts: what it lacks, for the people who look for the reason. It decides nothing."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hub.domain.clock import berlin_day
from hub.domain.consent import Consent
from hub.policy.facts import ConsentGround, Request
from hub.policy.grounds import concerns, lacks, lacks_for, referred, signers

OPENED_BY_CONSENT = frozenset({"R04", "R05"})
"""The rules that answer where no consent counts."""
_SCOPE = frozenset({"recipient", "purpose", "category"})


class Nearly(NamedTuple):
    """A consent, by its id, and what it lacks to open a category for one recipient."""

    consent: str
    category: str
    recipient: str
    missing: tuple[str, ...]

    def __str__(self) -> str:
        lacking = ", ".join(self.missing)
        return (
            f"nearly: consent {self.consent} for category {self.category} to {self.recipient} lacks {lacking}"
        )


def nearly(request: Request, categories: Iterable[str]) -> Iterator[Nearly]:
    """For each category the consents that lack least; one that differs in more than one of recipient, purpose and
    category is about something else."""
    if not isinstance(request.event.ground, ConsentGround):
        return
    candidates = [consent for consent in request.consents if concerns(consent, request)]
    for category in sorted(categories) if candidates else ():
        found = {consent.id: tuple(_missing(consent, category, request)) for consent in candidates}
        close = {name: missing for name, missing in found.items() if len(_SCOPE.intersection(missing)) <= 1}
        least = min(map(len, close.values()), default=0)
        for name, missing in sorted(close.items()):
            if missing and len(missing) == least:
                yield Nearly(name, category, request.recipient.controller, missing)


def _missing(consent: Consent, category: str, request: Request) -> Iterator[str]:
    if not referred(consent, request):
        yield "reference"
    yield from lacks(consent, request)
    yield from lacks_for(consent, category, request)
    needed = signers(request.subject, berlin_day(request.at))
    if needed is None or not needed.issubset(consent.granted_by):
        yield "signers"
