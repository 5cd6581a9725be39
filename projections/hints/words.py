"""The sentences of hints: a closed list, in German, without a name, a number or a verdict."""

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    "help_ends": "Eine Hilfe endet in den nächsten sechs Wochen, und es folgt keine: Anschluss prüfen.",
    "benefit_ends": "Die Leistung endet in den nächsten sechs Wochen, und es folgt keine: Weiterbewilligung prüfen.",
    "turns_15": "Ein Kind wird 15: Eingliederung und Rechte ab 15 prüfen.",
    "turns_18": "Ein Kind wird 18: Zuständigkeit, Einwilligung und Hilfe für junge Volljährige prüfen.",
    "turns_25": "Jemand wird 25: eigene Bedarfsgemeinschaft prüfen.",
    "household_changed": "Der Haushalt hat sich nach dem letzten Plan geändert: Plan prüfen.",
    "but_missing": "Ein Schulkind, Leistungen und kein Antrag auf Bildung und Teilhabe: Antrag prüfen.",
    "bounced_twice": "Ein Vorgang kam zweimal zurück: gemeinsam prüfen, wer ihn weiterführt.",
    "agreement_overdue": "Eine Vereinbarung ist nach den Angaben, die Sie sehen, überfällig: prüfen.",
    "look_again": "Nach dem Übergang war ein neuer Blick vereinbart: jetzt prüfen.",
    "many_helpers": "Viele Hilfen, Maßnahmen und Kontakte sind zugleich zu sehen: gemeinsam prüfen, wer führt.",
}
"""Code → sentence."""
