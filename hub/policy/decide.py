"""The decision: the rules of the decide contract, in the order in which it names them.

First what ends the matter for the whole event, then field by field (`hub.policy.fields`). Pure: no clock, no I/O,
nothing raised; what cannot be read or is not covered denies.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from hub.domain.clock import berlin_day
from hub.policy import remedies
from hub.policy.compiled import Period, Policy, Reason
from hub.policy.decision import Decision
from hub.policy.facts import DangerRequest, Incomplete, NormGround, Request
from hub.policy.fields import FieldRules, access_rule, danger_rule
from hub.policy.grounds import SECTION_69
from hub.policy.nearly import OPENED_BY_CONSENT, Nearly, nearly


def decide(policy: Policy, request: Request | DangerRequest | Incomplete) -> Decision:
    """Which fields of one event may go to one recipient for one purpose, by which rules, and what would be needed."""
    if isinstance(request, Incomplete):
        return _incomplete(policy, request)
    if isinstance(request, DangerRequest):
        return _danger(policy, request)
    if request.purpose == "danger_protection":
        return _danger(policy, DangerRequest.of(request))
    day = berlin_day(request.at)
    period = policy.on(day)
    gap = request.gap
    if gap or period is None:
        return _incomplete(policy, Incomplete(key=gap or "at", fields=tuple(request.event.fields)))
    if ended := ends_the_matter(request):
        return _ended(policy, period, request, ended)
    categories = set(request.event.fields.values())
    if request.purpose == "subject_access":
        return _by_field(policy, period, request, {code: access_rule(request, code) for code in categories})
    rule_for = FieldRules(period, request, day).rule_for
    return _by_field(policy, period, request, {code: rule_for(code) for code in categories})


def ends_the_matter(request: Request) -> str | None:
    """The first rule that ends it for the whole event, whatever its fields."""
    purpose, recipient = request.purpose, request.recipient
    if purpose == "subject_access":
        return None if recipient.role == "subject" and recipient.worker == request.subject.ref else "R01"
    if not recipient.assigned:
        return "R01"
    of_youth_welfare = request.sender.kind == "youth_welfare"
    if purpose == "sanction_control" and (of_youth_welfare or not request.inside):
        return "R22"
    if purpose == "planning":
        return "R17" if of_youth_welfare else "R12"
    if recipient.kind == "provider" and not recipient.undertaking and not request.inside:
        return "R11"
    return None


def _by_field(policy: Policy, period: Period, request: Request, rules: Mapping[str, str | None]) -> Decision:
    event = request.event
    kept, dropped = _split(event.fields, rules)
    fired = {rule for rule in rules.values() if rule is not None}
    marked = tuple(name for name in kept if name in event.disputed) if event.disputed else ()
    released = {category for category, rule in rules.items() if rule is None}
    return Decision(
        outcome=_outcome(kept, fired, period.holds),
        kept=kept,
        dropped=dropped,
        marked=marked,
        reasons=_reasons(period, fired, event.ground) if fired else (),
        needed=_needed(request, rules) if fired else (),
        nearly=_nearly(request, rules) if fired else (),
        obligations=remedies.obligations(period, request, released, marked) if kept else (),
        policy_version=policy.version,
    )


def _split(
    fields: Mapping[str, str], rules: Mapping[str, str | None]
) -> tuple[tuple[str, ...], dict[str, str]]:
    kept, dropped = [], {}
    for name, category in fields.items():
        rule = rules[category]
        if rule is None:
            kept.append(name)
        else:
            dropped[name] = rule
    return tuple(sorted(kept)), dropped


def _outcome(kept: Collection[str], fired: Collection[str], holds: frozenset[str]) -> str:
    if not fired:
        return "allow"
    if not holds.isdisjoint(fired):
        return "hold"
    return "redact" if kept else "deny"


def _reasons(period: Period, fired: set[str], ground: object) -> tuple[Reason, ...]:
    """One reason per rule; a cooperation duty mistaken for a power (R23) is named beside the missing ground."""
    if "R04" in fired and isinstance(ground, NormGround) and ground.norm != SECTION_69:
        fired = fired | {"R23"}
    return tuple([period.reasons[rule] for rule in sorted(fired)])


def _needed(request: Request, rules: Mapping[str, str | None]) -> tuple[str, ...]:
    wants = {
        remedies.field_needs(rule, category, request) for category, rule in rules.items() if rule is not None
    }
    return tuple(sorted(want for want in wants if want is not None))


def _nearly(request: Request, rules: Mapping[str, str | None]) -> tuple[Nearly, ...]:
    closed = [category for category, rule in rules.items() if rule in OPENED_BY_CONSENT]
    return tuple(nearly(request, closed)) if closed else ()


def _ended(policy: Policy, period: Period, request: Request, rule: str) -> Decision:
    reason = period.reasons[rule]
    want = remedies.whole_event(rule, request)
    return _denied(policy, request.event.fields, replace(reason, effect="deny"), (want,) if want else ())


def _incomplete(policy: Policy, request: Incomplete) -> Decision:
    reason = policy.latest.reasons["R00"]
    told = replace(reason, text=f"{reason.text}: {request.key}", text_en=f"{reason.text_en}: {request.key}")
    return _denied(policy, request.fields, told, (f"key: {request.key}",))


def _denied(policy: Policy, names: Iterable[str], reason: Reason, needed: tuple[str, ...]) -> Decision:
    return Decision(
        outcome="deny",
        kept=(),
        dropped=dict.fromkeys(names, reason.rule),
        marked=(),
        reasons=(reason,),
        needed=needed,
        obligations=(),
        policy_version=policy.version,
    )


def _danger(policy: Policy, request: DangerRequest) -> Decision:
    period = policy.latest
    rules = {name: danger_rule(request, name, category) for name, category in request.fields.items()}
    kept = tuple(sorted(name for name, rule in rules.items() if rule is None))
    fired = {rule for rule in rules.values() if rule is not None}
    return Decision(
        outcome=_outcome(kept, fired, period.holds),
        kept=kept,
        dropped={name: rule for name, rule in rules.items() if rule is not None},
        marked=(),
        reasons=_reasons(period, fired, None),
        needed=(),
        obligations=("log_disclosure",) if kept else (),
        policy_version=policy.version,
    )
