"""An impossible story is refused as a whole, and the refusal names the step; no value of the story is repeated."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hub.errors import DataError
from hub.rehearse.parse import parse_story

Spoil = Callable[[dict[str, Any]], Any]
SECRET = "a name nobody may read"


def refused(story: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        parse_story(json.dumps(story).encode())
    return caught.value


def _step(number: int, **changes: Any) -> Spoil:
    return lambda story: story["steps"][number].update(changes)


def _without(number: int, key: str) -> Spoil:
    return lambda story: story["steps"][number].pop(key)


def _consent(**changes: Any) -> Spoil:
    return lambda story: story["steps"][1]["consent"].update(changes)


IMPOSSIBLE: dict[str, tuple[int, Spoil]] = {
    "an unknown agency": (0, _step(0, by=SECRET)),
    "an unknown viewer": (3, lambda story: story["steps"][3]["recipient"].update(controller=SECRET)),
    "time runs back": (2, _step(2, at="2026-08-31T09:00:00+02:00")),
    "no time": (1, _without(1, "at")),
    "a time without offset": (0, _step(0, at="2026-09-01T08:00:00")),
    "an unknown event type": (2, _step(2, type=SECRET)),
    "an event with a step of its own": (2, _step(2, type="ConsentWithdrawn")),
    "an unknown field": (2, lambda story: story["steps"][2]["payload"].update({"nome": SECRET})),
    "a value of another type": (2, lambda story: story["steps"][2]["payload"].update(amount=SECRET)),
    "an unknown step": (4, _step(4, do=SECRET)),
    "an unknown key": (4, _step(4, why=SECRET)),
    "a missing key": (2, _without(2, "payload")),
    "an unknown person": (2, _step(2, subject=SECRET)),
    "an unknown family": (2, _step(2, family=SECRET)),
    "a consent of nobody": (1, _consent(subject=SECRET)),
    "a category that is none": (1, _consent(categories=[SECRET])),
    "a withdrawal of nothing": (4, _step(4, consent_id=SECRET)),
    "a scope that is none": (4, _step(4, scope={"categories": [SECRET]})),
    "a taken id": (2, _step(2, id="m0")),
    "an expectation of something else": (3, _step(3, expect={"seen": SECRET})),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_impossible_step_is_named(plain: dict[str, Any], name: str) -> None:
    number, spoil = IMPOSSIBLE[name]
    spoil(plain)
    found = refused(plain)
    assert found.place.startswith(f"steps[{number}] ")
    assert (found.exit_code, found.reason) == (65, "impossible_story")
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda story: story.pop("persons"),
        lambda story: story["agencies"][0].update(kind=SECRET),
        lambda story: story["families"][0].update(known_to=[SECRET]),
        lambda story: story["families"][0].update(members=[SECRET]),
        lambda story: story["persons"].append(story["persons"][0]),
        lambda story: story["persons"][0].update(birth_date="yesterday"),
    ],
)
def test_an_impossible_cast_is_refused(plain: dict[str, Any], spoil: Spoil) -> None:
    spoil(plain)
    found = refused(plain)
    assert found.place == "file"
    assert SECRET not in str(found)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'"story"'])
def test_what_is_no_story_is_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        parse_story(data)


def test_nobody_corrects_what_another_agency_recorded(plain: dict[str, Any]) -> None:
    plain["steps"][2:] = [
        {"do": "correct", "at": "2026-09-09T09:00:00+02:00", "by": "ja-a", "id": "m0", "payload": {}}
    ]
    assert refused(plain).place.startswith("steps[2] ")


def test_links_name_who_can_be_meant(plain: dict[str, Any]) -> None:
    for persons in (
        ["jc-a:mother"],
        ["mother"],
        ["jc-x:mother", "ja-a:mother"],
        ["jc-a:nobody", "ja-a:mother"],
    ):
        plain["steps"][2:] = [{"do": "link", "at": "2026-09-09T09:00:00+02:00", "persons": persons}]
        assert refused(plain).place.startswith("steps[2] ")
