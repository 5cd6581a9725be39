"""From the ticks of a form to what goes into the book: one consent per person and direction, with its proof. Pure.

Nothing is guessed: who did not sign is named, a part that nobody ticked is not granted, and what a new form replaces is
taken back in the same moment.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hub.desk.book import Entry, Grant, Pairing, Withdrawal
from hub.desk.offer import Direction
from hub.desk.records import Household, Member, ended
from hub.desk.said import record_of
from hub.desk.texts import ConsentText
from hub.desk.ticks import Ticks, check, covered, lettered, until
from hub.domain.clock import berlin_day
from hub.domain.consent import ALL_NOTICES, Consent
from hub.domain.identifiers import proof_hash
from hub.domain.pairing import ALPHABET, read_code
from hub.errors import UsageError

SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Signed:
    """What the book is to hold of one signing."""

    process: str
    entries: tuple[Entry, ...]
    said: str = field(repr=False)
    proof: str = ""


def missing(member: Member, signed: Iterable[str], at: datetime) -> frozenset[str] | None:
    """Refs of those who must still sign for this person; None when this agency does not know who they are (R06)."""
    needed = member.must_sign(berlin_day(at))
    return None if needed is None else needed - frozenset(signed)


def new_process(choose: Callable[[str], str]) -> str:
    """The number of a signing, as it stands on the family's copy; says nothing about anybody."""
    return "".join(choose(ALPHABET) for _ in range(10))


def consents_of(
    household: Household,
    ticks: Ticks,
    directions: Sequence[Direction],
    text: ConsentText,
    at: datetime,
    process: str = "(preview)",
    proof: str = "(preview)",
) -> list[Consent]:
    """The consents that this form would be, in the agency's pseudonyms; also for the signing table, before anything is
    signed."""
    return [
        Consent(
            id=f"{process}-{number}{letter}",
            subject=ref,
            granted_by=tuple(sorted(signers)),
            sender=direction.sender.controller,
            recipients=frozenset({direction.recipient}),
            recipient_workers=frozenset(filter(None, [ticks.workers.get(direction.key, "")])),
            purposes=ticks.purposes,
            categories=ticks.opened.get(direction.key, frozenset()),
            form="written",
            explicit_special="G9" in ticks.opened.get(direction.key, ()),
            notices=ALL_NOTICES,
            text_version=text.id,
            proof_hash=proof,
            granted_at=at,
            valid_until=until(ticks, at),
            withdrawn_at=None,
        )
        for number, (ref, signers) in enumerate(covered(household, ticks), 1)
        for letter, direction in lettered(directions)
        if ticks.opened.get(direction.key)
    ]


def sign(
    household: Household,
    ticks: Ticks,
    directions: Sequence[Direction],
    text: ConsentText,
    at: datetime,
    standing: Iterable[Consent],
    process: str,
) -> Signed:
    """The entries of a form that was signed; `standing` are the consents that the agency knows of this family.

    Raises UsageError when nobody signed or nothing is ticked, and for a pairing code that was misread.
    """
    check(ticks)
    said = record_of(household, ticks, directions, text, at, process)
    proof = proof_hash(said.encode())
    consents = consents_of(household, ticks, directions, text, at, process, proof)
    refs = {ref for ref, _ in covered(household, ticks)}
    senders = {direction.key for direction in directions}
    old = [one for one in standing if one.subject in refs and _replaced(one, senders, at)]
    entries: list[Entry] = [_grant(household, one, ticks, text, process, old) for one in consents]
    entries += withdrawals_of(household, old, at, SUPERSEDED, process)
    entries += pairings_of(household, ticks.code, ticks.places, process) if ticks.code else []
    return Signed(process, tuple(entries), said, proof)


def withdrawals_of(
    household: Household,
    consents: Iterable[Consent],
    at: datetime,
    reason: str,
    number: str,
    scope: Mapping[str, frozenset[str]] | None = None,
) -> list[Entry]:
    """Consents taken back, whole or where all dimensions of `scope` meet; `number` tells this time from others."""
    parts = {name: tuple(sorted(codes)) for name, codes in (scope or {}).items()}
    return [
        Withdrawal(
            withdrawal_id=f"{one.id}:{number}",
            consent_id=one.id,
            person_id=member.id,
            case_id=household.id,
            purposes=parts.get("purposes", ()),
            categories=parts.get("categories", ()),
            recipients=parts.get("recipients", ()),
            reason=reason,
            withdrawn_at=at,
        )
        for one in consents
        if (member := household.member(one.subject))
    ]


def pairings_of(household: Household, code: str, places: Mapping[str, int], process: str) -> list[Entry]:
    """Everybody's place on the form that the family brought: both offices write the same numbers.

    Raises UsageError for a misread code, and when nobody or two persons have a place.
    """
    read = read_code(code)
    if read is None:
        raise UsageError(
            "the pairing code was misread",
            place="pairing code",
            remedy="compare it with the form, in groups of four",
        )
    if not places or len(set(places.values())) < len(places):
        raise UsageError(
            "everybody needs the number of the form", place="pairing code", remedy="number the persons"
        )
    return [
        Pairing(f"{process}-{places[member.ref]}", member.id, household.id, read, places[member.ref])
        for member in household.members
        if member.ref in places
    ]


def standing(
    household: Household, grants: Iterable[Grant], withdrawals: Iterable[Withdrawal]
) -> list[Consent]:
    """Every consent of this family that the agency knows: its own system's and the desk's, with all that ended them at
    the desk."""
    ids = {member.id: member.ref for member in household.members}
    known = [*household.consents, *(_consent(grant, ids) for grant in grants if grant.person_id in ids)]
    ends = [
        (w, {"purposes": w.purposes, "categories": w.categories, "recipients": w.recipients})
        for w in withdrawals
    ]
    return [
        _with(one, [(w.withdrawn_at, scope) for w, scope in ends if w.consent_id == one.id]) for one in known
    ]


def _replaced(consent: Consent, directions: set[str], at: datetime) -> bool:
    """An earlier consent of the same direction that still holds; what was confided has a consent of its own."""
    keys = {f"{consent.sender}>{recipient}" for recipient in consent.recipients}
    return consent.in_force(at) and keys <= directions and "A65" not in consent.categories


def _grant(
    household: Household,
    consent: Consent,
    ticks: Ticks,
    text: ConsentText,
    process: str,
    old: Iterable[Consent],
) -> Grant:
    ids = {member.ref: member.id for member in household.members}
    return Grant(
        consent_id=consent.id,
        process=process,
        person_id=ids[consent.subject],
        case_id=household.id,
        signed_by=tuple(ids.get(ref, ref) for ref in consent.granted_by),
        sender=consent.sender,
        recipients=tuple(sorted(consent.recipients)),
        workers=tuple(sorted(consent.recipient_workers)),
        purposes=tuple(sorted(consent.purposes)),
        categories=tuple(sorted(consent.categories)),
        form=consent.form,
        explicit_special=consent.explicit_special,
        notices=tuple(sorted(consent.notices)),
        text_version=consent.text_version,
        text_hash=text.sha256,
        proof_hash=consent.proof_hash,
        granted_at=consent.granted_at,
        valid_until=consent.valid_until,
        language=text.code,
        interpreter=ticks.interpreter,
        supersedes=tuple(
            one.id for one in old if (one.subject, one.sender) == (consent.subject, consent.sender)
        ),
    )


def _consent(grant: Grant, ids: Mapping[str, str]) -> Consent:
    return Consent(
        id=grant.consent_id,
        subject=ids[grant.person_id],
        granted_by=tuple(ids.get(one, one) for one in grant.signed_by),
        sender=grant.sender,
        recipients=frozenset(grant.recipients),
        recipient_workers=frozenset(grant.workers),
        purposes=frozenset(grant.purposes),
        categories=frozenset(grant.categories),
        form=grant.form,
        explicit_special=grant.explicit_special,
        notices=frozenset(grant.notices),
        text_version=grant.text_version,
        proof_hash=grant.proof_hash,
        granted_at=grant.granted_at,
        valid_until=grant.valid_until,
        withdrawn_at=None,
    )


def _with(consent: Consent, ends: Sequence[tuple[datetime, Mapping[str, Sequence[str]]]]) -> Consent:
    """With these withdrawals besides those it has."""
    before = [
        (part.at, {name: tuple(getattr(part, name)) for name in ("purposes", "categories", "recipients")})
        for part in consent.scoped_withdrawals
    ]
    return ended(consent, [*before, *ends])
