"""What a connector remembers is found for many keys at once as for one."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from connectors.contract import Row
from connectors.pipeline.state.state import AT_ONCE, Published, State

MANY = 2 * AT_ONCE + 1


def hashed(key: str) -> bytes:
    return sha256(key.encode()).digest()[:16]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "state.sqlite", hashed)
    yield state
    state.close()


def test_rows_read_before(state: State) -> None:
    rows = [Row("a", f"k{n}", "", {}, n, b"c%d" % n) for n in range(MANY)]
    with state.transaction():
        state.advance("a", rows, None, set())
        state.advance("b", [rows[0]._replace(content=b"other")], None, set())
    asked = [row.key for row in rows] + ["k1", "unknown"]
    assert state.seen("a", asked) == {hashed(row.key): (row.content, row.version) for row in rows}
    assert state.seen("b", asked) == {hashed("k0"): (b"other", 0)}
    assert state.seen("a", []) == {}


def test_publications(state: State) -> None:
    entries = [
        Published(b"r%d" % n, f"p{n}", n, 1, b"w", frozenset({"x"}), frozenset(), n, sent=True)
        for n in range(MANY)
    ]
    with state.transaction():
        state.save_published(entries)
    found = state.published([b"none", *(entry.record_ref for entry in reversed(entries))])
    assert found == {entry.record_ref: entry for entry in entries}


def test_signatures(state: State) -> None:
    signed = {f"p{n}": b"s%d" % n for n in range(MANY)}
    with state.transaction():
        state.save_signatures(signed)
    assert state.signatures(iter(["nobody", *signed])) == signed
