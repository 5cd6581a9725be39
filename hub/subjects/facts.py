"""From an envelope and what is known of its subject to the values that the policy judges. Pure."""

from collections.abc import Mapping
from datetime import date, datetime

from hub.domain.consent import referred
from hub.domain.envelope import Envelope
from hub.policy.facts import ConsentGround, EventFacts, NormGround
from hub.subjects.knowledge import Knowledge


def event_facts(
    envelope: Envelope,
    knowledge: Knowledge,
    at: datetime,
    confider: str | None,
    merges_with: str | None = None,
) -> EventFacts:
    """The event as the policy sees it; an objection holds for earlier records too (§ 76 SGB X)."""
    return EventFacts(
        type=envelope.event_type,
        fields=envelope.fields,
        ground=_ground(envelope, knowledge),
        entrusted_by=confider,
        source_203=envelope.source_203,
        objected_76=envelope.objected_76 or knowledge.objected(at),
        task_class=envelope.task_class,
        connection=date.fromisoformat(envelope.connection) if envelope.connection else None,
        merges_with=envelope.merges_with or merges_with,
        endangers_help=envelope.endangers_help,
        addressee=envelope.addressee,
        disputed=frozenset(envelope.disputed),
    )


def signature(envelope: Envelope) -> tuple[object, ...]:
    """All that the policy may know of an event besides its subject: two with the same one are judged alike."""
    e = envelope
    return (
        e.controller_id,
        e.event_type,
        tuple(e.fields.items()),
        tuple(e.consents),
        e.norm,
        e.task_norm,
        e.attested_by,
        e.entrusted_by,
        e.source_203,
        e.objected_76,
        e.task_class,
        e.connection,
        e.merges_with,
        e.endangers_help,
        tuple(e.disputed),
        e.addressee,
    )


def consents_meant(envelope: Envelope, knowledge: Knowledge) -> frozenset[str]:
    """Those known consents that the event rests on, as the hub names them."""
    return referred(envelope.consents, envelope.controller_id, (one.id for one in knowledge.consents))


def _ground(envelope: Envelope, knowledge: Knowledge) -> ConsentGround | NormGround:
    if envelope.norm is None:
        return ConsentGround(consents=consents_meant(envelope, knowledge))
    return NormGround(
        norm=envelope.norm, task_norm=envelope.task_norm or "", attested_by=envelope.attested_by
    )


def confider(envelope: Envelope, names: Mapping[str, str]) -> str | None:
    """Who confided it (§ 65 SGB VIII), in the hub's own names of persons (`names`: subject key → person)."""
    if envelope.entrusted_by is None:
        return None
    key = f"{envelope.controller_id}:{envelope.entrusted_by}"
    return names.get(key, key)
