"""What changed since the last snapshot, by keyed hashes in the connector's own state: no row is kept."""

from collections.abc import Iterable, Iterator
from sqlite3 import IntegrityError
from typing import NamedTuple

from connectors.pipeline.state.state import State

INSERT = "INSERT INTO incoming VALUES (?, ?, ?, ?)"


def beyond(gone: int, before: int, share: float, rows: int) -> bool:
    """Whether so many of a table's rows vanished that a person must say that it is true: more than `rows` and than this
    share of them, or all of several, for a load that failed looks like that."""
    return gone > before * share and (gone > rows or gone == before > 1)


class Incoming(NamedTuple):
    """A row of the new snapshot: where it stands, and hashes of key and content."""

    stream: str
    line: int
    key: bytes
    content: bytes


class Diff:
    """The new snapshot's hashes in a temporary table beside those that were read before (`seen`)."""

    def __init__(self, state: State) -> None:
        self._state, self._db, self._unique = state, state.db, False

    def load(self, rows: Iterable[Incoming]) -> None:
        """Take a stream's rows in, as they come."""
        self._db.executemany(INSERT, rows)

    def clear(self) -> None:
        """Begin with a new snapshot."""
        with self._state.transaction():
            self._db.execute("DROP TABLE IF EXISTS temp.incoming")
            self._db.execute("DROP TABLE IF EXISTS temp.changed")
            self._db.execute("DROP TABLE IF EXISTS temp.contradicted")
            self._db.execute("CREATE TEMP TABLE incoming (stream TEXT, line INTEGER, key BLOB, content BLOB)")
            self._db.execute("CREATE TEMP TABLE contradicted (stream TEXT, key BLOB)")

    def index(self) -> None:
        """After loading: find changes fast. Inside the caller's transaction."""
        index = "INDEX temp.by_key ON incoming (stream, key)"
        try:
            self._db.execute(f"CREATE UNIQUE {index}")
            self._unique = True
        except IntegrityError:
            self._db.execute(f"CREATE {index}")
            self._unique = False

    @property
    def is_unique(self) -> bool:
        """Whether no two rows share a key."""
        return self._unique

    def leave_out(self, stream: str) -> None:
        """Nothing of this stream's new snapshot counts."""
        self._db.execute("DELETE FROM incoming WHERE stream = ?", (stream,))

    def rows(self, stream: str) -> int:
        """How many rows there are."""
        query = "SELECT count(*) FROM incoming WHERE stream = ?"
        return int(self._db.execute(query, (stream,)).fetchone()[0])

    def contradicting(self, stream: str) -> tuple[int, int]:
        """How many rows share their key with a row of other content, and the line of the first of them."""
        if self._unique:
            return 0, 0
        query = f"SELECT count(*), min(line) FROM incoming WHERE {_CONTRADICTING}"  # noqa: S608  our own text
        count, line = self._db.execute(query, {"stream": stream}).fetchone()
        return count, line or 0

    def contradictions(self, stream: str) -> dict[int, bytes]:
        """Line → key of those rows, which from now on count under no key: each is renamed (`rename`), and what was
        said of the key before does not vanish."""
        if self._unique:
            return {}
        query = f"SELECT line, key FROM incoming WHERE {_CONTRADICTING}"  # noqa: S608  our own text
        found = dict(self._db.execute(query, {"stream": stream}).fetchall())
        keys = [(stream, key) for key in dict.fromkeys(found.values())]
        self._db.executemany("INSERT INTO contradicted VALUES (?, ?)", keys)
        return found

    def rename(self, stream: str, line: int, key: bytes) -> None:
        """The row counts under this key."""
        self._db.execute("UPDATE incoming SET key = ? WHERE stream = ? AND line = ?", (key, stream, line))

    def leave_out_repeated(self, stream: str) -> list[bytes]:
        """A row that says to the letter what another one says, says nothing; the keys of such rows."""
        if self._unique:
            return []
        query = "SELECT key FROM incoming WHERE stream = ? GROUP BY key HAVING count(*) > 1"
        found = [row[0] for row in self._db.execute(query, (stream,))]
        self._db.execute(_REPEATED, {"stream": stream})
        return found

    def there(self, stream: str, keys: Iterable[bytes]) -> set[bytes]:
        """Those of these keys that some row has."""
        query = "SELECT 1 FROM incoming WHERE stream = ? AND key = ?"
        return {key for key in keys if self._db.execute(query, (stream, key)).fetchone()}

    def known(self, stream: str) -> int:
        """How many keys were known before."""
        count = f"SELECT count(*) FROM ({_KNOWN})"  # noqa: S608  our own text
        return int(self._db.execute(count, {"stream": stream}).fetchone()[0])

    def find_changes(self) -> None:
        """Fix the list of lines to read; what is read meanwhile does not shorten it."""
        with self._state.transaction():
            self._db.execute("DROP TABLE IF EXISTS temp.changed")
            self._db.execute(
                """CREATE TEMP TABLE changed AS SELECT i.stream, i.line, i.content FROM incoming i
                LEFT JOIN seen s ON s.stream = i.stream AND s.key = i.key
                WHERE s.content IS NULL OR s.content <> i.content"""
            )
            self._db.execute("CREATE INDEX temp.by_line ON changed (stream, line)")

    def changes(self, stream: str, page: int = 1000) -> Iterator[tuple[int, bytes]]:
        """Line and content hash of new and changed rows, in order."""
        last = 0
        query = "SELECT line, content FROM changed WHERE stream = ? AND line > ? ORDER BY line LIMIT ?"
        while rows := self._db.execute(query, (stream, last, page)).fetchall():
            yield from rows
            last = rows[-1][0]

    def vanished(self, stream: str) -> list[bytes]:
        """Key hashes of the rows that are no longer there."""
        return [row[0] for row in self._db.execute(f"SELECT s.key {_VANISHED}", {"stream": stream})]


_KNOWN = """SELECT key FROM seen WHERE stream = :stream UNION
    SELECT key FROM quarantine WHERE stream = :stream AND key <> x''"""
"""What waits in quarantine may have been published before it could not be read."""

_VANISHED = f"""FROM ({_KNOWN}) s
    WHERE NOT EXISTS (SELECT 1 FROM incoming i WHERE i.stream = :stream AND i.key = s.key)
    AND s.key NOT IN (SELECT key FROM contradicted WHERE stream = :stream)"""  # noqa: S608  our own text

_CONTRADICTING = """stream = :stream AND key IN (
    SELECT key FROM incoming WHERE stream = :stream GROUP BY key HAVING count(DISTINCT content) > 1)"""

_REPEATED = """DELETE FROM incoming WHERE stream = :stream AND EXISTS (
    SELECT 1 FROM incoming other
    WHERE other.stream = :stream AND other.key = incoming.key AND other.line < incoming.line)"""
