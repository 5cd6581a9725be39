"""The intake's side: every report that came, whatever state it is in; acknowledge it, and answer with three flags."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.danger.box import In, LetterBox
from hub.danger.config import DangerConfig
from hub.danger.content import FLAGS, DangerReport, answer_content, received_report
from hub.danger.letter import (
    ACKNOWLEDGED,
    ANSWERED,
    NOTHING_SEEN,
    REPORTED,
    Letter,
    answers_topic,
    decode,
    encode,
)
from hub.danger.post import GAP, NO_LETTER, Post, opened
from hub.domain.clock import micros, moment
from hub.errors import HubError, UsageError
from hub.ports import Clock

UNOPENED = "unopened"


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """One report; `versions` has more than one when the reporter sent more under the same number. What came after an
    acknowledgement is not acknowledged by it."""

    report_id: bytes
    reporter: str
    at: datetime
    place: str
    versions: tuple[DangerReport, ...]
    acknowledged_at: datetime | None
    answered_at: datetime | None
    overdue: bool

    @property
    def marks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(mark for version in self.versions for mark in version.marks))


class Intake:
    """The only office that can open reports."""

    def __init__(self, config: DangerConfig, box: LetterBox, post: Post, clock: Clock) -> None:
        self._config, self._box, self._post, self._clock = config, box, post, clock

    def reports(self) -> list[ReceivedReport]:
        """Everything that came, the oldest first; nothing is left out."""
        said: dict[bytes, list[Letter]] = {}
        for out in self._box.written(ACKNOWLEDGED, ANSWERED):
            if letter := out.letter:
                said.setdefault(out.report_id, []).append(letter)
        by_id: dict[tuple[str, bytes], list[In]] = {}
        for one in self._box.received(REPORTED):
            by_id.setdefault((one.agency, one.report_id), []).append(one)
        return [self._received(letters, said.get(letters[0].report_id, [])) for letters in by_id.values()]

    def acknowledge(self, report_id: bytes) -> bool:
        """Tell the reporter that a person has it, as far as it has come; False when that waits for the log. Raises
        UsageError when unknown."""
        return self._say(report_id, ACKNOWLEDGED, b"")

    def answer(self, report_id: bytes, flags: Mapping[str, bool | None]) -> bool:
        """Send the three flags to the reporter, who learns nothing else; False when they wait for the log."""
        if not any(flags.get(name) is not None for name in FLAGS):
            raise UsageError("says nothing", place="hub danger answer", remedy="give one of the three flags")
        return self._say(report_id, ANSWERED, answer_content(flags))

    def _say(self, report_id: bytes, kind: str, plain: bytes) -> bool:
        letters = [one for one in self._box.received(REPORTED) if one.report_id == report_id]
        if not letters:
            raise UsageError(
                "no report has this id", place="hub danger", remedy="look it up with hub danger inbox"
            )
        topic, up_to = answers_topic(self._config.agency), max(one.written_at for one in letters)
        for reporter in sorted({one.agency for one in letters}):
            letter = self._letter(report_id, kind, reporter, up_to, plain)
            digest = self._config.keys[-1].mac(b"said", reporter.encode(), b"%d" % up_to, plain)
            self._box.put(topic, b"d_" + report_id.hex().encode(), letter, digest, encode(letter))
        try:
            self._post.send()
        except HubError:
            return False
        return all(one.report_id != report_id for one in self._box.waiting())

    def _letter(self, report_id: bytes, kind: str, reporter: str, up_to: int, plain: bytes) -> Letter:
        at = micros(self._clock.now())
        partner = self._config.partners.get(reporter)
        letter = Letter(report_id, kind, self._config.agency, reporter, at, up_to)
        if not plain or partner is None:
            return letter
        letter = letter._replace(key_id=partner.key.key_id)
        return letter._replace(box=partner.key.seal(plain, letter.header))

    def _received(self, letters: list[In], said: list[Letter]) -> ReceivedReport:
        """A report counts as acknowledged when somebody has acknowledged the newest of its letters."""
        first, seen = letters[0], max((one.up_to for one in said), default=NOTHING_SEEN)
        unseen = [one for one in letters if one.written_at > seen]
        limit = self._clock.now() - timedelta(minutes=self._config.alarm_minutes)
        answers = [one.at for one in said if one.kind == ANSWERED and not unseen]
        return ReceivedReport(
            first.report_id,
            first.agency,
            moment(first.at),
            first.place,
            tuple(map(self._content, letters)),
            None if unseen else moment(min(one.at for one in said if one.up_to == seen)),
            moment(max(answers)) if answers else None,
            overdue=any(moment(one.at) < limit for one in unseen),
        )

    def _content(self, one: In) -> DangerReport:
        """What a letter says, as far as that can be told."""
        if one.mark in (GAP, NO_LETTER):
            return DangerReport(unread=one.value.decode("utf-8", "replace"), marks=(one.mark,))
        letter = decode(one.value)
        plain = opened(self._config, letter) if letter else None
        report = DangerReport(marks=(UNOPENED,)) if plain is None else received_report(plain)
        marks = (one.mark, *report.marks) if one.mark else report.marks
        return DangerReport(report.fields, report.unread, marks)
