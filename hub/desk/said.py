"""What was said at the desk, word by word: the proof of a consent, and the family's copy. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from hub.desk.offer import Direction
from hub.desk.records import Household
from hub.desk.texts import ConsentText
from hub.desk.ticks import Ticks, covered, lettered, until
from hub.domain.consent import ALL_NOTICES


def record_of(
    household: Household,
    ticks: Ticks,
    directions: Sequence[Direction],
    text: ConsentText,
    at: datetime,
    process: str,
) -> str:
    """What was said and signed, word by word, in the language of the text: the proof, and the family's copy."""
    return "\n".join(_lines(household, ticks, directions, text, at, process)) + "\n"


def _lines(
    household: Household,
    ticks: Ticks,
    directions: Sequence[Direction],
    text: ConsentText,
    at: datetime,
    process: str,
) -> Iterator[str]:
    names = {member.ref: member.name for member in household.members}
    yield f"{text.word('title')} ({text.word('form', 'version')} {text.id})"
    yield f"{process} · {at.isoformat(timespec='minutes')}"
    for notice in sorted(ALL_NOTICES):
        yield f"{text.word('notices', notice, 'title')} {text.word('notices', notice, 'text')}"
    for number, (ref, signers) in enumerate(covered(household, ticks), 1):
        ids = (
            f"{process}-{number}{letter}" for letter, one in lettered(directions) if ticks.opened.get(one.key)
        )
        yield f"{text.word('form', 'about')}: {names[ref]} ({text.word('form', 'number')} {', '.join(ids)})"
        yield f"{text.word('form', 'signature')}: {', '.join(sorted(names.get(one, one) for one in signers))}"
    for direction in directions:
        says = text.word("form", "says", sender=direction.sender.controller, recipient=direction.recipient)
        ticked = ticks.opened.get(direction.key, frozenset())
        yield f"{says} {', '.join(text.word('categories', code, 'name') for code in sorted(ticked)) or '–'}"
    yield f"{text.word('form', 'purposes')} {', '.join(text.word('purposes', one) for one in sorted(ticks.purposes))}"
    if any("G9" in ticked for ticked in ticks.opened.values()):
        yield text.word("special", "text")
    last = until(ticks, at)
    yield f"{text.word('form', 'valid')}: {(last - timedelta(microseconds=1)).date().isoformat() if last else '–'}"
    yield f"{text.word('form', 'interpreter')}: {'–' if ticks.interpreter == 'none' else ticks.interpreter}"
    yield text.sha256
