"""What the options of `hub consent` mean: the agency's desk, a family of it, persons by the agency's own numbers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.publish.keyring import agency_keys
from hub.adapters.clocks import FileClock, SystemClock
from hub.desk.desk import Desk, Family
from hub.errors import UsageError
from hub.ports import Clock


@contextmanager
def opened_desk(path: Path) -> Iterator[tuple[Desk, Clock]]:
    config = load_config(path)
    if config.kind != "desk":
        raise UsageError("this is no consent desk", place=path.name, remedy='name a file with kind = "desk"')
    clock: Clock = FileClock(config.clock_file) if config.clock_file else SystemClock()
    yield Desk.open(path, agency_keys(config.keys.agency_key_file)), clock


def family_of(desk: Desk, case: str, clock: Clock) -> Family:
    found = desk.family(case, clock.now())
    if found is None:
        raise UsageError("no such case", place="--case", remedy="name a case of this agency")
    return found


def ref_of(family: Family, person: str) -> str:
    """The pseudonym of a person of this family, whom the agency's own number names."""
    found = next((one.ref for one in family.household.members if person.strip() in (one.id, one.ref)), None)
    if found is None:
        raise UsageError(
            "somebody named here is not of this family", place="--signed", remedy="use their numbers"
        )
    return found


def pairs_of(given: Sequence[str], place: str) -> Iterator[tuple[str, str]]:
    for one in given:
        left, equals, right = one.rpartition("=")
        if not equals or not left or not right:
            raise UsageError("needs NAME=VALUE", place=f"--{place}", remedy="see hub consent grant --help")
        yield left.strip(), right.strip()


def day_of(text: str, place: str = "--until") -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UsageError("is no day", place=place, remedy="write it as 2026-12-31") from None
