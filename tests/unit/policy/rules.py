"""A witness for every rule that is code: where it stands, and a case in which it fires.

docs/reference/rules.md is written from this table and from rules.toml.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.domain.identifiers import AgencyKey
from hub.policy import decide, default_policy, parse_request
from hub.policy.reduce import dropped
from tests.unit.policy.cast import COOPERATION, UNATTESTED, put, request


@dataclass(frozen=True, slots=True)
class Witness:
    """`where`: the module that answers; `fires`: whether the rule is named in its case and not in the sound one."""

    where: str
    fires: Callable[[], bool]


def _decided(rule: str, role: str = "ja_asd", category: str = "EG", **changes: Any) -> Callable[[], bool]:
    """The rule is among the reasons with these changes, and not without them."""

    def fires() -> bool:
        return rule in _rules(put(request(role, category), **changes)) and rule not in _rules(request())

    return fires


def _rules(case: Mapping[str, Any]) -> tuple[str, ...]:
    return decide(default_policy(), parse_request(dict(case))).rules


def _free_text() -> bool:
    said = {"text": "x", "read_back": True, "released_by": ["person"]}
    return dropped("AgreementMade", {"what": "x"}) == {"what": "R08"} and not dropped("AgreementMade", said)


def _marked() -> bool:
    decision = decide(default_policy(), parse_request(put(request(), event__disputed=["field"])))
    return decision.marked == ("field",) and "keep_dispute_mark" in decision.obligations


def _numbers_stay_home() -> bool:
    one, other = AgencyKey(b"1" * 32), AgencyKey(b"2" * 32)
    number = "123A456789"
    return one.person(number) != other.person(number) and number not in one.person(number)


WITNESSES: Mapping[str, Witness] = {
    "R00": Witness("hub.policy.request", _decided("R00", event__fields={})),
    "R01": Witness("hub.policy.decide", _decided("R01", recipient__assigned=False)),
    "R02": Witness("hub.policy.fields", _decided("R02", "jc_benefits", "LS")),
    "R03": Witness("hub.policy.fields, hub.policy.reduce", _decided("R03", category="CT")),
    "R04": Witness("hub.policy.grounds", _decided("R04", consents=[])),
    "R05": Witness("hub.policy.grounds", _decided("R05", category="G9", consents__0__explicit_special=False)),
    "R06": Witness("hub.policy.grounds", _decided("R06", consents__0__granted_by=["p-other"])),
    "R07": Witness("hub.policy.fields", _decided("R07", purpose="cost_contribution")),
    "R08": Witness("hub.policy.reduce", _free_text),
    "R09": Witness("hub.policy.fields", _decided("R09", category="ID", event__ground=UNATTESTED)),
    "R10": Witness("hub.policy.fields", _decided("R10", event__source_203=True, recipient__worker=None)),
    "R11": Witness("hub.policy.decide", _decided("R11", "provider_worker", recipient__undertaking=False)),
    "R12": Witness("hub.policy.decide", _decided("R12", purpose="planning")),
    "R15": Witness("hub.policy.decide, hub.erasure", _marked),
    "R16": Witness(
        "hub.policy.fields", _decided("R16", event__task_class="help", event__merges_with="other_task")
    ),
    "R17": Witness("hub.policy.fields", _decided("R17", "jc_case_manager", "HP", event__endangers_help=True)),
    "R18": Witness("hub.policy.grounds", _decided("R18", category="A65", consents=[])),
    "R19": Witness("hub.policy.fields", _decided("R19", category="K8a")),
    "R20": Witness("hub.policy.fields", _decided("R20", category="B68")),
    "R21": Witness("hub.domain.identifiers", _numbers_stay_home),
    "R22": Witness("hub.policy.decide", _decided("R22", purpose="sanction_control")),
    "R23": Witness("hub.policy.decide", _decided("R23", event__ground=COOPERATION)),
}
