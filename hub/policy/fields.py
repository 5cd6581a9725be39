"""The rules that are asked field by field, in the order in which they are named: denials first, then holds.

Every judge answers for one category with the id of the first rule that applies, or None when the field is kept.
"""

from datetime import date

from hub.policy.compiled import Cell, Period
from hub.policy.facts import DangerRequest, EventFacts, NormGround, Request
from hub.policy.grounds import SECTION_69, Consents

COST_CATEGORIES = frozenset({"LS", "LB"})
DANGER_FLAGS = frozenset({"confirmed", "acted", "still_acting"})
DANGER_REPORTERS = frozenset({"jc_case_manager", "provider_worker"})


class FieldRules:
    """The matrix, the ground and the circumstances of one request; ask `rule_for` once per category."""

    __slots__ = ("_addressed", "_consents", "_event", "_for_cost", "_inside", "_request", "_row", "_unmerged")

    def __init__(self, period: Period, request: Request, day: date) -> None:
        event, inside = request.event, request.inside
        self._request = request
        self._event = event
        self._inside = inside
        self._row = period.row(
            request.recipient.role, request.sender.controller, request.recipient.controller
        )
        self._consents = Consents(request, day)
        self._for_cost = request.purpose == "cost_contribution" and not inside
        self._addressed = inside or request.recipient.controller == event.addressee
        self._unmerged = _unmerged(event, day)

    def rule_for(self, category: str) -> str | None:
        cell = self._row.get(category)
        rule = self._rule(category, cell)
        return (
            rule if rule is None or cell is None or cell.before is None else self._whose(category, cell, rule)
        )

    def _whose(self, category: str, cell: Cell, rule: str) -> str:
        """The rule of the agency's own file, where the matrix alone would have answered otherwise."""
        before = cell.before
        while before is not None and self._rule(category, before) == rule:
            cell, before = before, before.before
        return cell.rule or rule

    def _rule(self, category: str, cell: Cell | None) -> str | None:
        closed = self._closed_path(category, cell)
        if closed or cell is None:
            return closed or "R03"
        if self._inside:
            return self._unmerged
        if category == "A65":
            objected = self._event.objected_76 and self._objection_reaches(category)
            return "R10" if objected else self._unmerged
        return self._crossing(category, cell)

    def _closed_path(self, category: str, cell: Cell | None) -> str | None:
        """R20, R19, R18, R07, R03: what no ground opens."""
        if category == "B68":
            return "R20"
        if category == "K8a":
            return "R19"
        if category == "A65" and not self._entrusted_opens(cell):
            return "R18"
        if self._for_cost and self._beyond_cost_contribution(category):
            return "R07"
        elsewhere = category == "VG" and not self._addressed
        return "R03" if cell is None or cell.closed or elsewhere else None

    def _entrusted_opens(self, cell: Cell | None) -> bool:
        return cell is not None and cell.show == "confider" and self._consents.released_by_confider()

    def _beyond_cost_contribution(self, category: str) -> bool:
        return self._request.recipient.role != "ja_wjh" or category not in COST_CATEGORIES

    def _crossing(self, category: str, cell: Cell) -> str | None:
        """R02 to R17 for data that leaves its controller."""
        if cell.show == "own":
            return "R02"
        ground = self._event.ground
        if isinstance(ground, NormGround):
            return self._on_norm(category, cell, ground)
        return self._on_consent(category)

    def _on_consent(self, category: str) -> str | None:
        consents = self._consents.counting(category)
        if not consents or self._for_cost:
            return "R05" if category == "G9" else "R04"
        if self._event.source_203:
            consents = self._consents.naming(consents)
            if not consents:
                return "R10"
        if self._event.objected_76 and self._objection_reaches(category):
            return "R10"
        if not self._consents.any_signed(consents):
            return "R06"
        return self._unmerged or (self._endangers(category) if self._event.endangers_help else None)

    def _on_norm(self, category: str, cell: Cell, ground: NormGround) -> str | None:
        if category == "G9":
            return "R05"
        if (
            ground.norm != SECTION_69
            or cell.consent_only
            or self._request.purpose == "benefit_administration"
        ):
            return "R04"
        if self._event.source_203:
            return "R10"
        if ground.attested_by is None:
            return "R09"
        return self._unmerged or (self._endangers(category) if self._event.endangers_help else None)

    def _objection_reaches(self, category: str) -> bool:
        """An objection wins over every ground where it is allowed (§ 76(2) SGB X)."""
        return self._event.source_203 or category == "G9"

    def _endangers(self, category: str) -> str | None:
        """§ 64(2) SGB VIII: all of youth welfare on a norm; plan goals to the case manager whatever the ground."""
        if category == "HP" and self._request.recipient.role == "jc_case_manager":
            return "R17"
        on_norm = isinstance(self._event.ground, NormGround)
        return "R17" if on_norm and self._request.sender.kind == "youth_welfare" else None


def _unmerged(event: EventFacts, day: date) -> str | None:
    """Data of two task classes, without a connection recorded by the day of the decision (§ 63(2) SGB VIII)."""
    if event.merges_with is None or event.task_class is None or event.merges_with == event.task_class:
        return None
    return None if event.connection is not None and event.connection <= day else "R16"


def access_rule(request: Request, category: str) -> str | None:
    """Subject access (Art. 15 GDPR, § 83 SGB X): all of it but what others confided, reported or guard."""
    if category == "A65":
        return None if request.event.entrusted_by == request.subject.ref else "R18"
    return {"K8a": "R19", "B68": "R20", "": "R03"}.get(category)


def danger_rule(request: DangerRequest, name: str, category: str) -> str | None:
    """Danger protection (§ 8a SGB VIII, § 4 KKG): the report to intake, three flags back to the reporter, no more."""
    if category == "B68":
        return "R20"
    report = (
        category == "K8a" and request.role == "ja_intake" and request.sender_kind in ("jobcenter", "provider")
    )
    answer = name in DANGER_FLAGS and request.event_type == "DangerAnswered" and _answers_reporter(request)
    return None if report or answer else "R19"


def _answers_reporter(request: DangerRequest) -> bool:
    return request.sender_kind == "youth_welfare" and request.assigned and request.role in DANGER_REPORTERS
