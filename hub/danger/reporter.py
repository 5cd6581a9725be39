"""The reporter's side: send a report, see whether the intake has it, and the three flags that come back."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hub.danger.box import In, LetterBox, Out
from hub.danger.config import DangerConfig, Partner
from hub.danger.content import read_report, received_answer, report_content
from hub.danger.letter import (
    ACKNOWLEDGED,
    ANSWERED,
    NOTHING_SEEN,
    REPORTED,
    Letter,
    decode,
    encode,
    reports_topic,
)
from hub.danger.post import Post, opened
from hub.domain.clock import berlin_day, micros, moment
from hub.errors import HubError, ServiceUnavailable, UsageError
from hub.ports import Clock, Outgoing

SENT, KEPT, UNKEPT = "sent", "kept", "sent_only"


@dataclass(frozen=True, slots=True)
class DangerReported:
    """What became of a report: in the log (`sent`), in the box until the log answers (`kept`), or in the log although
    the box could not keep it (`sent_only`). `marks` tell what the intake will find wrong with it."""

    report_id: bytes
    intake: Partner
    state: str
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """One report as the reporter may know it. `overdue`: nobody has acknowledged it in time."""

    report_id: bytes
    intake: str
    at: datetime
    sent: bool
    acknowledged_at: datetime | None
    flags: Mapping[str, bool | None] = field(repr=False)
    overdue: bool


class Reporter:
    """An office that reports. It cannot open what it reported: only the intake can."""

    def __init__(self, config: DangerConfig, box: LetterBox | None, post: Post, clock: Clock) -> None:
        self._config, self._box, self._post, self._clock = config, box, post, clock

    def report(self, data: bytes, to: str = "", *, again: bool = False) -> DangerReported:
        """Seal and send a report, whatever its bytes are; the same one of the same day is the same report, unless it is
        said to be another (`again`). Raises ServiceUnavailable when neither box nor log could take it."""
        intake, report = self._intake(to), read_report(data)
        plain = report_content(report, self._config.kind)
        if plain is None:
            raise UsageError("this office has no danger path (R19)", place="config.agency.kind")
        report_id = secrets.token_bytes(16) if again else self._id(intake, report.number, data)
        letter = self._sealed(report_id, intake, plain)
        family = self._config.keys[-1].mac(b"case", report.case.encode()) if report.case else report_id
        record = Outgoing(b"d_" + family.hex().encode(), encode(letter))
        return DangerReported(report_id, intake, self._carry(letter, record, plain), report.marks)

    def statuses(self) -> list[Status]:
        """Every report of this office, the oldest first, with what came back."""
        box = self._kept()
        answers = box.received(ACKNOWLEDGED, ANSWERED)
        reports: dict[bytes, list[Out]] = {}
        for one in box.written(REPORTED):
            reports.setdefault(one.report_id, []).append(one)
        return [
            self._status(letters, [one for one in answers if _belongs(one, letters[0])])
            for letters in reports.values()
        ]

    def _carry(self, letter: Letter, record: Outgoing, plain: bytes) -> str:
        """Into the box, then into the log; a box that fails must not stop the report."""
        topic = reports_topic(self._config.agency)
        try:
            self._kept().put(
                topic, record.key, letter, self._config.keys[-1].mac(b"digest", plain), record.value
            )
        except ServiceUnavailable:
            self._post.append(topic, record)
            return UNKEPT
        try:
            self._post.send()
            return KEPT if self._waits(letter.report_id) else SENT
        except HubError:
            return KEPT

    def _waits(self, report_id: bytes) -> bool:
        """Whether the log has not taken all letters of this report."""
        return any(one.report_id == report_id for one in self._kept().waiting())

    def _sealed(self, report_id: bytes, intake: Partner, plain: bytes) -> Letter:
        at = micros(self._clock.now())
        letter = Letter(report_id, REPORTED, self._config.agency, intake.id, at, key_id=intake.key.key_id)
        return letter._replace(box=intake.key.seal(plain, letter.header))

    def _id(self, intake: Partner, number: str, data: bytes) -> bytes:
        """The reporter's own number names the report; without one, its bytes and its day do."""
        key, to = self._config.keys[-1], intake.id.encode()
        if number:
            return key.mac(b"number", to, number.encode())
        day = berlin_day(self._clock.now()).isoformat()
        return key.mac(b"bytes", to, day.encode(), data)

    def _intake(self, to: str) -> Partner:
        partners = self._config.partners
        if to in partners:
            return partners[to]
        if to or len(partners) > 1:
            named = ", ".join(sorted(partners))
            raise UsageError("which intake?", place="hub danger report", remedy=f"--to one of {named}")
        return next(iter(partners.values()))

    def _kept(self) -> LetterBox:
        if self._box is None:
            raise ServiceUnavailable(
                "the box cannot be opened", place=self._config.state.name, remedy="check the disk"
            )
        return self._box

    def _status(self, letters: list[Out], answers: list[In]) -> Status:
        """Acknowledged when all of its letters went and the newest is; overdue when one that nobody has seen waits too
        long."""
        first, seen = letters[0], max((one.up_to for one in answers), default=NOTHING_SEEN)
        unseen = [one for one in letters if one.at > seen or one.sent_at is None]
        limit = self._clock.now() - timedelta(minutes=self._config.alarm_minutes)
        acknowledged = None if unseen else moment(min(one.at for one in answers if one.up_to == seen))
        return Status(
            first.report_id,
            _recipient(first),
            moment(first.at),
            all(one.sent_at is not None for one in letters),
            acknowledged,
            self._flags(answers),
            overdue=any(moment(one.at) < limit for one in unseen),
        )

    def _flags(self, answers: list[In]) -> Mapping[str, bool | None]:
        """Those of the newest answer that opens."""
        for one in sorted(
            (one for one in answers if one.kind == ANSWERED), key=lambda one: one.at, reverse=True
        ):
            letter = decode(one.value)
            plain = opened(self._config, letter) if letter else None
            if plain is not None:
                return received_answer(plain, self._config.kind)
        return {}


def _belongs(answer: In, report: Out) -> bool:
    """Only the intake that was asked may answer; of a report that is damaged here, any partner."""
    return answer.report_id == report.report_id and _recipient(report) in (answer.agency, "")


def _recipient(report: Out) -> str:
    """The intake that was asked; "" when this office's own copy is damaged."""
    letter = report.letter
    return letter.recipient if letter else ""
