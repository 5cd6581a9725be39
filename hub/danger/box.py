"""An office's letters: what goes out and what came in, in one SQLite file of its own, sealed as they travel.

What is in here survives a crash at any moment: a letter is written before it is sent, and sent again until the log
confirmed it. The same letter is kept once, however often it comes, and so is one that says nothing new; a letter that
says something else than the newest of its report is kept beside it.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from connectors.pipeline.state.sqlite_files import open_file
from hub.danger.letter import Letter, decode
from hub.errors import ServiceUnavailable
from hub.ports import TopicState

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS outgoing (
        number INTEGER PRIMARY KEY, topic TEXT NOT NULL, key BLOB NOT NULL, report_id BLOB NOT NULL, kind TEXT NOT NULL,
        at INTEGER NOT NULL, digest BLOB NOT NULL, value BLOB NOT NULL, sent_at INTEGER)""",
    """CREATE TABLE IF NOT EXISTS incoming (
        number INTEGER PRIMARY KEY, agency TEXT NOT NULL, report_id BLOB NOT NULL, kind TEXT NOT NULL,
        at INTEGER NOT NULL, place TEXT NOT NULL, digest BLOB NOT NULL, mark TEXT NOT NULL, value BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS position (
        topic TEXT, part INTEGER, topic_id TEXT NOT NULL, following INTEGER NOT NULL, PRIMARY KEY (topic, part))""",
    """CREATE TABLE IF NOT EXISTS refused (
        number INTEGER PRIMARY KEY, at INTEGER NOT NULL, tries INTEGER NOT NULL, cause TEXT NOT NULL)""",
)
_PUT = """INSERT INTO outgoing (topic, key, report_id, kind, at, digest, value) SELECT ?, ?, ?, ?, ?, ?, ?
    WHERE ifnull((SELECT digest FROM outgoing WHERE report_id = ? AND kind = ?
        ORDER BY number DESC LIMIT 1), x'') <> ?"""
_TAKE = """INSERT INTO incoming (agency, report_id, kind, at, place, digest, mark, value) SELECT ?, ?, ?, ?, ?, ?, ?, ?
    WHERE NOT EXISTS (SELECT 1 FROM incoming WHERE agency = ? AND report_id = ? AND kind = ? AND value = ?
        AND (value <> x'' OR place = ?))
    AND ifnull((SELECT digest FROM incoming WHERE agency = ? AND report_id = ? AND kind = ?
        ORDER BY number DESC LIMIT 1), x'') <> ?"""
_REFUSED = """INSERT INTO refused VALUES (?, ?, 1, ?)
    ON CONFLICT (number) DO UPDATE SET at = excluded.at, tries = tries + 1, cause = excluded.cause"""
_FORGET_REFUSALS = "DELETE FROM refused WHERE number IN (SELECT number FROM outgoing WHERE report_id = ?)"
_OUT = "number, topic, key, report_id, kind, at, value, sent_at"
_IN = "agency, report_id, kind, at, place, mark, value"


class Out(NamedTuple):
    """A letter of this office; `sent_at` None while the log has not confirmed it."""

    number: int
    topic: str
    key: bytes
    report_id: bytes
    kind: str
    at: int
    value: bytes
    sent_at: int | None

    @property
    def letter(self) -> Letter | None:
        """None when the file was damaged; the letter goes out as it is, for the intake shows what it cannot read."""
        return decode(self.value)


class Refusal(NamedTuple):
    """A letter that the log has not taken: when that was tried last, how often, and why not."""

    number: int
    at: int
    tries: int
    cause: str


class In(NamedTuple):
    """A letter of another office as it came; `agency` is whose topic it stood on, `at` when it was written or arrived,
    whichever is earlier, and `mark` what was wrong with it outside its box."""

    agency: str
    report_id: bytes
    kind: str
    at: int
    place: str
    mark: str
    value: bytes

    @property
    def written_at(self) -> int:
        """The sender's own time; when it arrived, for what is no letter."""
        letter = decode(self.value)
        return letter.at if letter else self.at

    @property
    def up_to(self) -> int:
        letter = decode(self.value)
        return letter.up_to if letter else 0


class LetterBox:
    """Raises ServiceUnavailable when the file cannot be used. Several processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_file(path, *_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        try:
            with self._db:
                yield
        except sqlite3.Error as error:
            raise self._unavailable(error) from None

    def put(self, topic: str, key: bytes, letter: Letter, digest: bytes, value: bytes) -> bool:
        """Keep a letter to be sent; False when the newest of its report and kind says the same (`digest`)."""
        row = (topic, key, letter.report_id, letter.kind, letter.at, digest, value)
        return self._write(_PUT, (*row, letter.report_id, letter.kind, digest)) > 0

    def waiting(self) -> list[Out]:
        """What the log has not confirmed, the oldest first."""
        return self._outgoing("sent_at IS NULL ORDER BY number")

    def refusals(self) -> Mapping[int, Refusal]:
        """Number of a waiting letter → its last refusal."""
        rows = self._read("SELECT number, at, tries, cause FROM refused ORDER BY number")
        return {row[0]: Refusal(*row) for row in rows}

    def refused(self, number: int, at: int, cause: str) -> None:
        """The log did not take this letter."""
        self._write(_REFUSED, (number, at, cause))

    def written(self, *kinds: str) -> list[Out]:
        """This office's letters of these kinds, the oldest first."""
        return self._outgoing("kind IN (SELECT value FROM json_each(?)) ORDER BY number", json.dumps(kinds))

    def sent(self, number: int, at: int) -> None:
        with self.transaction():
            self._db.execute("UPDATE outgoing SET sent_at = ? WHERE number = ?", (at, number))
            self._db.execute("DELETE FROM refused WHERE number = ?", (number,))

    def take(self, one: In, digest: bytes) -> None:
        """Keep a letter that came, unless it is here or says the same as the newest of its report (`digest`); inside
        the caller's transaction."""
        row, which = (*one[:5], digest, *one[5:]), (one.agency, one.report_id, one.kind)
        self._db.execute(_TAKE, (*row, *which, one.value, one.place, *which, digest))

    def received(self, *kinds: str) -> list[In]:
        """Others' letters of these kinds, in the order in which they came."""
        wanted = f"SELECT {_IN} FROM incoming WHERE kind IN (SELECT value FROM json_each(?)) ORDER BY number"  # noqa: S608
        return [In(*row) for row in self._read(wanted, json.dumps(kinds))]

    def times(self) -> Sequence[tuple[bytes, int]]:
        """Report and time of every letter."""
        return [
            (row[0], row[1])
            for row in self._read(
                "SELECT report_id, at FROM outgoing UNION ALL SELECT report_id, at FROM incoming"
            )
        ]

    def positions(self, topic: str) -> Mapping[int, tuple[str, int]]:
        """Partition → topic id and next offset, as far as it was read."""
        rows = self._read("SELECT part, topic_id, following FROM position WHERE topic = ?", topic)
        return {part: (topic_id, following) for part, topic_id, following in rows}

    def stand_at(self, state: TopicState, positions: Mapping[int, int]) -> None:
        """Remember how far a topic was read; inside the caller's transaction."""
        rows = [(state.name, part, state.topic_id, following) for part, following in positions.items()]
        self._db.executemany("INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?)", rows)

    def forget(self, report_ids: Iterable[bytes]) -> None:
        """Remove all letters of these reports."""
        ids = [(one,) for one in report_ids]
        self._read("PRAGMA secure_delete = ON")
        with self.transaction():
            self._db.executemany(_FORGET_REFUSALS, ids)
            self._db.executemany("DELETE FROM outgoing WHERE report_id = ?", ids)
            self._db.executemany("DELETE FROM incoming WHERE report_id = ?", ids)

    def close(self) -> None:
        self._db.close()

    def _outgoing(self, condition: str, *values: str) -> list[Out]:
        wanted = f"SELECT {_OUT} FROM outgoing WHERE {condition}"  # noqa: S608  our own words
        return [Out(*row) for row in self._read(wanted, *values)]

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._unavailable(error) from None

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        with self.transaction():
            return self._db.execute(statement, values).rowcount

    def _unavailable(self, error: sqlite3.Error) -> ServiceUnavailable:
        cause = f"cannot be used ({type(error).__name__})"
        return ServiceUnavailable(cause, place=self._path.name, remedy="check disk and permissions")
