"""Carrying letters between an office's box and the log: sent until confirmed, fetched from wherever reading can go on.

An ordinary stage stops when its place in the log is gone, so that it neither loses nor resurrects. Here nothing can be
resurrected, for what came twice is kept once, so reading goes on from what there is, and a gap is a letter of its own:
it stands in the inbox as something that somebody must ask for by telephone.

One letter that the log does not take holds up nobody else's: letters of other families go on, and so does reading the
other partitions and the other offices. Letters of one family keep their order.
"""

from collections.abc import Callable, Iterable
from time import monotonic

from hub.danger.box import In, LetterBox, Out
from hub.danger.config import DangerConfig
from hub.danger.letter import (
    REPORTED,
    Letter,
    answers_topic,
    decode,
    reports_topic,
    sender_of,
    stand_in,
    written_at,
)
from hub.domain.clock import micros
from hub.errors import DataError, HubError, ServiceUnavailable
from hub.ports import Clock, EventLog, Outgoing, Record, RecordPosition, TopicState

GAP, NO_LETTER, OTHER_SENDER = "gap", "no_letter", "other_sender"
_AT_ONCE = 500
NOT_TAKEN, TOO_LARGE, REFUSED = "not_taken", "too_large", "refused"
_DEADLINE = 10.0  # seconds for the log to confirm
_ROUND = 30.0  # seconds after which no further family is begun: the next round begins with it


class Post:
    """One office's carrier. `open_log` is asked when something is carried: a log that is away stops nothing else."""

    def __init__(
        self, config: DangerConfig, box: LetterBox | None, open_log: Callable[[], EventLog], clock: Clock
    ) -> None:
        self._config, self._kept, self._open, self._clock = config, box, open_log, clock
        self._log: EventLog | None = None

    def send(self) -> int:
        """Send what waits; how many letters went. Raises ServiceUnavailable when the log cannot be opened at all.

        A letter that the log does not take is kept with its cause (`LetterBox.refusals`) and tried in every round,
        after those that were not refused yet.
        """
        families = self._families(self._box.waiting())
        if not families:
            return 0
        self._connected()
        sent, end = 0, monotonic() + _ROUND
        for letters in families:
            if monotonic() < end:
                sent += self._send_in_order(letters)
        return sent

    def _families(self, waiting: Iterable[Out]) -> list[list[Out]]:
        """Waiting letters by topic and key: first those that were never refused, then the least recently tried."""
        refusals = self._box.refusals()
        families: dict[tuple[str, bytes], list[Out]] = {}
        for one in waiting:
            families.setdefault((one.topic, one.key), []).append(one)
        tried = {
            key: max((refusals[one.number].at for one in letters if one.number in refusals), default=0)
            for key, letters in families.items()
        }
        return [families[key] for key in sorted(families, key=lambda key: tried[key])]

    def _send_in_order(self, letters: list[Out]) -> int:
        """A family's letters, until the log does not answer for them; one that cannot go as it is holds up none."""
        sent = 0
        for one in letters:
            cause = self._refusal(one)
            now = micros(self._clock.now())
            if cause:
                self._box.refused(one.number, now, cause)
            else:
                self._box.sent(one.number, now)
                sent += 1
            if cause == NOT_TAKEN:
                break
        return sent

    def _refusal(self, one: Out) -> str:
        """Why the log does not take this letter; "" when it did."""
        try:
            self.append(one.topic, Outgoing(one.key, one.value))
        except DataError as error:
            return TOO_LARGE if error.reason == TOO_LARGE else REFUSED
        except ServiceUnavailable:
            return NOT_TAKEN
        except Exception:  # noqa: BLE001  a letter's own fault, whatever it is, must not stop the others
            return REFUSED
        return ""

    def append(self, topic: str, record: Outgoing) -> None:
        """One letter, past the box; raises ServiceUnavailable."""
        self._connected().append(topic, [record], deadline=_DEADLINE)

    def fetch(self) -> int:
        """Take in what came; how many records were read. Everything that can be read is; then raises
        ServiceUnavailable, or what else an office's topic or a partition answered."""
        log, read, failed = self._connected(), 0, list[HubError]()
        topic_of = reports_topic if self._config.intake else answers_topic
        for topic in map(topic_of, sorted(self._config.partners)):
            try:
                for state in log.state([topic]).values():
                    read += self._fetch(log, state, failed)
            except HubError as error:
                failed.append(error)
        if failed:
            raise failed[0]
        return read

    def close(self) -> None:
        if self._log:
            self._log.close()

    @property
    def _box(self) -> LetterBox:
        if self._kept is None:
            raise ServiceUnavailable(
                "the box cannot be opened", place=self._config.state.name, remedy="check the disk"
            )
        return self._kept

    def _connected(self) -> EventLog:
        if self._log is None:
            self._log = self._open()
        return self._log

    def _fetch(self, log: EventLog, state: TopicState, failed: list[HubError]) -> int:
        """All partitions at once; each by itself when that fails, so that one that cannot be read stops no other."""
        try:
            return self._read(log, state, self._start(state))
        except HubError:
            read = 0
        for part, following in self._start(state).items():
            try:
                read += self._read(log, state, {part: following})
            except HubError as error:
                failed.append(error)
        return read

    def _read(self, log: EventLog, state: TopicState, positions: dict[int, int]) -> int:
        read = 0
        while any(positions[part] < state.end[part] for part in positions):
            records = log.read(state.name, positions, _AT_ONCE)
            if not records:
                break
            positions |= {record.partition: record.offset + 1 for record in records}
            with self._box.transaction():
                for record in records:
                    self._take(record)
                self._box.stand_at(state, positions)
            read += len(records)
        return read

    def _start(self, state: TopicState) -> dict[int, int]:
        """Where reading begins: the saved place, or the first record when that place is none of this topic's."""
        saved, positions = self._box.positions(state.name), dict(state.first)
        for part, first in state.first.items():
            topic_id, following = saved.get(part, (state.topic_id, 0))
            if topic_id == state.topic_id and following <= state.end[part]:
                positions[part] = max(first, following)
                if following < first:
                    self._note_gap(RecordPosition(state.name, part, following), first)
        return positions

    def _note_gap(self, place: RecordPosition, first: int) -> None:
        """Records were deleted before they were read: somebody must ask what they said."""
        record = Record(*place, b"", b"", micros(self._clock.now()))
        letter = stand_in(record)
        where = f"{place} … {first}"
        with self._box.transaction():
            self._keep(
                In(sender_of(place.topic), letter.report_id, letter.kind, letter.at, where, GAP, b""), b""
            )

    def _take(self, record: Record) -> None:
        letter = decode(record.value)
        if letter is None or (self._config.intake and letter.kind != REPORTED):
            self._take_unreadable(record)
        elif letter.recipient == self._config.agency and (letter.kind != REPORTED) != self._config.intake:
            agency = sender_of(record.topic)
            mark = "" if letter.sender == agency else OTHER_SENDER
            at, place = written_at(letter, record), str(record.place)
            one = In(agency, letter.report_id, letter.kind, at, place, mark, record.value)
            self._keep(one, self._digest(letter))

    def _take_unreadable(self, record: Record) -> None:
        """At the intake it is a report until a person has looked (R19 fails open); a reporter has nothing to see."""
        if self._config.intake:
            letter, agency = stand_in(record), sender_of(record.topic)
            place, at = str(record.place), record.timestamp
            self._keep(
                In(agency, letter.report_id, letter.kind, at, place, NO_LETTER, record.value), record.value
            )

    def _keep(self, one: In, said: bytes) -> None:
        self._box.take(one, self._config.keys[-1].mac(b"digest", said))

    def _digest(self, letter: Letter) -> bytes:
        """What it says, so that a letter sealed anew is the same one; what does not open is told apart by its bytes."""
        plain = opened(self._config, letter)
        return b"%d|" % letter.up_to + (letter.box if plain is None else plain)


def opened(config: DangerConfig, letter: Letter) -> bytes | None:
    """What a letter says, by whichever key of this office opens it."""
    return next(
        (plain for key in config.keys if (plain := key.open(letter.box, letter.header)) is not None), None
    )
