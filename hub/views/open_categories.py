"""Which categories a consent would open to a role that no ground covers now. Pure.

What a view calls withheld must never betray what exists, so it is asked of the policy with a made-up record of each
category, once with the consents there are and once with one that names everything. A65, K8a, B68 and CT are
never named.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hub.domain.agencies import Agency
from hub.domain.consent import ALL_NOTICES, Consent
from hub.policy.compiled import Policy
from hub.policy.decide import decide
from hub.policy.facts import CATEGORIES, ConsentGround, EventFacts, Recipient, Request, Sender, Subject
from hub.subjects.knowledge import Knowledge

NEVER_NAMED = frozenset({"A65", "K8a", "B68", "CT"})
_ANYBODY = Subject(ref="(anybody)", birth_date=None, capable=None, custodians=("signed",))
Openable = dict[tuple[str, str, str | None, bool, str, str], frozenset[str]]
_ASKED = {category: category for category in sorted(CATEGORIES - NEVER_NAMED)}


def withheld_categories(
    policy: Policy,
    recipient: Recipient,
    purpose: str,
    at: datetime,
    senders: Iterable[Agency],
    knowledge: Knowledge,
    openable_by: Openable,
) -> tuple[str, ...]:
    """The categories of this person that a consent would open to this recipient, and that nothing opens now.

    What a consent would open is the same for everybody, so `openable_by` keeps it while one recipient is served.
    """
    openable: set[str] = set()
    opened: set[str] = set()
    for sender in senders:
        ask = _Asker(policy, recipient, purpose, at, sender)
        same = (
            recipient.controller,
            recipient.role,
            recipient.worker,
            recipient.assigned,
            purpose,
            sender.id,
        )
        if same not in openable_by:
            openable_by[same] = frozenset(ask(_ANYBODY, (ask.perfect(),)))
        openable |= openable_by[same]
        opened |= ask(knowledge.subject(at), knowledge.consents_at(at))
    return tuple(sorted(openable - opened))


class _Asker:
    def __init__(
        self, policy: Policy, recipient: Recipient, purpose: str, at: datetime, sender: Agency
    ) -> None:
        self._policy, self._recipient, self._purpose, self._at, self._sender = (
            policy,
            recipient,
            purpose,
            at,
            sender,
        )

    def __call__(self, subject: Subject, consents: Sequence[Consent]) -> set[str]:
        consents = tuple(replace(consent, subject=subject.ref) for consent in consents)
        event = EventFacts(
            type="",
            fields=_ASKED,
            ground=ConsentGround(consents=frozenset(consent.id for consent in consents)),
            entrusted_by=None,
            source_203=False,
            objected_76=False,
            task_class=None,
            connection=None,
            merges_with=None,
            endangers_help=False,
            addressee=self._recipient.controller,
            disputed=frozenset(),
        )
        request = Request(
            at=self._at,
            purpose=self._purpose,
            sender=Sender(controller=self._sender.id, kind=self._sender.kind),
            recipient=self._recipient,
            subject=subject,
            event=event,
            consents=consents,
        )
        return set(decide(self._policy, request).kept)

    def perfect(self) -> Consent:
        """A consent that names everything, for the sake of the question only."""
        return Consent(
            id="(any)",
            subject="",
            granted_by=("signed",),
            sender=self._sender.id,
            recipients=frozenset({self._recipient.controller}),
            recipient_workers=frozenset({self._recipient.worker} if self._recipient.worker else ()),
            purposes=frozenset({self._purpose}),
            categories=frozenset(_ASKED),
            form="written",
            explicit_special=True,
            notices=ALL_NOTICES,
            text_version="(any)",
            proof_hash="(any)",
            granted_at=self._at - timedelta(days=1),
            valid_until=None,
            withdrawn_at=None,
        )
