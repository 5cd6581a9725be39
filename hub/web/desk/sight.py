"""What the other office sees now, shown to the family that signed, and what became of what it took back.

In one process with the hub (the demo, a small office) the desk may look through the hub's own delivery rules; the look
is logged like any other, as the family's own. It is decided under the same locks as a caseworker's look.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from hub.desk.desk import Desk, Family
from hub.desk.offer import PURPOSE, Direction
from hub.domain.clock import micros, moment
from hub.domain.consent import Consent
from hub.parts import Parts
from hub.policy.facts import Recipient
from hub.rights.consent_history import Receipt, consent_story
from hub.store import views
from hub.views.case_file import CaseFile
from hub.views.opening import look
from hub.views.redaction import Question, RedactedView, redact
from hub.web.desk.page import Setting, Shown, in_words
from hub.web.desk.words import say
from hub.web.wording import moment_text, speaking, word, words

_MAIN = {
    "jobcenter": "jc_case_manager",
    "youth_welfare": "ja_asd",
    "provider": "provider_worker",
    "social_office": "office_clerk",
}


UNDERWAY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class SeenPerson:
    """One person of this family as the other office sees them now."""

    name: str = field(repr=False)
    entries: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class NowSeen:
    """One other office."""

    heading: str
    nothing: str
    people: tuple[SeenPerson, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """One recipient's answer to a withdrawal, in words; `waiting`: it has not answered yet."""

    had: str
    answer: str
    waiting: bool


class Sightings:
    """Looks through the hub that runs in this process."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def of(self, desk: Desk, family: Family, setting: Setting) -> list[NowSeen]:
        """What each other office sees of this agency's data about this family."""
        own = desk.config.agency
        ahead = [one for one in setting.directions if one.sender.controller == own]
        with speaking(setting.text.code):
            return [self._now(family, one, setting) for one in ahead]

    def _now(self, family: Family, direction: Direction, setting: Setting) -> NowSeen:
        made, names = self._redacted(family, direction)
        people: dict[str, list[Shown]] = {}
        for part in made.parts:
            if part.sender == direction.sender.controller and part.person in names:
                people.setdefault(names[part.person], []).extend(in_words(part.entries, setting))
        recipient, language = setting.names[direction.recipient], setting.text.language
        return NowSeen(
            say(language, "now", recipient=recipient),
            say(language, "now_none", recipient=recipient),
            tuple(SeenPerson(name, tuple(entries)) for name, entries in people.items()),
        )

    def _redacted(self, family: Family, direction: Direction) -> tuple[RedactedView, dict[str, str]]:
        """Under the locks of every look; the names are the desk's own."""
        parts, own = self._parts, direction.sender.controller
        to = parts.agencies[direction.recipient]
        worker = _named(family, direction)

        def answer(file: CaseFile) -> tuple[RedactedView, CaseFile, Question]:
            recipient = Recipient(
                controller=to.id,
                kind=to.kind,
                role=_MAIN[to.kind],
                worker=worker,
                assigned=file.case_of(to.id) is not None,
                undertaking=to.undertaking,
            )
            question = Question(recipient, PURPOSE, parts.clock.now())
            made = redact(parts.gate.policy, parts.agencies, question, file.evidence, file.known, file.names)
            return made, file, question

        def log(
            connection: Connection, joint: str, answered: tuple[RedactedView, CaseFile, Question]
        ) -> None:
            version, at = parts.gate.policy.version, micros(answered[2].at)
            views.log_retrieval(connection, joint, own, "subject", None, PURPOSE, version, at)

        made, file, _ = look(parts, f"{own}:{family.household.ref}", answer, log)
        names = {
            file.known[key].person: member.name
            for member in family.household.members
            if (key := f"{own}:{member.ref}") in file.known
        }
        return made, names

    def receipts(self, family: Family, setting: Setting) -> list[Answered]:
        """What the recipients had through the consents that were taken back last, and their answers."""
        ended = [one for one in family.standing if one.withdrawn_at or one.scoped_withdrawals]
        last = max((at for one in ended for at in _ends(one)), default=None)
        mine = [one for one in ended if last in _ends(one)]
        found = [story for one in mine if (story := consent_story(self._parts, one.id, self._about(one)))]
        told = [one for story in found for one in story.receipts if _concerned(story.consent, one)]
        with speaking(setting.text.code):
            return list(_merged(told, setting))

    def _about(self, consent: Consent) -> list[str]:
        """The subject keys that the desk's own ref of a person may be."""
        return [f"{agency}:{consent.subject}" for agency in sorted(self._parts.agencies)]


def just_ended(family: Family, now: datetime) -> bool:
    """Whether something was taken back so lately that the hub may not have heard of it yet."""
    return any(end > now - UNDERWAY for one in family.standing for end in _ends(one))


def _concerned(consent: Consent, receipt: Receipt) -> bool:
    """A whole withdrawal concerns everybody who had something, a part only those who lost something by it."""
    return consent.withdrawn_at is not None or set(receipt.fields) != set(receipt.still)


def _ends(consent: Consent) -> Sequence[datetime]:
    return [
        *([consent.withdrawn_at] if consent.withdrawn_at else []),
        *(part.at for part in consent.scoped_withdrawals),
    ]


def _named(family: Family, direction: Direction) -> str | None:
    named = {
        worker
        for one in family.standing
        if one.sender == direction.sender.controller and direction.recipient in one.recipients
        for worker in one.recipient_workers
    }
    return named.pop() if len(named) == 1 else None


def _merged(receipts: Iterable[Receipt], setting: Setting) -> Iterable[Answered]:
    """One line for each recipient role: all it had, and its last answer."""
    slots: dict[tuple[str, str], list[Receipt]] = {}
    for receipt in receipts:
        slots.setdefault((receipt.recipient, receipt.role), []).append(receipt)
    for (recipient, role), mine in sorted(slots.items()):
        lost = (name for one in mine for name in one.fields if one.told_at is None or name not in one.still)
        kinds = dict.fromkeys(name.partition(".")[0] for name in lost)
        what = ", ".join(dict.fromkeys(_label(kind) for kind in kinds))
        if not what:
            continue
        open_ = [one for one in mine if one.told_at is None or one.answer is None]
        whose = f"{setting.names.get(recipient, recipient)}, {word('roles', role)}"
        last = max(mine, key=lambda one: one.answered_at or 0)
        yield Answered(
            say(setting.text.language, "had", recipient=whose, what=what),
            say(setting.text.language, "answer_none") if open_ else _answer(last, setting),
            bool(open_),
        )


def _label(event_type: str) -> str:
    return str(words()["events"].get(event_type, ("", event_type))[1])


def _answer(receipt: Receipt, setting: Setting) -> str:
    code, _, norm = (receipt.answer or "").partition(" ")
    when = moment_text(moment(receipt.answered_at or 0))
    name = f"answer_{code}" if code in ("deleted", "shown", "kept") else "answer_other"
    return say(setting.text.language, name, when=when, norm=norm)
