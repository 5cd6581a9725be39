"""Each abuse case fails, and succeeds as soon as the control that stops it is switched off (`controls.py`)."""

from pathlib import Path

import pytest

from tests.abuse.cases import CASES, fresh
from tests.abuse.controls import CONTROLS, Control


@pytest.mark.parametrize("name", CASES)
def test_the_attack_fails(folder: Path, name: str) -> None:
    with fresh(folder) as world:
        CASES[name][1](world)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_without_its_control_the_attack_succeeds(folder: Path, control: Control) -> None:
    with fresh(folder) as world, control.off(), pytest.raises(AssertionError):
        control.case(world)


def test_every_case_has_a_control_that_was_seen_to_work() -> None:
    assert {control.case.__name__ for control in CONTROLS} == CASES.keys()
