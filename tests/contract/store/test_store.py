"""One suite for the store on both databases: what goes in comes out, and nothing of it in an error."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from hub.errors import DataError, ServiceUnavailable, TopicRecreated
from hub.ports import RecordPosition
from hub.store import Store, admissions, meta, positions, quarantines, subjects, views
from hub.store.admissions import DecisionRow, HeldEvent
from hub.store.bulk import COPY_FROM, add, among, merge, values
from hub.store.quarantines import QuarantinedRecord
from hub.store.tables import dirty, held, quarantine, subject
from projections.consent_register.tables import ON_CONFLICT, consent_row

NUMBERS = [1, COPY_FROM - 1, COPY_FROM, 3 * COPY_FROM]
ODD = "ä\t\\N 'x' \"y\" €\n%s"


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = Store(
        request.getfixturevalue("store_url")
        if request.param == "postgres"
        else f"sqlite:///{tmp_path / 's.db'}"
    )
    made.create([consent_row])
    yield made
    made.close()


def _row(number: int, **change: Any) -> tuple[Any, ...]:
    row = {
        "generation": 1,
        "event_id": f"{number:032x}",
        "publication": 1,
        "record_ref": ODD,
        "source_version": 2**62,
        "subject": "a:p",
        "case_key": "a:f",
        "event_type": "X",
        "consent_id": None,
        "occurred_at": -1,
        "received_at": 0,
        "valid_from": None,
        "valid_until": None,
        "scope": ODD,
        "envelope": bytes(range(256)),
    }
    return tuple((row | change).values())


@pytest.mark.parametrize("number", NUMBERS)
def test_rows_come_out_as_they_went_in(store: Store, number: int) -> None:
    rows = [_row(n) for n in range(number)]
    with store.transaction() as connection:
        merge(connection, consent_row, rows, ON_CONFLICT)
        merge(connection, consent_row, rows, ON_CONFLICT)
    with store.transaction() as connection:
        found = connection.execute(select(consent_row).order_by(consent_row.c.event_id)).all()
    assert [tuple(row) for row in found] == rows


@pytest.mark.parametrize("number", NUMBERS)
def test_only_a_higher_publication_of_the_same_subject_replaces(store: Store, number: int) -> None:
    with store.transaction() as connection:
        merge(connection, consent_row, [_row(n, publication=2) for n in range(number)], ON_CONFLICT)
        for change in ({"publication": 1}, {"publication": 3, "subject": "b:p"}):
            merge(
                connection,
                consent_row,
                [_row(n, envelope=b"no", **change) for n in range(number)],
                ON_CONFLICT,
            )
        assert {bytes(row.envelope) for row in connection.execute(select(consent_row))} == {bytes(range(256))}
        merge(
            connection,
            consent_row,
            [_row(n, publication=3, envelope=b"yes") for n in range(number)],
            ON_CONFLICT,
        )
        assert {
            (row.publication, bytes(row.envelope)) for row in connection.execute(select(consent_row))
        } == {(3, b"yes")}


@pytest.mark.parametrize("number", NUMBERS)
def test_rows_that_should_be_new_are_merged_when_one_is_not(store: Store, number: int) -> None:
    with store.transaction() as connection:
        add(connection, consent_row, [_row(n, envelope=b"old") for n in range(number)], ON_CONFLICT)
    with store.transaction() as connection:
        add(
            connection,
            consent_row,
            [_row(n, publication=2) for n in range(number - 1, 2 * number)],
            ON_CONFLICT,
        )
        found = connection.execute(select(consent_row.c.event_id, consent_row.c.publication)).all()
    assert {row.event_id: row.publication for row in found} == {
        f"{n:032x}": 1 if n < number - 1 else 2 for n in range(2 * number)
    }
    assert len(found) == 2 * number


@pytest.mark.parametrize(
    "keys", [[], [""], ["a"], ["a", "b,c"], [ODD, 'a"', '\\"', "{}", "NULL", " "], ['","']]
)
def test_any_text_may_be_looked_for(store: Store, keys: list[str]) -> None:
    rows = [_row(n, subject=key) for n, key in enumerate([*keys, "another"])]
    with store.transaction() as connection:
        merge(connection, consent_row, rows, ON_CONFLICT)
        wanted = select(consent_row.c.subject).where(among(connection, consent_row.c.subject))
        found = connection.execute(wanted, {"keys": values(connection, keys)}).scalars().all()
    assert sorted(found) == sorted(keys)


@pytest.mark.parametrize("number", NUMBERS)
def test_truth_values_and_reserved_words(store: Store, number: int) -> None:
    with store.transaction() as connection:
        subjects.register(connection, [(f"a:p_{n}", "a:f_1") for n in range(number)])
        assert {(row.linked, row.split) for row in connection.execute(select(subject))} == {(False, False)}
        bad = [QuarantinedRecord(RecordPosition("t", 0, n), f"lane {n}", "why") for n in range(number)]
        quarantines.put(connection, "admit", bad, 5)
        quarantines.put(connection, "admit", bad, 6)
        assert {(row.at, row.released) for row in connection.execute(select(quarantine))} == {(5, False)}
        rows = [
            HeldEvent(f"{n}", 1, "a:p_0", 0, n, "why", "t", 0, n, b"\x00k", b"\x00v") for n in range(number)
        ]
        admissions.save_held(connection, rows)
        assert sorted(admissions.moved(connection, 10**6), key=lambda row: row.since) == rows
        admissions.let_go(connection, rows)
        assert connection.execute(select(held)).all() == []


def test_an_admission_is_never_taken_back(store: Store) -> None:
    def row(outcome: str) -> DecisionRow:
        return DecisionRow("e", 1, outcome, "", "v", 1, 1, "t", 0, 0)

    with store.transaction() as connection:
        for outcome in ("withheld", "admitted", "withheld"):
            admissions.save_decisions(connection, [row(outcome)])
        assert admissions.admitted(connection, ["e", "f"]) == {("e", 1)}


@pytest.mark.parametrize("number", [0, 1, 40_000])
def test_any_number_of_keys_may_be_asked_for(store: Store, number: int) -> None:
    with store.transaction() as connection:
        subjects.register(connection, [("a:p_1", "a:f_1")])
        wanted = select(subject.c.key).where(among(connection, subject.c.key))
        keys = [f"a:p_{n}" for n in range(1, number + 1)]
        found = connection.execute(wanted, {"keys": values(connection, keys)}).scalars().all()
    assert list(found) == (["a:p_1"] if number else [])


def test_an_exception_rolls_everything_back(store: Store) -> None:
    def fail() -> None:
        with store.transaction() as connection:
            meta.put(connection, "x", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.transaction() as connection:
        assert meta.get(connection, "x") is None


@pytest.mark.parametrize("number", [1, COPY_FROM])
def test_errors_come_as_one_of_ours_without_values(store: Store, number: int) -> None:
    """Also those of statements that go past SQLAlchemy, which would name the key or the line."""
    secret = "geheim"
    rows = [_row(n, subject=None, scope=secret, record_ref=secret) for n in range(number)]
    with pytest.raises(DataError) as caught, store.transaction() as connection:
        merge(connection, consent_row, rows, ON_CONFLICT)
    assert secret not in f"{caught.value!r}{caught.value}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    with pytest.raises(ServiceUnavailable) as other, store.transaction() as connection:
        connection.execute(text("SELECT * FROM nowhere WHERE x = :x"), {"x": secret})
    assert secret not in f"{other.value!r}{other.value}"


def test_a_store_that_cannot_be_opened_is_a_service_that_is_away(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'nowhere' / 's.db'}")
    with pytest.raises(ServiceUnavailable, match="unable to open database file"):
        store.create([consent_row])
    store.close()


def test_positions_rise_and_name_their_topic(store: Store) -> None:
    with store.transaction() as connection:
        assert positions.lock(connection, "s", "t", "id", 0) == 0
        positions.save(connection, "s", "t", "id", {0: 7, 1: 3})
        positions.save(connection, "s", "t", "id", {0: 5})
        assert positions.load(connection, "s", "t") == {0: ("id", 7), 1: ("id", 3)}
        assert positions.lock(connection, "s", "t", "id", 0) == 7
    with pytest.raises(TopicRecreated), store.transaction() as connection:
        positions.lock(connection, "s", "t", "another", 0)


def test_marks_keep_their_age_and_lose_their_number(store: Store) -> None:
    with store.transaction() as connection:
        subjects.mark_dirty(connection, ["b", "a"], 5)
        first = views.marks(connection, 10)
        subjects.mark_dirty(connection, ["a"], 9)
        views.clear(connection, first)
        (left,) = views.marks(connection, 10)
        assert (left.case_key, left.since) == ("a", 5)
        subjects.mark_dirty(connection, ["c"], 99, urgent=True)
        assert [mark.case_key for mark in views.marks(connection, 1)] == ["c"]
        assert len(connection.execute(select(dirty)).all()) == 2


def test_epochs_rise_for_everybody_concerned_and_nobody_else(store: Store) -> None:
    with store.transaction() as connection:
        subjects.register(connection, [("a:p_1", "a:f_1"), ("a:p_2", "a:f_1"), ("a:p_9", "a:f_9")])
        assert subjects.newcomers(
            connection, [("a:p_1", "a:f_1"), ("a:p_1", "a:f_2"), ("a:p_3", "a:f_1")]
        ) == {
            "a:p_1",
            "a:p_3",
        }
        assert subjects.raise_epochs(connection, ["a:p_1"], 1) == 3
        epochs = {
            key: state.epoch
            for key, state in subjects.states(connection, ["a:p_1", "a:p_2", "a:p_9"]).items()
        }
        assert epochs == {"a:p_1": 2, "a:p_2": 2, "a:p_9": 1}


def test_endings_are_cleared_under_the_number_that_was_read(store: Store) -> None:
    with store.transaction() as connection:
        subjects.mark_ending(connection, ["a:p_1"])
        read = subjects.endings(connection)
        subjects.mark_ending(connection, ["a:p_1"])
        subjects.clear_endings(connection, read)
        again = subjects.endings(connection)
        assert len(again) == 1
        subjects.clear_endings(connection, again)
        assert subjects.endings(connection) == []


REFUSED_VALUES: dict[str, tuple[Any, ...]] = {
    "beyond int8": ("a:x", "p", False, False, 2**63, 0),
    "far beyond": ("a:x", "p", False, False, 10**40, 0),
    "missing": ("a:x", None, False, False, 0, 0),
    "lone surrogate": ("a:x\ud800", "p", False, False, 0, 0),
}


@pytest.mark.parametrize("number", [1, COPY_FROM])
@pytest.mark.parametrize("name", REFUSED_VALUES)
def test_a_value_that_the_database_refuses_is_no_outage(store: Store, name: str, number: int) -> None:
    rows = [*((f"a:{n}", "p", False, False, 0, 0) for n in range(number - 1)), REFUSED_VALUES[name]]
    with pytest.raises(DataError) as caught, store.transaction() as connection:
        merge(connection, subject, rows, "DO NOTHING")
    assert caught.value.reason == "refused_by_store"
    assert "a:x" not in f"{caught.value!r}{caught.value}"


@pytest.mark.parametrize("number", [1, COPY_FROM])
@pytest.mark.parametrize("key", ["a:x\0", "a:x" + "".join(f"{n:x}" for n in range(100_000))])
def test_a_text_that_postgresql_refuses_is_no_outage(store_url: str, key: str, number: int) -> None:
    """A NUL, and a key longer than an index row may be, which PostgreSQL says in the class of its limits."""
    store = Store(store_url)
    store.create([consent_row])
    rows = [*((f"a:{n}", "p", False, False, 0, 0) for n in range(number - 1)), (key, "p", False, False, 0, 0)]
    with pytest.raises(DataError), store.transaction() as connection:
        merge(connection, subject, rows, "DO NOTHING")
    with pytest.raises(DataError), store.transaction() as connection:
        connection.execute(
            insert(subject).values(key=key, person="p", linked=False, split=False, changed_at=0, epoch=0)
        )
    store.close()


def test_a_missing_table_is_an_outage(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute(text("DROP TABLE held"))
    with pytest.raises(ServiceUnavailable), store.transaction() as connection:
        connection.execute(select(held))
