"""`hub explain EVENT_ID`: what happened to an event, by which rules and norms. Field names, never what they hold."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from hub.cli.opened import opened_parts
from hub.cli.output import AsJson, print_json, print_lines, rfc3339
from hub.domain.clock import berlin_day, moment
from hub.policy.compiled import Policy
from hub.policy.explain import Language
from hub.stages.trail import trail
from hub.stages.trail_steps import Step, Trail

_CODES: Mapping[str, Mapping[Language, str]] = {
    "consent_unknown": {
        "de": "Die Einwilligung, auf die es sich stützt, ist noch nicht angekommen",
        "en": "the consent it rests on has not arrived yet",
    },
    "person_unknown": {
        "de": "Das Geburtsdatum der Person ist noch nicht bekannt; niemand weiß, wer unterschreiben muss",
        "en": "the person's birth date is not known yet, so nobody knows who must sign",
    },
    "key_erased": {"de": "Der Schlüssel ist vernichtet", "en": "the key is destroyed"},
    "key_fenced": {"de": "Der Schlüssel ist gesperrt", "en": "the key is fenced"},
    "not_linked": {
        "de": "Die Ämter haben diese Person nicht einander zugeordnet",
        "en": "the agencies have not linked this person",
    },
    "unsealed": {
        "de": "Ein Umschlag ist nicht richtig versiegelt",
        "en": "a box is not sealed as it must be",
    },
    "undecodable": {"de": "Der Eintrag ist nicht lesbar", "en": "the record cannot be read"},
    "unknown_schema": {"de": "Das Schema ist hier nicht bekannt", "en": "the schema is not known here"},
    "unknown_field": {"de": "Ein Feld steht nicht im Schema", "en": "a field is not in the schema"},
    "wrong_label": {
        "de": "Ein Feld trägt eine andere Kategorie als im Schema",
        "en": "a field carries another category than in its schema",
    },
    "wrong_controller": {"de": "Der Träger passt nicht zum Topic", "en": "the controller is not the topic's"},
    "wrong_topic": {
        "de": "Das Ereignis gehört nicht auf dieses Topic",
        "en": "the event is on a wrong topic",
    },
}
_POINTS: Mapping[str, Mapping[Language, str]] = {
    "publish": {"de": "veröffentlicht", "en": "published"},
    "quarantine": {"de": "Quarantäne", "en": "quarantine"},
    "admit": {"de": "Zulassung", "en": "admission"},
    "project": {"de": "Fallakte", "en": "joint case"},
    "disclose": {"de": "Weitergabe", "en": "disclosure"},
    "withdraw": {"de": "Widerruf", "en": "withdrawal"},
    "erase": {"de": "Löschung", "en": "erasure"},
}
_OUTCOMES_DE = {
    "published": "vom Amt übergeben",
    "quarantined": "angehalten",
    "parked": "wartet hinter einem angehaltenen Eintrag",
    "released": "ausgelassen",
    "admitted": "zugelassen",
    "withheld": "zurückgehalten",
    "held": "wartet auf eine Entscheidung",
    "applied": "eingetragen",
    "registered": "eingetragen",
    "superseded": "von einer neueren Fassung ersetzt",
    "delivered": "übergeben",
    "pending": "wird übergeben",
    "removed": "zurückgenommen",
    "allow": "vollständig sichtbar",
    "redact": "teilweise sichtbar",
    "hold": "wartet auf eine Entscheidung",
    "deny": "nicht sichtbar",
    "withdrawn": "Einwilligung widerrufen",
    "expired": "Einwilligung abgelaufen",
    "objected": "Widerspruch eingelegt",
    "requested": "Löschung verlangt",
    "executed": "Löschung ausgeführt",
    "key_destroyed": "Schlüssel vernichtet, Inhalt nicht mehr lesbar",
}
_WORDS: Mapping[Language, Mapping[str, str]] = {
    "de": {
        "unknown": "Der Hub kennt kein Ereignis mit dieser Nummer.",
        "kept": "Felder: {}",
        "dropped": "nicht weitergegeben: {}",
        "now": "heute",
        "to": "an",
        "grounds": "Grundlage: {}",
    },
    "en": {
        "unknown": "The hub knows no event of this id.",
        "kept": "fields: {}",
        "dropped": "not passed on: {}",
        "now": "now",
        "to": "to",
        "grounds": "ground: {}",
    },
}


def explain(
    event_id: Annotated[
        str, typer.Argument(metavar="EVENT_ID", help="Nummer des Ereignisses (32 Hexziffern)")
    ],
    lang: Annotated[Language, typer.Option(help="Sprache der Sätze und Regeltexte")] = "de",
    as_json: AsJson = False,
) -> None:
    """Was mit einem Ereignis geschah, von der Übergabe bis zum Empfänger: wann, wo, nach welcher Regel und Norm."""
    with opened_parts() as parts:
        found = trail(parts, event_id.strip().lower(), parts.keys.ledger())
        answer = explained(found, parts.gate.policy, lang)
    if as_json:
        print_json(answer)
    else:
        print_lines(_sentences(answer, lang))
    if not found.steps:
        raise typer.Exit(1)


def explained(found: Trail, policy: Policy, lang: Language = "de") -> dict[str, Any]:
    """The trail under the contract's keys, each rule with its norm and wording of that day."""
    return {
        "event_id": found.event_id,
        "event_type": found.event_type,
        "trail": [_entry(step, policy, lang) for step in found.steps],
    }


def _entry(step: Step, policy: Policy, lang: Language) -> dict[str, Any]:
    entry = {
        "at": rfc3339(step.at),
        "point": step.point,
        "where": step.where,
        "outcome": step.outcome,
        "rules": [_rule(rule, step, policy, lang) for rule in step.rules],
        "kept": list(step.kept),
        "dropped": dict(sorted(step.dropped.items())),
        "recipient": step.recipient,
    }
    if step.grounds:
        entry["grounds"] = list(step.grounds)
    return entry | ({"now": True} if step.now else {})


def _rule(rule: str, step: Step, policy: Policy, lang: Language) -> dict[str, str]:
    period = policy.on(berlin_day(moment(step.at))) or policy.latest
    reason = period.reasons.get(rule)
    if reason is None:
        return {"rule": rule, "norm": "", "text": _CODES.get(rule, {}).get(lang, rule)}
    return {"rule": rule, "norm": reason.norm, "text": reason.text if lang == "de" else reason.text_en}


def _sentences(answer: Mapping[str, Any], lang: Language) -> Iterator[str]:
    if not answer["trail"]:
        yield _WORDS[lang]["unknown"]
        return
    yield f"{answer['event_type'] or '?'} {answer['event_id']}"
    for entry in answer["trail"]:
        yield _headline(entry, lang)
        yield from (f"    {line}" for line in _details(entry, lang))


def _headline(entry: Mapping[str, Any], lang: Language) -> str:
    words = _WORDS[lang]
    outcome = _OUTCOMES_DE.get(entry["outcome"], entry["outcome"]) if lang == "de" else entry["outcome"]
    at = words["now"] if entry.get("now") else entry["at"]
    to = f" {words['to']} {entry['recipient']}" if entry["recipient"] else ""
    return f"{at}  {_POINTS[entry['point']][lang]}{to}: {outcome} ({entry['where']})"


def _details(entry: Mapping[str, Any], lang: Language) -> Iterator[str]:
    words = _WORDS[lang]
    if entry["kept"]:
        yield words["kept"].format(", ".join(entry["kept"]))
    if entry["dropped"]:
        told = (f"{name} ({rule})" for name, rule in entry["dropped"].items())
        yield words["dropped"].format(", ".join(told))
    for rule in entry["rules"]:
        norm = f", {rule['norm']}" if rule["norm"] else ""
        yield f"{rule['text']} ({rule['rule']}{norm})."
    if entry.get("grounds"):
        yield words["grounds"].format(", ".join(entry["grounds"]))
