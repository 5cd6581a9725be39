"""Whether a report waits too long for its acknowledgement, told by the headers of both topics. No key is needed.

The third watcher beside reporter and intake: it sees when both of their machines are down. It says which intake is late
and nothing else: no number, no report, no time.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from hub.danger.letter import (
    NOTHING_SEEN,
    REPORTED,
    Letter,
    answers_topic,
    decode,
    reports_topic,
    stand_in,
    written_at,
)
from hub.domain.clock import moment
from hub.ports import EventLog, Record

_AT_ONCE = 1000


class Watch:
    """Follows the danger topics of these agencies (id → kind); cheap to ask again, for it goes on where it stood."""

    def __init__(self, log: EventLog, agencies: Mapping[str, str]) -> None:
        self._log, self._intakes = log, {name for name, kind in agencies.items() if kind == "youth_welfare"}
        self._topics = {answers_topic(name) for name in self._intakes}
        self._topics |= {reports_topic(name) for name in agencies.keys() - self._intakes}
        self._positions: dict[str, tuple[str, dict[int, int]]] = {}
        self._waiting: dict[
            tuple[bytes, int], tuple[str, datetime]
        ] = {}  # report and letter's time → intake, since
        self._seen: dict[bytes, int] = {}  # report → up to which letter

    def overdue(self, now: datetime, minutes: float) -> Mapping[str, bool]:
        """Intake → whether one of its reports waits longer than this; raises ServiceUnavailable."""
        for state in self._log.state(sorted(self._topics)).values():
            topic_id, positions = self._positions.get(state.name, (state.topic_id, dict(state.first)))
            outside = any(not state.first[part] <= at <= state.end[part] for part, at in positions.items())
            if topic_id != state.topic_id or outside:
                positions = dict(state.first)
            while any(positions[part] < end for part, end in state.end.items()):
                records = self._log.read(state.name, positions, _AT_ONCE)
                if not records:
                    break
                self._note(records)
                positions |= {record.partition: record.offset + 1 for record in records}
            self._positions[state.name] = (state.topic_id, positions)
        late = {to for to, since in self._waiting.values() if now - since > timedelta(minutes=minutes)}
        return {name: name in late or "" in late for name in sorted(self._intakes)}

    def _note(self, records: Iterable[Record]) -> None:
        for record in records:
            letter = decode(record.value) or stand_in(record)
            if letter.kind == REPORTED:
                self._wait(letter, record)
            else:
                seen = self._seen[letter.report_id] = max(
                    letter.up_to, self._seen.get(letter.report_id, NOTHING_SEEN)
                )
                over = [one for one in self._waiting if one[0] == letter.report_id and one[1] <= seen]
                for one in over:
                    del self._waiting[one]

    def _wait(self, letter: Letter, record: Record) -> None:
        if letter.at > self._seen.get(letter.report_id, NOTHING_SEEN):
            to = letter.recipient if letter.recipient in self._intakes else ""
            self._waiting[letter.report_id, letter.at] = (to, moment(written_at(letter, record)))
