"""A second reading of the decide contract, straight down the page, that shares no code with the hub.

It takes well-formed requests as plain JSON values and answers (outcome, kept, dropped). The matrix is the page of the
design, as it stands there.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

COLUMNS = (
    "jc_case_manager",
    "jc_benefits",
    "ja_asd",
    "ja_wjh",
    "provider_worker",
    "coordinator",
    "office_clerk",
    "controlling",
)

MATRIX = """
| ID | A E/§69 | own | A E/§69 | A §69 | R name+contact §78 | A E | R name+contact E | D |
| HH | R adults+children, no custody reason | own | R members, dates | R liable persons | D | R members E | D | D |
| FK | A | A | A | A | A | A E | D | D |
| TM | R date, place | D | R date, place | D | R own | A E | D | count |
| LS | own | own | R yes/no + period E/§69 | A §69 | D | R yes/no E | D | agg |
| LB | own | own | R total E | R income needed §69 | D | D | D | agg |
| EG | own | D | A goals, measures E | D | R own measure | A E | D | agg |
| LM | own | own | R "reduced until" E | D | D | D | D | agg |
| BT | own | own | A E | A | R own | A E | D | agg |
| HS | A type group + dates E | D | own | own | R own | R type group E | D | agg |
| HP | R goals tagged work/childcare/school E + §64(2) | D | own | R | R §36(3) | R goals E | D | D |
| HI | D | D | own | D | R §36(3) | D | D | D |
| A65 | D unless confider E + named worker | D | same | D | D | D | D | D |
| K8a | D (own report's three flags) | D | own intake | D | D | D | D | D |
| KO | D | D | R | own | own invoice | D | D | agg E |
| G9 | R functional limits only ("≤ 3 h/day"), explicit written E | D | same | D | D | D | D | D |
| VB | A E | R what the unit promised or awaits E | A E | D | R own tasks | A E | D | count |
| IN | A E | D | A E | D | R | A E | D | agg |
| VG | A E | A E | A E | A E | R E | A E | A E | count |
| CT | D | D | D | D | D | D | D | D |
| B68 | D | D | D | D | D | D | D | D |
"""

HOLDS = {"R06", "R09", "R16", "R17"}


def matrix() -> dict[str, dict[str, str]]:
    """category → role → cell as written, "same" spelled out."""
    table = {}
    for line in MATRIX.strip().splitlines():
        category, *cells = [part.strip() for part in line.strip("|").split("|")]
        row = dict(zip(COLUMNS, cells, strict=True))
        if row["ja_asd"] == "same":
            row["ja_asd"] = row["jc_case_manager"]
        table[category] = {**row, "ja_intake": "D"}
    return table


CELLS = matrix()


def last_sunday(year: int, month: int) -> datetime:
    day = datetime(year, month, 31, 1, tzinfo=UTC)
    while day.weekday() != 6:
        day -= timedelta(days=1)
    return day


def berlin(at: datetime) -> datetime:
    """Summer time from the last Sunday of March to that of October, 01:00 UTC (since 1996)."""
    utc = at.astimezone(UTC)
    summer = last_sunday(utc.year, 3) <= utc < last_sunday(utc.year, 10)
    return utc + timedelta(hours=2 if summer else 1)


def time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def well_signed(consent: dict[str, Any], subject: dict[str, Any], at: datetime) -> bool:
    signers = set(consent["granted_by"])
    custodians_signed = bool(subject["custodians"]) and set(subject["custodians"]) <= signers
    if subject["birth_date"] is None:
        return custodians_signed
    today = berlin(at).strftime("%Y-%m-%d")
    year, rest = int(subject["birth_date"][:4]), subject["birth_date"][4:]
    adult = today >= f"{year + 18:04}{rest}"
    fifteen = today >= f"{year + 15:04}{rest}"
    if adult:
        return subject["capable"] is not False and subject["ref"] in signers
    if fifteen and subject["capable"] is not False:
        return subject["ref"] in signers
    if not fifteen and subject["capable"] is True:
        return subject["ref"] in signers
    return custodians_signed


def counting(request: dict[str, Any], category: str, must_name: bool = False) -> list[dict[str, Any]]:
    """Consents that count, whoever signed them."""
    at, found = time(request["at"]), []
    to = request["recipient"]
    for consent in request["consents"]:
        ok = consent["id"] in request["event"]["ground"].get("consents", [])
        ok = ok and consent["subject"] == request["subject"]["ref"]
        ok = ok and time(consent["granted_at"]) <= at
        ok = ok and (consent["valid_until"] is None or at < time(consent["valid_until"]))
        ok = ok and (consent["withdrawn_at"] is None or time(consent["withdrawn_at"]) > at)
        ok = ok and consent["sender"] == request["sender"]["controller"]
        ok = ok and to["controller"] in consent["recipients"]
        ok = ok and request["purpose"] in consent["purposes"]
        ok = ok and category in consent["categories"]
        ok = ok and set(consent["notices"]) == {"purpose", "refusal", "withdrawal"}
        ok = ok and consent["proof_hash"] != ""
        ok = ok and consent["form"] in ("written", "electronic")
        if category == "G9":
            ok = ok and consent["explicit_special"]
        if must_name or to["role"] == "coordinator":
            ok = ok and to["worker"] in consent["recipient_workers"]
        if ok:
            found.append(consent)
    return found


def ends_everything(request: dict[str, Any]) -> str | None:
    to, purpose = request["recipient"], request["purpose"]
    crosses = request["sender"]["controller"] != to["controller"]
    if purpose == "subject_access":
        return None if to["role"] == "subject" and to["worker"] == request["subject"]["ref"] else "R01"
    if not to["assigned"]:
        return "R01"
    if purpose == "sanction_control" and (crosses or request["sender"]["kind"] == "youth_welfare"):
        return "R22"
    if purpose == "planning":
        return "R17" if request["sender"]["kind"] == "youth_welfare" else "R12"
    if to["kind"] == "provider" and crosses and not to["undertaking"]:
        return "R11"
    return None


def field_rule(request: dict[str, Any], category: str) -> str | None:  # noqa: C901, PLR0912 - one page, straight down
    event, to, purpose = request["event"], request["recipient"], request["purpose"]
    role, ground = to["role"], event["ground"]
    crosses = request["sender"]["controller"] != to["controller"]
    norm = ground.get("norm")

    if category == "B68":
        return "R20"
    if category == "K8a":
        return "R19"
    confided = False
    if category == "A65":
        if role not in ("jc_case_manager", "ja_asd") or event["entrusted_by"] is None:
            return "R18"
        by = [set(consent["granted_by"]) for consent in counting(request, "A65", must_name=True)]
        if {event["entrusted_by"]} not in by:
            return "R18"
        confided = True
    if purpose == "cost_contribution" and crosses and not (role == "ja_wjh" and category in ("LS", "LB")):
        return "R07"
    if category in ("", "CT"):
        return "R03"
    cell = CELLS[category][role].split()
    if not confided and cell[0] in ("D", "count", "agg"):
        return "R03"
    if category == "VG" and to["controller"] not in (request["sender"]["controller"], event["addressee"]):
        return "R03"

    both = event["merges_with"] is not None and event["task_class"] is not None
    unconnected = both and event["merges_with"] != event["task_class"] and event["connection"] is None
    if not crosses:
        return "R16" if unconnected else None

    if cell[0] == "own":
        return "R02"
    consents = counting(request, category)
    if category == "G9" and not consents:
        return "R05"
    if not confided:
        by_norm = norm == "§ 69 SGB X" and "E" not in cell
        if purpose == "benefit_administration":
            opened = bool(consents)
        elif purpose == "cost_contribution":
            opened = by_norm
        else:
            opened = bool(consents) or by_norm
        if not opened:
            return "R04"
    if event["source_203"]:
        consents = counting(request, category, must_name=True)
        if not consents:
            return "R10"
    if event["objected_76"] and (category == "G9" or event["source_203"]):
        return "R10"
    if norm is not None and ground["attested_by"] is None:
        return "R09"
    if norm is None and not confided:
        at = time(request["at"])
        if not any(well_signed(consent, request["subject"], at) for consent in consents):
            return "R06"
    if unconnected:
        return "R16"
    if event["endangers_help"]:
        if norm is not None and request["sender"]["kind"] == "youth_welfare":
            return "R17"
        if category == "HP" and role == "jc_case_manager":
            return "R17"
    return None


def access_rule(request: dict[str, Any], category: str) -> str | None:
    if category == "A65":
        return None if request["event"]["entrusted_by"] == request["subject"]["ref"] else "R18"
    return {"K8a": "R19", "B68": "R20", "": "R03"}.get(category)


def danger_rule(request: dict[str, Any], name: str, category: str) -> str | None:
    kind, to = request["sender"]["kind"], request["recipient"]
    if category == "B68":
        return "R20"
    if category == "K8a" and kind in ("jobcenter", "provider") and to["role"] == "ja_intake":
        return None
    answers = kind == "youth_welfare" and request["event"]["type"] == "DangerAnswered"
    reporter = to["assigned"] and to["role"] in ("jc_case_manager", "provider_worker")
    return None if answers and reporter and name in ("confirmed", "acted", "still_acting") else "R19"


def answer(request: dict[str, Any]) -> tuple[str, list[str], dict[str, str]]:
    """(outcome, kept, dropped) for a complete request."""
    fields = request["event"]["fields"]
    if request["purpose"] == "danger_protection":
        rules = {name: danger_rule(request, name, code) for name, code in fields.items()}
    else:
        ended = ends_everything(request)
        if ended:
            return "deny", [], dict.fromkeys(fields, ended)
        judge = access_rule if request["purpose"] == "subject_access" else field_rule
        rules = {name: judge(request, code) for name, code in fields.items()}
    kept = sorted(name for name, rule in rules.items() if rule is None)
    dropped = {name: rule for name, rule in rules.items() if rule is not None}
    if HOLDS & set(dropped.values()):
        return "hold", kept, dropped
    if not kept:
        return "deny", kept, dropped
    return ("redact" if dropped else "allow"), kept, dropped
