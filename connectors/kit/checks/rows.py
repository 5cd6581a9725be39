"""Rows and values: what is read is what stands there, each once, and as it is."""

from datetime import timedelta

from connectors.kit.bench import CANARY, evening, families
from connectors.kit.checks.case import (
    MANY,
    SIZE,
    Case,
    names_at_the_end,
    names_that_may_leave,
    read,
    taken,
)
from connectors.kit.trial import COLUMNS
from connectors.pipeline.mapping.mapped import Unmapped
from connectors.pipeline.mapping.mapper import Mapper
from hub.errors import DataError


def records_match_schema(case: Case) -> str:
    """Every row has its mapped columns, a place, a version and a hash, and becomes events without fault."""
    with case.bench() as bench:
        bench.write(families(SIZE), 0)
        rows, config = read(bench), bench.config()
        mapper = Mapper(bench.key, config.agency_kind, config.streams)
        assert len(rows) == SIZE + SIZE // 2, "every row is read"
        for row in rows:
            wanted = config.streams[row.stream].columns
            assert wanted <= set(row.values), f"{row.stream}: columns are missing"
            assert row.version > 0, "a version is microseconds since 1970, or a rising number"
            assert row.content, "a row that is there has a hash of its content"
            assert row.place, "a row has a place"
            assert CANARY not in f"{row.place} {row!r}", "a place says nothing of the content"
            assert not [e for e in mapper.events(row, {}) if isinstance(e, Unmapped)], (
                "a value came otherwise"
            )
    return f"{len(rows)} rows"


def keys_are_unique(case: Case) -> str:
    """No key twice in a reading, the same keys in every reading, and no content hash for two contents."""
    with case.bench() as first, case.bench() as second:
        for bench in (first, second):
            bench.write(families(SIZE), 0)
        one, other = read(first), read(second)
        keys = [(row.stream, row.key) for row in one]
        assert len(keys) == len(set(keys)), "a key came twice"
        assert set(keys) == {(row.stream, row.key) for row in other}, "keys differ between readings"
        hashes = {row.content for row in one}
        assert len(hashes) == len(one), "rows that differ have one hash"
        assert hashes == {row.content for row in other}, "equal rows have different hashes"
    return ""


def late_and_equal_times(case: Case) -> str:
    """Many rows of one time over batch edges, and one that is committed late: none is missed."""
    with case.bench(batch=2) as bench:
        bench.write(families(SIZE), 0)
        with bench.life() as connector:
            assert bench.step(connector, evening(0)).read == SIZE + SIZE // 2, "equal times: a row was missed"
            late = families(SIZE + 1)
            bench.write(late, 1, stamped=evening(0) - timedelta(minutes=30))
            assert bench.step(connector, evening(1)).read >= 1, "what was committed late was missed"
        assert names_at_the_end(bench) == names_that_may_leave(late), "not everybody arrived"
    return ""


def deletions(case: Case) -> str:
    """What is deleted is said to be gone, once, and is not among what is there any more."""
    with case.bench() as bench:
        bench.write(families(MANY), 0)
        bench.all(0)
        bench.write(families(MANY - 1), 1)
        with bench.source() as (source, state):
            assert not source.refresh(evening(1)), "a deletion is no incident"
            alive = [row for row in source.control(["people"]).rows if not row.gone]
            gone = [row for row in taken(source, state) if row.gone]
            assert len(gone) == 1, f"one row was deleted, {len(gone)} are said to be gone"
            assert len({row.key for row in alive}) < MANY, "the deleted row still counts"
            assert not [r for r in source.subjects([f"P{MANY - 1:07d}"]) if not r.gone], "it is still there"
            source.finished()
        assert not read(bench, day=1), "it is said to be gone twice"
    return ""


def duplicate_and_empty_runs(case: Case) -> str:
    """Nothing new sends nothing: the same again, the same written again, and an empty system."""
    with case.bench() as bench:
        bench.write({name: [] for name in COLUMNS}, 0)
        assert sum(report.events for report in bench.all(0)) == 0, "an empty system says something"
        bench.write(families(SIZE), 1)
        assert sum(report.published for report in bench.all(1)), "nothing arrived"
        before = bench.facts()
        assert sum(report.events for report in bench.all(1)) == 0, "the same again was sent"
        bench.write(families(SIZE), 2)
        assert sum(report.events for report in bench.all(2)) == 0, "the same content, written again, was sent"
        assert bench.facts() == before, "something arrived twice"
    return ""


def awkward_values(case: Case) -> str:
    """Umlauts, quotes, 1900, an hour that comes twice arrive exactly; one that never comes waits; NUL arrives or is
    refused."""
    tables = families(SIZE + 2)
    names = ["Žaneta Müßig-Çelik", 'O"Hara; Groß, sen.', "Ä" * 30]
    for n, name in enumerate(names, start=1):
        tables["people"][2 * n]["name"] = name
    oldest = tables["people"][0]
    oldest["born"] = "1900-01-01"  # nobody signs alone at that age, so only the date is looked for
    tables["people"][2]["since"] = "2026-10-25 02:30:00"
    never = tables["people"][SIZE]
    never["since"] = "2026-03-29 02:30:00"
    with case.bench() as bench:
        bench.write(tables, 0)
        bench.all(0)
        expected = names_that_may_leave(tables) - {repr(oldest["name"]), repr(never["name"])}
        assert names_at_the_end(bench) == expected, "a name did not arrive as it is"
        assert bench.waiting(), "an hour that never comes does not wait"
        assert any("datetime.date(1900, 1, 1)" in fact.content for fact in bench.facts()), "1900 was lost"
    return _nul(case)


def _nul(case: Case) -> str:
    tables = families(2)
    tables["people"][0]["name"] = "vor\0nach"
    with case.bench() as bench:
        try:
            bench.write(tables, 0)
        except ValueError:
            return "NUL: the system holds none"
        try:
            bench.all(0)
        except DataError:
            return "NUL: refused"
        if names_at_the_end(bench) == names_that_may_leave(tables):
            return "NUL: arrives"
        assert bench.waiting(), "NUL: the name neither arrived nor waits"
        assert not names_at_the_end(bench), "NUL: the name was cut"
    return "NUL: waits in quarantine"
