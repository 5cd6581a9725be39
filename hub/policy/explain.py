"""A decision as plain sentences, for the people who must answer for it."""

from collections.abc import Iterable
from typing import Literal

from hub.policy.compiled import Reason
from hub.policy.decision import Decision
from hub.policy.nearly import Nearly

Language = Literal["de", "en"]

_OUTCOME = {
    "de": {
        "allow": "Alles darf weitergegeben werden.",
        "redact": "Ein Teil darf weitergegeben werden.",
        "hold": "Angehalten: Eine Fachkraft muss entscheiden, bis dahin wird nichts weitergegeben.",
        "deny": "Nichts darf weitergegeben werden.",
    },
    "en": {
        "allow": "Everything may be passed on.",
        "redact": "A part may be passed on.",
        "hold": "On hold: a person must decide, nothing is passed on until then.",
        "deny": "Nothing may be passed on.",
    },
}
_WORDS = {
    "de": {
        "kept": "Weitergegeben: {}.",
        "would": "Weitergegeben würde: {}.",
        "marked": "Mit Kennzeichnung als bestritten: {}.",
        "withheld": "Zurückgehalten: {} – {} ({}, {}).",
        "besides": "{} ({}, {}).",
        "needed": "Nötig wäre: {}.",
        "nearly": "Fast gegolten hätte die Einwilligung {} (Kategorie {} an {}). Es fehlt: {}.",
    },
    "en": {
        "kept": "Passed on: {}.",
        "would": "Would be passed on: {}.",
        "marked": "Carrying the mark of dispute: {}.",
        "withheld": "Withheld: {} – {} ({}, {}).",
        "besides": "{} ({}, {}).",
        "needed": "Needed: {}.",
        "nearly": "Consent {} (category {} to {}) would nearly have counted. It lacks: {}.",
    },
}
_NEEDED_DE = {
    "assignment": "Zuweisung der empfangenden Stelle zu diesem Fall",
    "attestation": "Bestätigung einer Fachkraft, dass § 69 SGB X es erfordert",
    "connection": "ein festgehaltener Zusammenhang der beiden Aufgaben",
    "consent": "Einwilligung",
    "judgement": "Feststellung, dass die Weitergabe die Hilfe nicht gefährdet",
    "key": "vollständige Angabe",
    "label": "Kennzeichnung jedes Feldes mit einer Kategorie",
    "signature": "Unterschrift aller, die unterschreiben müssen",
    "undertaking": "schriftliche Verpflichtung des Trägers (§ 78 SGB X)",
}

_LACKS: dict[str, dict[Language, str]] = {
    "reference": {"de": "der Verweis des Eintrags auf sie", "en": "a reference of the record to it"},
    "recipient": {"de": "diese Stelle unter den Empfängern", "en": "this agency among its recipients"},
    "purpose": {"de": "dieser Zweck", "en": "this purpose"},
    "category": {"de": "diese Kategorie", "en": "this category"},
    "explicit": {
        "de": "das ausdrückliche Ja zu besonderen Kategorien (Art. 9 DSGVO)",
        "en": "the explicit yes to special categories (Art. 9 GDPR)",
    },
    "period": {"de": "die Geltung an diesem Tag", "en": "validity on that day"},
    "withdrawn": {
        "de": "dieser Teil, der widerrufen wurde",
        "en": "this part, which was withdrawn",
    },
    "form": {
        "de": "eine gültige Form (schriftlich oder elektronisch)",
        "en": "a valid form (written or electronic)",
    },
    "notices": {"de": "die drei Hinweise vor der Unterschrift", "en": "the three notices before signing"},
    "proof": {"de": "der Nachweis", "en": "the proof"},
    "signers": {
        "de": "die Unterschrift aller, die unterschreiben müssen",
        "en": "the signature of all who must sign",
    },
    "worker": {"de": "der Name der Fachkraft", "en": "the name of the worker"},
}
"""What a consent lacks (`hub.policy.nearly`)."""


def explain(decision: Decision, lang: Language = "de") -> str:
    """What is kept and withheld, by which rule and norm, and what would have been needed; one sentence a line."""
    words = _WORDS[lang]
    lines = [_OUTCOME[lang][decision.outcome]]
    if decision.kept:
        lines.append(
            words["would" if decision.outcome == "hold" else "kept"].format(", ".join(decision.kept))
        )
    if decision.marked:
        lines.append(words["marked"].format(", ".join(decision.marked)))
    lines.extend(_withheld(decision, reason, lang) for reason in decision.reasons)
    if decision.needed:
        lines.append(words["needed"].format("; ".join(_needs(decision.needed, lang))))
    lines.extend(nearly_in_words(one, lang) for one in decision.nearly)
    return "\n".join(lines)


def nearly_in_words(one: Nearly, lang: Language = "de") -> str:
    """Which consent nearly counts, and what it lacks."""
    lacking = ", ".join(_LACKS[missing][lang] for missing in one.missing)
    return _WORDS[lang]["nearly"].format(one.consent, one.category, one.recipient, lacking)


def _withheld(decision: Decision, reason: Reason, lang: Language) -> str:
    names = ", ".join(sorted(name for name, rule in decision.dropped.items() if rule == reason.rule))
    text = reason.text if lang == "de" else reason.text_en
    if not names:
        return _WORDS[lang]["besides"].format(text, reason.rule, reason.norm)
    return _WORDS[lang]["withheld"].format(names, text, reason.rule, reason.norm)


def _needs(needed: Iterable[str], lang: Language) -> list[str]:
    return [_in_german(need) if lang == "de" else need for need in needed]


def _in_german(need: str) -> str:
    what, _, detail = need.partition(": ")
    if what == "key":
        return f"{_NEEDED_DE[what]} von {detail}"
    if what not in ("consent", "signature"):
        return _NEEDED_DE[what]
    german = (
        detail.removeprefix("all who can sign, ").replace("category", "Kategorie").replace(" to ", " an ")
    )
    german = german.replace("naming the worker", "mit Namen der Fachkraft")
    german = german.replace("by who confided it alone", "allein von der Person, die es anvertraut hat")
    return f"{_NEEDED_DE[what]} ({german})"
