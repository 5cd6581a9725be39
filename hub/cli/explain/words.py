"""The words of `hub explain`: one sentence for each step, for people who must answer for it, in German or English."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from hub.domain.clock import BERLIN
from hub.policy.explain import Language, nearly_in_words
from hub.policy.nearly import Nearly

CODES: Mapping[str, Mapping[Language, str]] = {
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
    "past_limits": {
        "de": "Ein Text ist länger, als er sein darf",
        "en": "a text is longer than it may be",
    },
    "undecodable": {"de": "Der Eintrag ist nicht lesbar", "en": "the record cannot be read"},
    "unknown_schema": {"de": "Das Schema ist hier nicht bekannt", "en": "the schema is not known here"},
    "unknown_field": {"de": "Ein Feld steht nicht im Schema", "en": "a field is not in the schema"},
    "wrong_label": {
        "de": "Ein Feld trägt eine andere Kategorie als im Schema",
        "en": "a field carries another category than in its schema",
    },
    "wrong_controller": {"de": "Der Träger passt nicht zum Topic", "en": "the controller is not the topic's"},
    "not_the_hubs": {"de": "Nicht vom Hub selbst geschrieben", "en": "not written by the hub itself"},
    "wrong_topic": {
        "de": "Das Ereignis gehört nicht auf dieses Topic",
        "en": "the event is on a wrong topic",
    },
    "unreadable": {
        "de": "Ein Name oder eine Zeit ergibt keinen Sinn",
        "en": "a name or a time cannot be meant",
    },
    "erased": {
        "de": "Die Angaben zu dieser Person wurden gelöscht",
        "en": "what concerns this person was erased",
    },
}
_STEPS: Mapping[str, Mapping[Language, str]] = {
    "read": {"de": "Das Amt hat den Eintrag gelesen", "en": "The agency read the record"},
    "passed": {"de": "Das Amt durfte alles abgeben", "en": "The agency could pass on all of it"},
    "narrowed_down": {
        "de": "Das Amt durfte einen Teil abgeben",
        "en": "The agency could pass on a part of it",
    },
    "egress withheld": {
        "de": "Das Amt hat nichts davon abgegeben",
        "en": "The agency passed on nothing of it",
    },
    "published": {"de": "Das Amt hat es versiegelt übergeben", "en": "The agency handed it over, sealed"},
    "quarantined": {
        "de": "Es konnte nicht angenommen werden und wartet, bis jemand nachsieht",
        "en": "It could not be taken and waits until somebody looks at it",
    },
    "parked": {
        "de": "Es wartet, weil ein früherer Eintrag desselben Falls nicht angenommen werden konnte",
        "en": "It waits, because an earlier record of the same case could not be taken",
    },
    "released": {"de": "Es wurde nach Ansicht ausgelassen", "en": "Somebody looked at it and left it out"},
    "admitted": {"de": "Nochmals geprüft und angenommen", "en": "Checked again and accepted"},
    "withheld": {"de": "Nochmals geprüft und zurückgehalten", "en": "Checked again and withheld"},
    "held": {"de": "Es wartet auf eine Entscheidung", "en": "It waits for a decision"},
    "applied": {"de": "In die gemeinsame Fallakte eingetragen", "en": "Entered into the joint case"},
    "registered": {
        "de": "Im Verzeichnis der Einwilligungen eingetragen",
        "en": "Entered into the consent register",
    },
    "superseded": {"de": "Von einer neueren Fassung ersetzt", "en": "Replaced by a newer version"},
    "pending": {"de": "{} bekommt es gerade", "en": "{} is being given it"},
    "delivered": {"de": "{} hat es bekommen", "en": "{} was given it"},
    "shown": {"de": "{} hat es bekommen und zeigt es an", "en": "{} was given it and shows it"},
    "deleted": {"de": "{} hat es bekommen und wieder gelöscht", "en": "{} was given it and has deleted it"},
    "hidden": {"de": "{} hat es bekommen und zeigt es nicht mehr an", "en": "{} was given it and hides it"},
    "late": {
        "de": "{} hat es zu spät bekommen und verworfen",
        "en": "{} was given it too late and dropped it",
    },
    "disclose superseded": {
        "de": "{} hat es bekommen und durch Neueres ersetzt",
        "en": "{} was given it and has replaced it with something newer",
    },
    "removed": {"de": "{} wurde alles wieder genommen", "en": "Everything was taken back from {}"},
    "unreadable": {
        "de": "Es lässt sich nicht öffnen, niemand sieht etwas davon",
        "en": "It does not open, nobody sees anything of it",
    },
    "allow": {"de": "{} darf alles davon sehen", "en": "{} may see all of it"},
    "redact": {"de": "{} darf einen Teil davon sehen", "en": "{} may see a part of it"},
    "hold": {
        "de": "{} sieht nichts davon, bis jemand entscheidet",
        "en": "{} sees nothing of it until somebody decides",
    },
    "deny": {"de": "{} darf nichts davon sehen", "en": "{} may see nothing of it"},
    "withdrawn": {"de": "Die Einwilligung wurde widerrufen", "en": "The consent was withdrawn"},
    "narrowed": {
        "de": "Die Einwilligung wurde zum Teil widerrufen",
        "en": "The consent was withdrawn in part",
    },
    "expired": {"de": "Die Einwilligung ist abgelaufen", "en": "The consent ran out"},
    "objected": {"de": "Die Person hat widersprochen", "en": "The person objected"},
    "split": {"de": "Die Zuordnung der Person wurde getrennt", "en": "The link of the person was undone"},
    "requested": {"de": "Die Löschung wurde verlangt", "en": "Erasure was asked for"},
    "executed": {"de": "Die Löschung wurde ausgeführt", "en": "Erasure was carried out"},
    "key_destroyed": {
        "de": "Der Schlüssel wurde vernichtet, der Inhalt ist nicht mehr lesbar",
        "en": "The key was destroyed, the content can no longer be read",
    },
}
"""Outcome, or point and outcome where one word means two things → sentence; {} is the recipient."""
_ROLES: Mapping[str, Mapping[Language, str]] = {
    "jc_case_manager": {"de": "Fallmanagement", "en": "case management"},
    "jc_benefits": {"de": "Leistungsstelle", "en": "benefits unit"},
    "ja_asd": {"de": "Allgemeiner Sozialer Dienst", "en": "social service"},
    "ja_wjh": {"de": "Wirtschaftliche Jugendhilfe", "en": "cost unit"},
    "coordinator": {"de": "Koordination", "en": "coordination"},
    "provider_worker": {"de": "freier Träger", "en": "independent provider"},
    "office_clerk": {"de": "Sachbearbeitung", "en": "clerk"},
}
_WORDS: Mapping[Language, Mapping[str, str]] = {
    "de": {
        "unknown": "Der Hub kennt kein Ereignis mit dieser Nummer.",
        "kept": "weitergegeben: {}",
        "dropped": "nicht weitergegeben: {}",
        "now": "heute",
        "grounds": "Grundlage: {}",
        "time": "%d.%m.%Y %H:%M:%S",
    },
    "en": {
        "unknown": "The hub knows no event of this id.",
        "kept": "passed on: {}",
        "dropped": "not passed on: {}",
        "now": "now",
        "grounds": "ground: {}",
        "time": "%Y-%m-%d %H:%M:%S",
    },
}


def sentences(answer: Mapping[str, Any], lang: Language) -> Iterator[str]:
    """The answer of `hub explain --json` in words, times as clocks in Germany show them."""
    if not answer["trail"]:
        yield _WORDS[lang]["unknown"]
        return
    yield f"{answer['event_type'] or '?'} {answer['event_id']}"
    for entry in answer["trail"]:
        yield _headline(entry, lang)
        yield from (f"    {line}" for line in _details(entry, lang))


def _headline(entry: Mapping[str, Any], lang: Language) -> str:
    words, outcome = _WORDS[lang], entry["outcome"]
    said = _STEPS.get(f"{entry['point']} {outcome}") or _STEPS.get(outcome)
    sentence = said[lang].format(_recipient(entry["recipient"], lang)) if said else outcome
    at = datetime.fromisoformat(entry["at"]).astimezone(BERLIN).strftime(words["time"])
    return f"{words['now'] if entry.get('now') else at}  {sentence} ({entry['where']})."


def _recipient(name: str | None, lang: Language) -> str:
    agency, _, role = (name or "").partition("/")
    told = _ROLES.get(role)
    return f"{agency} ({told[lang]})" if told else agency


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
    for one in entry.get("nearly", ()):
        yield nearly_in_words(Nearly(**one), lang)
