"""Periods: calendar months in Berlin, shortened by an installation's own file and never lengthened."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.errors import ConfigurationError
from hub.policy.facts import CATEGORIES
from hub.policy.retention import STATES, cutoff, default_retention, load_retention

NOW = datetime(2026, 8, 31, 10, tzinfo=UTC)
OWN = """
[[keep]]
what = "records"
state = "case_closed"
keep = "{keep}"
norm = "Dienstanweisung"
de = "kürzer"
{more}
"""


def _own(folder: Path, keep: str, more: str = "") -> Path:
    path = folder / "own.toml"
    path.write_text(OWN.format(keep=keep, more=more), encoding="utf-8")
    return path


def test_every_state_has_a_period_and_a_norm() -> None:
    assert {one.state for one in default_retention()} == STATES.keys()
    assert all(one.norm for one in default_retention())


@pytest.mark.parametrize(
    ("state", "until"),
    [
        ("ground_ended", "2026-08-31T12:00:00+02:00"),
        ("case_closed", "2026-02-28T12:00:00+01:00"),
        ("retrieved", "2026-02-28T12:00:00+01:00"),
        ("consent_ended", "2022-08-31T12:00:00+02:00"),
        ("disclosed", "2022-08-31T12:00:00+02:00"),
    ],
)
def test_the_published_periods(state: str, until: str) -> None:
    assert cutoff(default_retention(), state, NOW) == datetime.fromisoformat(until)


def test_an_own_file_shortens_for_all_or_for_some_categories(tmp_path: Path) -> None:
    shorter = load_retention(_own(tmp_path, "2 months"))
    assert cutoff(shorter, "case_closed", NOW) == datetime.fromisoformat("2026-06-30T12:00:00+02:00")
    some = load_retention(_own(tmp_path, "1 day", 'categories = ["G9"]'))
    assert cutoff(some, "case_closed", NOW) == cutoff(default_retention(), "case_closed", NOW)
    assert cutoff(some, "case_closed", NOW, frozenset({"G9", "EG"})) == datetime(2026, 8, 30, 10, tzinfo=UTC)
    assert cutoff(some, "case_closed", NOW, frozenset({"EG"})) == cutoff(some, "case_closed", NOW)


@pytest.mark.parametrize(
    ("keep", "more"),
    [
        ("7 months", ""),
        ("1 year", 'categories = ["G9"]'),
        ("soon", ""),
        ("2 months", 'categories = ["XX"]'),
        ("2 months", "other = 1"),
        ("9999 years", ""),
    ],
)
def test_what_lengthens_or_cannot_be_read_is_refused(tmp_path: Path, keep: str, more: str) -> None:
    with pytest.raises(ConfigurationError):
        load_retention(_own(tmp_path, keep, more))


def test_a_file_that_is_not_there_or_says_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[rule]\n")
    for path in (tmp_path / "absent.toml", tmp_path / "other.toml"):
        with pytest.raises(ConfigurationError):
            load_retention(path)


def test_the_same_period_is_no_longer_one_and_hours_are_hours(tmp_path: Path) -> None:
    same = load_retention(_own(tmp_path, "6 months"))
    assert cutoff(same, "case_closed", NOW) == cutoff(default_retention(), "case_closed", NOW)
    hours = load_retention(_own(tmp_path, "3 hours"))
    assert cutoff(hours, "case_closed", NOW) == datetime(2026, 8, 31, 7, tzinfo=UTC)
    every = ", ".join(f'"{code}"' for code in sorted(CATEGORIES))
    assert load_retention(_own(tmp_path, "1 month", f"categories = [{every}]"))


@pytest.mark.parametrize("wrong", ['norm = ""', "norm = 5", 'keep = ""'])
def test_an_entry_without_its_words_is_refused_by_its_number(tmp_path: Path, wrong: str) -> None:
    name = wrong.split(" ", maxsplit=1)[0]
    path = _own(tmp_path, "2 months")
    lines = [wrong if line.startswith(f"{name} =") else line for line in path.read_text("utf-8").splitlines()]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load_retention(path)
    assert refused.value.place == "own.toml: keep 1"
