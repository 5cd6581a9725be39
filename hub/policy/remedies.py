"""What would have changed an outcome, and what a release obliges to: both for people, neither decides anything."""

from collections.abc import Collection, Iterable

from hub.policy.compiled import Period
from hub.policy.facts import NormGround, Request

_FIXED = {
    "R09": "attestation: a caseworker's, for § 69 SGB X",
    "R16": "connection: a dated one between the two task classes",
    "R17": "judgement: that passing it on does not endanger the help",
}


def whole_event(rule: str, request: Request) -> str | None:
    """What would have opened an event that one rule ended."""
    controller = request.recipient.controller
    if rule == "R01" and request.purpose != "subject_access":
        return f"assignment: of the recipient at {controller} to this case"
    return f"undertaking: by {controller} (§ 78 SGB X)" if rule == "R11" else None


def field_needs(rule: str, category: str, request: Request) -> str | None:
    """What would have opened fields of one category; None where nothing could."""
    if request.purpose == "subject_access":
        return None
    to = request.recipient.controller
    if rule in ("R04", "R05"):
        return (
            f"consent: category {category} to {to}"
            if request.purpose != "cost_contribution"
            else _FIXED["R09"]
        )
    if rule == "R10":
        return (
            None if request.event.objected_76 else f"consent: category {category} to {to}, naming the worker"
        )
    if rule == "R18":
        return f"consent: category A65 to {to}, by who confided it alone, naming the worker"
    if rule == "R06":
        return f"signature: all who can sign, category {category} to {to}"
    if rule == "R03" and not category:
        return "label: a category for every field"
    return _FIXED.get(rule)


def obligations(
    period: Period, request: Request, kept: Iterable[str], marked: Collection[str]
) -> tuple[str, ...]:
    """What carries over to who releases and who receives; `kept` are the categories that go."""
    if request.inside:
        return ("log_retrieval",) + (("keep_dispute_mark",) if marked else ())
    role = request.recipient.role
    row = period.row(role, request.sender.controller, request.recipient.controller)
    reduced = [f"reduce:{code}:{role}" for code in kept if code in row and row[code].show == "R"]
    found = ["log_disclosure"]
    if isinstance(request.event.ground, NormGround) and role != "subject":
        found.append("inform_subject")
    if request.recipient.kind == "provider":
        found.append("purpose_lock")
    if marked:
        found.append("keep_dispute_mark")
    return (*found, *sorted(reduced))
