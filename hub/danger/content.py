"""What a report and an answer say. Pure. A report is read leniently: what is wrong is marked, nothing is refused.

Input is the JSON of `DangerReported` (child, signs, family_informed, channel); `number` and `case` are the reporter's
own and stay at home (R21). Whatever else stands there, and input that is no JSON at all, travels as text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from hub.policy.decide import decide
from hub.policy.facts import DangerRequest
from hub.policy.load import default_policy
from schemas import InvalidPayload, event_schema, from_json, to_json

REPORT, ANSWER = "DangerReported", "DangerAnswered"
FLAGS = ("confirmed", "acted", "still_acting")
OWN = frozenset({"number", "case"})
MOST = 64_000
"""Bytes of input that are carried, so that no log refuses the letter; a longer report arrives cut and marked."""
_REPORTER_ROLE = {"jobcenter": "jc_case_manager", "provider": "provider_worker"}
_PAGE = 4096
_UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class DangerReport:
    """`fields` as the catalogue has them, `unread` what could not be put there, `marks` what is wrong or missing."""

    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    unread: str = field(default="", repr=False)
    marks: tuple[str, ...] = ()
    number: str = field(default="", repr=False)
    case: str = field(default="", repr=False)

    def as_json(self) -> dict[str, Any]:
        return {"fields": to_json(self.fields), "unread": self.unread, "marks": list(self.marks)}


def read_report(data: bytes) -> DangerReport:
    """The report in these bytes, whatever they are."""
    cut = ("cut",) if len(data) > MOST else ()
    text = data[:MOST].decode("utf-8-sig", "replace")
    damaged = ("encoding",) if "\ufffd" in text else ()
    found = _object(text)
    if found is None:
        return DangerReport(unread=text, marks=(*cut, *damaged, "no_form"))
    schema = event_schema(REPORT)
    fields: dict[str, Any] = {}
    wrong: list[str] = []
    for name in schema.fields:
        try:
            fields |= from_json(schema, {name: found.get(name)})
        except InvalidPayload:
            wrong.append(f"unreadable: {name}")
    missing = [f"missing: {name}" for name in schema.fields if found.get(name) in (None, "", [])]
    further = ["further"] if found.keys() - schema.fields.keys() - OWN else []
    kept = {name: value for name, value in found.items() if name not in OWN}
    rest = json.dumps(kept, ensure_ascii=False) if wrong or further else ""
    return DangerReport(
        fields, rest, (*cut, *damaged, *wrong, *missing, *further), _own(found, "number"), _own(found, "case")
    )


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object in a text, if that is what it is and it can be written again."""
    try:
        found = json.loads(text)
        orjson.dumps(found)
    except (ValueError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _own(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return str(value) if isinstance(value, str | int) else ""


def written(content: Mapping[str, Any]) -> bytes:
    """The plaintext of a box, filled up so that its size tells nothing."""
    plain = orjson.dumps(content)
    return plain + b" " * (-len(plain) % _PAGE)


def report_content(report: DangerReport, sender_kind: str) -> bytes | None:
    """What goes to the intake; None when this sender has no path (R19). All of it is K8a, read or not."""
    named = dict.fromkeys((*event_schema(REPORT).fields, _UNREAD), "K8a")
    request = DangerRequest(
        sender_kind=sender_kind, role="ja_intake", assigned=False, event_type=REPORT, fields=named
    )
    kept = set(decide(default_policy(), request).kept)
    return written(report.as_json()) if kept == named.keys() else None


def received_report(plain: bytes) -> DangerReport:
    """What the intake reads in a box that opened; raises nothing: content that is none is shown as it is."""
    found = _object(plain.decode("utf-8", "replace"))
    if found is None or not isinstance(found.get("fields"), dict):
        return DangerReport(unread=plain.decode("utf-8", "replace").rstrip(), marks=("no_form",))
    marks = found.get("marks")
    told = tuple(map(str, marks)) if isinstance(marks, list) else ()
    return DangerReport(found["fields"], str(found.get(_UNREAD, "")), told)


def answer_content(flags: Mapping[str, bool | None]) -> bytes:
    """The three flags, whichever of them are known."""
    return written({name: flags.get(name) for name in FLAGS})


def received_answer(plain: bytes, reporter_kind: str) -> dict[str, bool | None]:
    """What the reporter may see of an answer: three flags, whatever else somebody put there."""
    found = _object(plain.decode("utf-8", "replace")) or {}
    request = DangerRequest(
        sender_kind="youth_welfare",
        role=_REPORTER_ROLE.get(reporter_kind, ""),
        assigned=True,
        event_type=ANSWER,
        fields=dict.fromkeys(found, "K8a"),
    )
    kept = decide(default_policy(), request).kept
    return {name: found[name] if isinstance(found[name], bool) else None for name in FLAGS if name in kept}
