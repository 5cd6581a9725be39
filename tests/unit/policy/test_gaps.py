"""Whoever sent a request that cannot be read is told which key, exactly."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.policy import Incomplete, Request, parse_request
from hub.policy.request import parse_consent, read_request
from tests.unit.policy.cast import CONSENT, STATUTORY, put, request

WHOLE = {"consent": request(), "norm": put(request(), event__ground=STATUTORY)}
DANGER = put(request("ja_intake", "K8a"), purpose="danger_protection")
Path = tuple[str | int, ...]


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every key, at any depth; of a list the first object."""
    inner = value.items() if isinstance(value, dict) else [(0, value[0])] if at == ("consents",) else ()
    for key, below in inner:
        yield (*at, key)
        yield from paths(below, (*at, key))


def name(path: Path) -> str:
    return ".".join(map(str, path)).replace("consents.0", "consents[0]", 1)


def changed(case: dict[str, Any], path: Path, *values: Any) -> dict[str, Any]:
    """A copy with another value there, or without the key."""
    copied = deepcopy(case)
    at: Any = copied
    for step in path[:-1]:
        at = at[step]
    del at[path[-1]]
    if isinstance(at, list):
        at[:0] = values
    elif values:
        at[path[-1]] = values[0]
    return copied


def gap(case: Any) -> str | None:
    read = parse_request(case)
    return read.key if isinstance(read, Incomplete) else None


EVERY = [(kind, path) for kind, case in WHOLE.items() for path in paths(case)]


@pytest.mark.parametrize(("kind", "path"), EVERY, ids=lambda one: one if isinstance(one, str) else name(one))
def test_a_value_of_no_type_that_fits_is_named(kind: str, path: Path) -> None:
    assert gap(changed(WHOLE[kind], path, 5)) == name(path)


@pytest.mark.parametrize(("kind", "path"), EVERY, ids=lambda one: one if isinstance(one, str) else name(one))
def test_a_key_that_is_missing_is_named(kind: str, path: Path) -> None:
    wanted = {
        "event.fields.field": "event.fields",  # no field at all
        "event.ground.consents": "event.ground.attested_by",  # then it is read as a norm
        "consents[0]": None,  # a request may carry none
    }
    found = gap(changed(WHOLE[kind], path))
    assert found == (wanted[name(path)] if name(path) in wanted else name(path))


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (("sender", "kind"), "sender.kind"),
        (("recipient", "assigned"), "recipient.assigned"),
        (("event", "type"), "event.type"),
        (("event", "fields"), "event.fields"),
        (("recipient", "role"), "recipient.role"),
    ],
)
def test_a_danger_report_names_its_few_keys(path: Path, key: str) -> None:
    assert gap(changed(DANGER, path, 5)) == gap(changed(DANGER, path)) == key


@pytest.mark.parametrize("outer", ["sender", "recipient", "event"])
def test_a_danger_report_needs_no_other_key(outer: str) -> None:
    kept = {"sender": ["kind"], "recipient": ["role", "assigned"], "event": ["type", "fields"]}
    bare = {**DANGER, outer: {key: DANGER[outer][key] for key in kept[outer]}, "consents": 5}
    assert parse_request(bare) == parse_request(DANGER)
    assert str(gap({**DANGER, outer: 5})).startswith(f"{outer}.")


def test_an_office_in_which_the_role_does_not_sit_is_the_roles_gap() -> None:
    assert gap(put(request(), recipient__kind="jobcenter")) == "recipient.role"
    assert gap(put(request(), recipient__kind="subject")) == "recipient.role"


def test_what_is_no_request_at_all() -> None:
    assert gap(5) == "(request)"
    assert gap([]) == "(request)"
    for data in (b"{", b"\xff", b"[" * 100_000):
        read = read_request(data)
        assert (isinstance(read, Incomplete) and read.key) == "(JSON)"


def test_a_file_that_begins_with_a_byte_order_mark_is_read() -> None:
    import json

    data = json.dumps(request()).encode()
    assert read_request(b"\xef\xbb\xbf" + data) == read_request(data) == parse_request(request())


def test_a_consent_alone_is_named_as_one() -> None:
    found = parse_consent({**CONSENT, "form": 5})
    assert (isinstance(found, Incomplete) and found.key) == "consent.form"
    found = parse_consent(5, "consents[3]")
    assert (isinstance(found, Incomplete) and found.key) == "consents[3]"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-31T23:59:60Z", datetime(2027, 1, 1, tzinfo=UTC)),  # a leap second
        ("2026-12-31T23:59:59Z", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-12-31t23:59:59.1234567z", datetime(2026, 12, 31, 23, 59, 59, 123456, tzinfo=UTC)),
        ("2027-01-01 01:00:00+01:00", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_moments_as_they_are_written(text: str, moment: datetime) -> None:
    read = parse_request(put(request(), at=text))
    assert isinstance(read, Request)
    assert read.at == moment
    assert read.at.utcoffset() in (timedelta(0), timedelta(hours=1))
