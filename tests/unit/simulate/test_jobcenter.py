"""The jobcenter's database: what is in it, and how it changes."""

import re
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from hub.dev.simulate import Simulation
from hub.dev.simulate.jobcenter import metadata
from hub.dev.simulate.story import is_last_bank_day
from hub.errors import ConfigurationError
from tests.unit.simulate.running import START, Run, simulate


def test_every_table_has_one_key_and_a_change_time(run: Run) -> None:
    engine = create_engine(f"sqlite:///{run.folder / 'jobcenter.sqlite'}")
    found = inspect(engine)
    tables = found.get_table_names()
    assert set(tables) == set(metadata.tables)
    assert len(tables) == 15
    for table in tables:
        assert len(found.get_pk_constraint(table)["constrained_columns"]) == 1
        assert {"GEAENDERT_AM", "GELOESCHT_KZ"} <= {c["name"] for c in found.get_columns(table)}
    engine.dispose()


def test_no_table_is_empty_and_many_rows_share_a_change_time(run: Run) -> None:
    for table in metadata.tables:
        assert run.rows(f"select count(*) from {table}")[0] != (0,)  # noqa: S608 - our own table names
    [(most,)] = run.rows("select max(n) from (select count(*) n from T_PERSON group by GEAENDERT_AM)")
    assert isinstance(most, int)
    assert most > 5


def test_three_payment_lines_per_person_and_month(run: Run) -> None:
    counts = run.rows("select KDNR, MONAT, count(*) from T_LEISTUNG group by 1, 2")
    people = {p.jobcenter_id for p in run.simulation.world.persons if p.jobcenter_id}
    assert {month for _, month, _ in counts} == {"202606", "202607"}
    assert {n for _, _, n in counts} == {3}
    assert {person for person, _, _ in counts} == people


def test_benefits_include_special_category_lines(run: Run) -> None:
    codes = {str(code) for (code,) in run.rows("select distinct LEISTUNGSART from T_LEISTUNG")}
    assert codes == {"0100", "0200", "0210", "0320", "0330", "0340", "0350", "0520"}
    amounts = [str(a) for (a,) in run.rows("select BETRAG from T_LEISTUNG")]
    assert all(re.fullmatch(r"\d+\.\d\d", amount) for amount in amounts)


def test_a_correction_there_and_back_leaves_three_change_times(tmp_path: Path) -> None:
    seen = []
    simulation = Simulation(20, 1, START, f"sqlite:///{tmp_path / 'jobcenter.sqlite'}", tmp_path / "ja")
    number = simulation.world.families[0].persons[0].jobcenter_id
    for day, _ in zip(simulation.days, range(3), strict=False):
        simulation.write_day(day)
        query = f"select TELEFON, GEAENDERT_AM from T_PERSON where KDNR = '{number}'"  # noqa: S608 - our own number
        seen += Run(tmp_path, simulation, []).rows(query)
    phones, times = zip(*seen, strict=True)
    assert phones[0] == phones[2] != phones[1]
    assert len(set(times)) == 3


def test_rows_are_deleted_logically_and_physically(run: Run) -> None:
    world = run.simulation.world
    special = next(f for f in world.families if f.model.kind == "special")
    measures = {number for (number,) in run.rows("select BG_NR from T_MASSNAHME")}
    assert special.model.measure
    assert special.homes[0].bg_number not in measures
    deleted = run.rows(
        "select count(*) from T_TERMIN where GELOESCHT_KZ = 'J' and GEAENDERT_AM like '2026-06-03%'"
    )
    assert deleted == [(1,)]


def test_states_that_end(run: Run) -> None:
    assert run.rows("select count(*) from T_MASSNAHME where STATUS = '3' and ERGEBNIS = 'ABSCHLUSS'") == [
        (1,)
    ]
    assert run.rows("select count(*) from T_MINDERUNG where AUFGEHOBEN_AM is not null") == [(1,)]
    assert run.rows("select count(*) from T_BG where STATUS = '90'") == [(1,)]
    assert run.rows("select count(*) from T_BG_MITGLIED where BIS <> '9999-12-31'") == [(1,)]
    assert run.rows("select count(*) from T_TERMIN where ART = 'DG' and STATUS = 'S'") == [(1,)]
    assert run.rows("select max(FASSUNG) from T_KOOPPLAN") == [(2,)]


def test_workers_are_found_by_letter(run: Run) -> None:
    wrong = run.rows(
        "select count(*) from T_FALLZUSTAENDIGKEIT where SB_ID not in (select SB_ID from T_ZUSTAENDIGKEIT)"
    )
    assert wrong == [(0,)]
    assert {f for (f,) in run.rows("select distinct FUNKTION from T_FALLZUSTAENDIGKEIT")} == {"FM", "LST"}


def test_a_used_database_is_refused(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{run.folder / 'jobcenter.sqlite'}"
    with pytest.raises(ConfigurationError, match="already holds"):
        Simulation(1, 1, START, url, tmp_path).write_day(START)


def test_days_out_of_order_are_refused(run: Run) -> None:
    with pytest.raises(ConfigurationError, match="in order"):
        run.simulation.write_day(START)


@pytest.mark.parametrize(
    ("day", "last"),
    [
        (date(2026, 5, 29), True),
        (date(2026, 5, 28), False),
        (date(2026, 5, 31), False),
        (date(2026, 6, 30), True),
        (date(2026, 6, 29), False),
        (date(2026, 12, 31), True),
    ],
)
def test_the_last_bank_day_of_a_month(day: date, last: bool) -> None:
    assert is_last_bank_day(day) is last


def test_a_month_is_paid_once(tmp_path: Path) -> None:
    start = date(2026, 6, 29)
    simulation = Simulation(20, 1, start, f"sqlite:///{tmp_path / 'jc.sqlite'}", tmp_path / "ja")
    days = [date(2026, 6, 29), date(2026, 6, 30), date(2026, 7, 1)]
    paid = [
        simulation.write_day(day, at_month_end=day == days[0]).jobcenter.get("T_LEISTUNG", 0) for day in days
    ]
    people = sum(1 for p in simulation.world.persons if p.jobcenter_id)
    assert paid[0] == 2 * 3 * people
    assert max(paid[1:]) == 1


def test_other_families_have_ordinary_changes(tmp_path: Path) -> None:
    run = simulate(tmp_path, 4, families=400)
    first = run.reports[0].jobcenter["T_PERSON"]
    assert first > 700
    assert all(r.jobcenter["T_PERSON"] >= 8 and r.jobcenter["T_TERMIN"] >= 7 for r in run.reports[1:])
