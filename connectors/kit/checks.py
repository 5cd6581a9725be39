"""The sixteen checks. Each takes a `Case` that makes benches, asserts what it promises, and returns a figure or ""."""

import copy
import io
import logging
import re
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from connectors.kit.bench import CANARY, Bench, Candidate, evening, families
from connectors.kit.trial import COLUMNS, Tables
from connectors.runtime.mapping import Mapper, Unmapped
from connectors.runtime.ports import Row, Source
from connectors.runtime.state import State
from hub.errors import DataError, HubError, ServiceUnavailable

FAIL_POINTS = (
    "connector.before_publish", "connector.after_publish", "connector.after_save", "connector.after_republish",
)  # fmt: skip
SPEAKS = re.compile(r"passw|secret|token|pwd|_key$")
PLANTED = "zzplantedsecretzz"
SIZE, MANY = 8, 40  # one of 40 may vanish without a question


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@dataclass
class Case:
    """Makes as many benches as a check needs, each in a folder of its own. `rows`: how many the large reading has."""

    candidate: Candidate
    folder: Path
    rows: int
    _made: int = 0

    @contextmanager
    def bench(self, *, batch: int = 3) -> Iterator[Bench]:
        self._made += 1
        bench = Bench(self.candidate, self.folder / str(self._made), batch=batch)
        try:
            yield bench
        finally:
            bench.close()


def spec_and_secrets(case: Case) -> str:
    """The spec names every setting, and marks those that are secret; what is marked is never shown."""
    spec = case.candidate.spec
    named = set(re.findall(r"\w+", spec.settings))
    assert spec.role == "source", "the spec's role is source"
    assert re.fullmatch(r"[a-z][a-z0-9_]*", spec.kind), "the kind is a plain name"
    with case.bench() as bench:
        assert named >= set(bench.trial.settings), "the spec names every setting"
        assert named >= set(spec.secrets), "a secret is a setting"
        unmarked = {
            n for n in named - set(spec.secrets) if SPEAKS.search(n) and not n.endswith(("_file", "_env"))
        }
        assert not unmarked, f"{sorted(unmarked)} look like secrets: mark them, or take a file or variable"
        for name in spec.secrets:
            assert PLANTED not in _shown(bench, name), f"the value of {name} is shown"
    return ""


def misconfigurations_found(case: Case) -> str:
    """Ten planted faults of the configuration: each is refused, or stands in the quarantine with its remedy."""
    with case.bench() as bench:
        bench.write(families(2), 0)
        assert not _refused(bench, bench.raw), "the sound configuration is taken"
        for name, raw in _faults(bench.raw).items():
            assert _refused(bench, raw), f"not found: {name}"
    return "10 of 10"


def discovery_is_stable(case: Case) -> str:
    """The same columns every time and in every life, mapped or not."""
    with case.bench() as bench:
        bench.write(families(2), 0)
        found = []
        for _ in range(2):
            with bench.source() as (source, _state):
                source.refresh(evening(0))
                found += [{n: tuple(c) for n, c in source.discover().items()} for _ in range(2)]
        assert all(one == found[0] for one in found), "discovery differs from one time to the next"
        for name, columns in COLUMNS.items():
            assert set(columns) <= set(found[0][name]), f"discovery does not name all columns of {name}"
    return ""


def records_match_schema(case: Case) -> str:
    """Every row has its mapped columns, a place, a version and a hash, and becomes events without fault."""
    with case.bench() as bench:
        bench.write(families(SIZE), 0)
        rows, config = _read(bench), bench.config()
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
        one, other = _read(first), _read(second)
        keys = [(row.stream, row.key) for row in one]
        assert len(keys) == len(set(keys)), "a key came twice"
        assert set(keys) == {(row.stream, row.key) for row in other}, "keys differ between readings"
        hashes = {row.content for row in one}
        assert len(hashes) == len(one), "rows that differ have one hash"
        assert hashes == {row.content for row in other}, "equal rows have different hashes"
    return ""


def resumes_from_every_state(case: Case) -> str:
    """Ended after every single batch and begun anew from what was saved: what arrives is what one reading brings."""
    expected = _uninterrupted(case, families(SIZE))
    with case.bench() as bench:
        bench.write(families(SIZE), 0)
        bench.raw["connector"].update(batch=1, batches_per_step=1)
        lives = 0
        while lives < 10 * SIZE:
            lives += 1
            with bench.life() as connector:
                if not bench.step(connector, evening(0)).more:
                    break
        bench.all(0)
        assert bench.facts() == expected, "what arrived differs from one uninterrupted reading"
    assert lives > SIZE, "the source gives its rows in batches of the size it is asked for"
    return f"{lives} lives"


def killed_at_each_fail_point(case: Case) -> str:
    """Killed before and after publishing, after saving, between two batches: the same events, the same ids."""
    with case.bench() as bench:
        _first_day(bench)
        bench.all(1)
        expected = bench.facts()
    kills = 0
    for point in (*FAIL_POINTS, "reading"):
        before = kills
        for count in (1, 2):
            with case.bench() as bench:
                _first_day(bench)
                kills += _killed(bench, point, count)
                bench.all(1)
                assert bench.facts() == expected, f"killed at {point}, time {count}: other events arrived"
        assert kills > before, f"never came to {point}"
    return f"{kills} kills"


def late_and_equal_times(case: Case) -> str:
    """Many rows of one time over batch edges, and one that is committed late: none is missed."""
    with case.bench(batch=2) as bench:
        bench.write(families(SIZE), 0)
        with bench.life() as connector:
            assert bench.step(connector, evening(0)).read == SIZE + SIZE // 2, "equal times: a row was missed"
            late = families(SIZE + 1)
            bench.write(late, 1, stamped=evening(0) - timedelta(minutes=30))
            assert bench.step(connector, evening(1)).read >= 1, "what was committed late was missed"
        assert _names(bench) == _consented(late), "not everybody arrived"
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
            gone = [row for row in _taken(source, state) if row.gone]
            assert len(gone) == 1, f"one row was deleted, {len(gone)} are said to be gone"
            assert len({row.key for row in alive}) < MANY, "the deleted row still counts"
            assert not [r for r in source.subjects([f"P{MANY - 1:07d}"]) if not r.gone], "it is still there"
            source.finished()
        assert not _read(bench, day=1), "it is said to be gone twice"
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
    """Umlauts, quotes, 1900, both hours of daylight saving arrive exactly; NUL arrives or is refused."""
    tables = families(SIZE)
    names = ["Žaneta Müßig-Çelik", 'O"Hara; sen.', "Ä" * 30, "Groß, Ö."]
    for n, name in enumerate(names):
        tables["people"][2 * n]["name"] = name
    tables["people"][0]["born"] = "1900-01-01"
    tables["people"][2]["since"] = "2026-10-25 02:30:00"
    tables["people"][4]["since"] = "2026-03-29 02:30:00"
    with case.bench() as bench:
        bench.write(tables, 0)
        bench.all(0)
        assert _names(bench) == _consented(tables), "a name did not arrive as it is"
        assert any("datetime.date(1900, 1, 1)" in fact.content for fact in bench.facts()), "1900 was lost"
    return _nul(case)


def source_unchanged(case: Case) -> str:
    """After reading, the system is byte for byte what it was."""
    with case.bench() as bench:
        bench.write(families(SIZE), 0)
        before = bench.trial.content()
        assert before, "the trial shows its content"
        bench.all(0)
        assert bench.trial.content() == before, "reading changed the system"
    return f"{len(before)} bytes"


def source_down(case: Case) -> str:
    """While the system is away nothing is sent and nothing counts as deleted; afterwards all arrives."""
    with case.bench() as bench:
        bench.write(families(SIZE), 0)
        bench.all(0)
        before = bench.facts()
        bench.trial.stop()
        with bench.life() as connector:
            assert _said(bench, connector), "a system that is away is not noticed"
        assert bench.facts() == before, "something was sent while the system was away"
        bench.trial.start()
        more = families(SIZE + 2)
        bench.write(more, 1)
        reports = bench.all(1)
        assert not any(sum(report.vanished.values()) for report in reports), "rows count as deleted"
        assert _names(bench) == _consented(more), "not everybody arrived afterwards"
    return ""


def bounded_memory(case: Case) -> str:
    """Four times the rows need no more than half as much memory again (Python's own, beside 2 MB)."""
    peaks = []
    for rows in (case.rows // 4, case.rows):
        with case.bench(batch=200) as bench:
            bench.write(families(rows), 0)
            with bench.source() as (source, state):
                tracemalloc.start()
                try:
                    source.refresh(evening(0))
                    count = sum(1 for _ in _taken(source, state, limit=200))
                    peaks.append(tracemalloc.get_traced_memory()[1])
                finally:
                    tracemalloc.stop()
            assert count == rows + (rows + 1) // 2, f"{count} rows were read"
    small, large = (peak / 1e6 for peak in peaks)
    assert large < 1.5 * small + 2, f"memory grows with the rows: {small:.1f} MB, {large:.1f} MB"
    return f"{case.rows} rows: {large:.1f} MB"


def no_canary(case: Case) -> str:
    """A planted name is in no log, output, error, quarantine, state file or representation."""
    tables = families(SIZE)
    tables["people"][0]["born"] = f"{CANARY} is no day"
    heard, handler = io.StringIO(), logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(handler)
    try:
        with case.bench() as bench, redirect_stdout(heard), redirect_stderr(heard):
            bench.write(tables, 0)
            told = repr(bench.all(0)) + repr(bench.waiting())
            bench.trial.stop()
            with bench.life() as connector:
                told += _said(bench, connector)
            bench.trial.start()
            files = b"".join(path.read_bytes() for path in bench.folder.glob("state.sqlite*"))
            assert bench.waiting(), "the unreadable row waits in quarantine"
            with bench.source() as (source, _state):
                told += repr(source)
    finally:
        logging.getLogger().removeHandler(handler)
    said = told + heard.getvalue() + handler.stream.getvalue()
    assert CANARY not in said, "a name is in what was said"
    assert CANARY.encode() not in files, "a name is in the state file"
    return ""


def backfill_beside_live(case: Case) -> str:
    """Read from the start again while rows change: the newest counts in the end, and nothing else is sent."""
    tables = families(SIZE)
    with case.bench() as bench:
        bench.write(tables, 0)
        bench.all(0)
        state = State(bench.config().state, lambda _: b"")
        with state.transaction():
            for name in COLUMNS:
                state.restart(name)
        state.close()
        changed = copy.deepcopy(tables)
        changed["people"][2]["name"] = "Neu"
        bench.raw["connector"].update(batch=2, batches_per_step=1)
        with bench.life() as connector:
            report = bench.step(connector, evening(1))
            bench.write(changed, 2)
            while (report := bench.step(connector, evening(2))).more or report.read:
                continue
        bench.all(2)
        assert _names(bench) == _consented(changed), "the newest does not count"
        again = len(bench.facts()) - len(bench.newest())
        assert again == 1, f"one record changed, {again} publications came beside the first ones"
    return ""


CHECKS: tuple[Callable[[Case], str], ...] = (
    spec_and_secrets, misconfigurations_found, discovery_is_stable, records_match_schema, keys_are_unique,
    resumes_from_every_state, killed_at_each_fail_point, late_and_equal_times, deletions, duplicate_and_empty_runs,
    awkward_values, source_unchanged, source_down, bounded_memory, no_canary, backfill_beside_live,
)  # fmt: skip


def _shown(bench: Bench, name: str) -> str:
    """Everything that a configuration with a planted secret says of itself."""
    raw = copy.deepcopy(bench.raw)
    raw["settings"][name] = f"x://somebody:{PLANTED}@nowhere.invalid/x"
    said = ""
    try:
        said += repr(bench.config(raw))
        with bench.source(raw) as (source, _state):
            said += repr(source)
            source.check()
            said += repr(source.refresh(evening(0)))
    except Exception as error:  # noqa: BLE001  whatever it is, it must not say the secret
        said += repr(error) + str(error)
    return said


def _faults(raw: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Ten configurations with one fault each."""
    made: dict[str, dict[str, Any]] = {}

    def plant(name: str, change: Callable[[dict[str, Any]], object]) -> None:
        made[name] = copy.deepcopy(dict(raw))
        change(made[name])

    first = next(iter(raw["settings"]))
    plant("a setting that nobody knows", lambda r: r["settings"].update(zz_unknown="x"))
    plant("a setting of the wrong type", lambda r: r["settings"].update({first: ["x"]}))
    plant("a setting that is missing", lambda r: r["settings"].pop(first))
    plant("a system that is not there", lambda r: r["settings"].update({first: _elsewhere(r, first)}))
    plant("a stream's setting that nobody knows", lambda r: r["streams"]["people"].update(zz_unknown="x"))
    plant("a key column that is not there", lambda r: r["streams"]["people"].update(key="ZZ_MISSING"))
    plant(
        "a mapped column that is not there",
        lambda r: r["streams"]["people"]["events"][1]["fields"].update(names="ZZ_MISSING"),
    )
    plant("an event that does not exist", lambda r: r["streams"]["people"]["events"][1].update(type="Zz"))
    plant(
        "a field that the event has not",
        lambda r: r["streams"]["people"]["events"][1]["fields"].update(zz_category="name"),
    )
    plant("a batch of nothing", lambda r: r["connector"].update(batch=0))
    return made


def _elsewhere(raw: Mapping[str, Any], name: str) -> str:
    value = str(raw["settings"][name])
    return re.sub(r"\w+(?=\.\w+$|$)", "zz/nowhere", value, count=1)


def _refused(bench: Bench, raw: Mapping[str, Any]) -> bool:
    """Whether somebody says so, before anything is sent."""
    try:
        with bench.source(raw) as (source, _state):
            source.check()
            return any(incident.remedy for incident in source.refresh(evening(0)))
    except HubError:
        return True


def _taken(source: Source, state: State, limit: int = 3) -> Iterator[Row]:
    """Read all and save the position after each batch, as the runtime does."""
    for batch in source.read(list(COLUMNS), limit):
        assert len(batch.rows) <= limit, "a batch is larger than asked for"
        with state.transaction():
            state.advance(batch.stream, batch.rows, batch.cursor, set())
        yield from batch.rows


def _read(bench: Bench, day: int = 0) -> list[Row]:
    with bench.source() as (source, state):
        assert not source.refresh(evening(day)), "sound input is no incident"
        rows = list(_taken(source, state))
        source.finished()
        return rows


def _uninterrupted(case: Case, tables: Tables) -> Sequence[object]:
    with case.bench() as bench:
        bench.write(tables, 0)
        bench.all(0)
        facts = bench.facts()
    assert facts, "nothing arrived"
    return facts


def _first_day(bench: Bench) -> None:
    """Hardly anybody has consented. A day later others have, two have another name, and two people are new.

    One of the renamed had consented before: of her nothing is read again unless the source says that she changed.
    """
    tables = families(SIZE)
    bench.write({"people": tables["people"][:-2], "consents": tables["consents"][1:2]}, 0)
    bench.all(0)
    tables["people"][0]["name"] = tables["people"][2]["name"] = "Neu"
    bench.write(tables, 1)


def _killed(bench: Bench, point: str, count: int) -> int:
    """One life that ends at the point when it comes there for the `count`th time; whether it came there."""
    left = count

    def fail(name: str) -> None:
        nonlocal left
        left -= name == point
        if name == point and left == 0:
            raise Killed

    with (
        patch("connectors.runtime.runtime.fail_point", fail),
        patch("connectors.runtime.publish.fail_point", fail),
        patch("connectors.runtime.runtime.Connector._publish", _between(fail)),
    ):
        try:
            with bench.life() as connector:
                bench.step(connector, evening(1))
        except Killed:
            return 1
    return 0


def _between(fail: Callable[[str], None]) -> Callable[..., None]:
    from connectors.runtime.runtime import Connector

    publish = Connector._publish  # noqa: SLF001  the point between two batches has no name in the product

    def wrapped(self: Connector, *args: Any, **options: Any) -> None:
        fail("reading")
        publish(self, *args, **options)

    return wrapped


def _said(bench: Bench, connector: Any) -> str:
    """What a connector says of a system that is away; empty when it says nothing."""
    try:
        connector.check()
        bench.step(connector, evening(0) + timedelta(hours=1))
    except (ServiceUnavailable, HubError) as error:
        return f"{error} {error!r}"
    return " ".join(bench.waiting())


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
        if _names(bench) == _consented(tables):
            return "NUL: arrives"
        assert bench.waiting(), "NUL: the name neither arrived nor waits"
        assert not _names(bench), "NUL: the name was cut"
    return "NUL: waits in quarantine"


def _names(bench: Bench) -> set[str]:
    """Names as they stand at the end, where somebody reads them."""
    found = [content for kind, content in bench.newest().values() if kind == "PersonRegistered"]
    names = (re.search(r"\('names', (.*)\)\]$", content) for content in found)
    return {match[1] for match in names if match}


def _consented(tables: Tables) -> set[str]:
    """The names that may leave: of those who consented."""
    who = {row["person"] for row in tables["consents"]}
    return {repr(row["name"]) for row in tables["people"] if row["number"] in who}
