"""From a posted form to ticks and scopes: only what was offered counts, whatever a browser sends. Pure."""

from collections.abc import Iterable
from datetime import date

from hub.desk.desk import Family
from hub.desk.texts import LANGUAGES
from hub.desk.ticks import INTERPRETERS, OFFERED_PURPOSES, Ticks
from hub.web.desk.page import Setting
from hub.web.desk.posted import Posted

_LONGEST = 40


def language_of(posted: Posted) -> str:
    """The language asked for, or German."""
    return next((one for one in posted.get("lang", ()) if one in LANGUAGES), "de")


def ticks_of(posted: Posted, family: Family, setting: Setting) -> Ticks:
    """What was ticked; a name that was not on the page is no tick."""
    refs = {member.ref for member in family.household.members}
    signed: dict[str, set[str]] = {}
    for pair in posted.get("sign", ()):
        person, _, signer = pair.partition(":")
        if {person, signer} <= refs:
            signed.setdefault(person, set()).add(signer)
    interpreter = _first(posted, "interpreter")
    return Ticks(
        signed={person: frozenset(signers) for person, signers in signed.items()},
        opened=_opened(posted.get("open", ()), setting),
        purposes=frozenset(posted.get("purpose", ())) & set(OFFERED_PURPOSES),
        workers={
            one.key: worker for one in setting.directions if (worker := _first(posted, f"worker {one.key}"))
        },
        interpreter=interpreter if interpreter in INTERPRETERS else "none",
        valid_until=_day(_first(posted, "until")),
        code=_first(posted, "code"),
        places={ref: int(place) for ref in refs if (place := _first(posted, f"place {ref}")).isdecimal()},
    )


def _opened(pairs: Iterable[str], setting: Setting) -> dict[str, frozenset[str]]:
    ticked = {tuple(pair.split("=", 1)) for pair in pairs if "=" in pair}
    return {
        key: frozenset(code for code in codes if (key, code) in ticked)
        for key, codes in setting.offered.items()
    }


def scope_of(posted: Posted, setting: Setting) -> dict[str, frozenset[str]]:
    """The part that is taken back; all empty means everything."""
    if _first(posted, "extent") != "part":
        return {"categories": frozenset(), "purposes": frozenset(), "recipients": frozenset()}
    offered = {code for codes in setting.offered.values() for code in codes}
    return {
        "categories": frozenset(posted.get("category", ())) & offered,
        "purposes": frozenset(posted.get("purpose", ())) & set(OFFERED_PURPOSES),
        "recipients": frozenset(posted.get("recipient", ())) & {one.recipient for one in setting.directions},
    }


def _first(posted: Posted, name: str) -> str:
    return next(iter(posted.get(name, ())), "").strip()[:_LONGEST]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
