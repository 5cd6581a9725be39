"""The policy: one pure function decides in the connector, at admission and at delivery.

    request or consent facts ──► decide(policy, request) ──► Decision ──► explain
                                   ▲
          rules.toml, matrix.toml ─┘ load_policy

`decide` follows the decide contract to the letter. Rejection is a value, never an exception.
"""

from hub.policy.compiled import Policy, Reason
from hub.policy.decide import decide
from hub.policy.decision import Decision
from hub.policy.explain import explain
from hub.policy.load import default_policy, load_policy
from hub.policy.request import (
    ConsentGround,
    DangerRequest,
    EventFacts,
    Incomplete,
    NormGround,
    Recipient,
    Request,
    Sender,
    Subject,
    parse_request,
)

__all__ = [
    "ConsentGround",
    "DangerRequest",
    "Decision",
    "EventFacts",
    "Incomplete",
    "NormGround",
    "Policy",
    "Reason",
    "Recipient",
    "Request",
    "Sender",
    "Subject",
    "decide",
    "default_policy",
    "explain",
    "load_policy",
    "parse_request",
]
