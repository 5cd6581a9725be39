"""What the policy answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.policy.compiled import Reason
from hub.policy.nearly import Nearly


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One answer, with everything needed to explain it.

    `outcome` is allow, redact, hold or deny. With hold nothing is released, and `kept` names what would go.
    `dropped` maps field name → rule id, held fields included. `needed` (what would have changed the outcome), `nearly`
    (the consents that lack least) and `obligations` are for people and for the parts that carry the decision out.
    """

    outcome: str
    kept: tuple[str, ...]
    dropped: Mapping[str, str]
    marked: tuple[str, ...]
    reasons: tuple[Reason, ...]
    needed: tuple[str, ...] = field(repr=False)
    obligations: tuple[str, ...]
    policy_version: str
    nearly: tuple[Nearly, ...] = field(default=(), repr=False)

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of the rules that fired."""
        return tuple(reason.rule for reason in self.reasons)

    def as_json(self) -> dict[str, Any]:
        """The decision under the keys of the contract."""
        return {
            "outcome": self.outcome,
            "kept": list(self.kept),
            "dropped": dict(self.dropped),
            "marked": list(self.marked),
            "reasons": [reason.as_json() for reason in self.reasons],
            "needed": [*self.needed, *map(str, self.nearly)],
            "obligations": list(self.obligations),
            "policy_version": self.policy_version,
        }
