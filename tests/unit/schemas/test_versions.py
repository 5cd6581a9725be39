"""A newer version reads what an older one wrote."""

from typing import Any

import pytest

from schemas import event_schema, event_versions, upcast
from schemas.compat import backward, problems
from schemas.upcast import UPCASTERS


def test_no_version_in_the_package_breaks_an_older_one() -> None:
    assert problems() == ()


@pytest.mark.parametrize(
    ("payload", "latest"),
    [
        ({"paragraph": "31", "hours_per_week": 8}, {"paragraph": "31", "intensity": "8 h/Woche"}),
        ({"paragraph": "31"}, {"paragraph": "31"}),
        ({"hours_per_week": 0}, {"intensity": "0 h/Woche"}),
    ],
)
def test_help_hours_become_an_intensity(payload: dict[str, Any], latest: dict[str, Any]) -> None:
    old = event_schema("HelpStarted", 1)
    before = dict(payload)
    assert upcast(old, old.decode(old.encode(payload))) == latest
    assert payload == before
    assert event_schema("HelpStarted").encode(latest)


def test_the_latest_version_stays_as_it_is() -> None:
    assert upcast(event_schema("CaseOpened"), {"kind": "x"}) == {"kind": "x"}


def test_an_upcast_payload_fits_the_latest_version() -> None:
    old_versions = [s for s in event_versions() if s.version < event_schema(s.event_type).version]
    assert set(UPCASTERS) <= {(s.event_type, s.version) for s in old_versions}  # the others only added fields
    for schema in old_versions:
        latest = event_schema(schema.event_type)
        values: dict[str, object] = {
            name: 1 if spec.kind == "int" else "x" for name, spec in schema.fields.items()
        }
        assert set(upcast(schema, values)) <= set(latest.fields)


def _record(**fields: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "R",
        "fields": [{"name": n, "type": t, "default": None} for n, t in fields.items()],
    }


DATE = {"type": "int", "logicalType": "date"}


def _map(values: str) -> dict[str, str]:
    return {"type": "map", "values": values}


def _fixed(size: int) -> dict[str, object]:
    return {"type": "fixed", "name": "F", "size": size}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (_record(a=["null", "int"]), _record(a=["null", "int"], b=["null", "string"])),
        (_record(a=["null", "int"]), _record(a=["null", "long"])),
        (_record(a=["null", "string"]), _record(a=["null", "string", "int"])),
        (_record(a="int"), _record(a=["null", "double"])),
        (
            _record(a={"type": "array", "items": "int"}),
            _record(a={"type": "array", "items": "long"}),
        ),
    ],
)
def test_what_avro_can_resolve_is_compatible(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert backward(new, old) == ()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (_record(a="int"), _record(), "a disappears without an upcaster"),
        (_record(a=["null", "long"]), _record(a=["null", "int"]), "a changes its type"),
        (_record(a=["null", "string"]), _record(a="string"), "a changes its type"),
        (_record(a=DATE), _record(a="int"), "a changes its type"),
        (_record(a=_map("int")), _record(a=_map("string")), "a changes its type"),
        (_record(a=_fixed(8)), _record(a=_fixed(16)), "a changes its type"),
        (_record(), {"fields": [{"name": "a", "type": "int"}]}, "a is new and has no default"),
        (
            _record(),
            {"fields": [{"name": "a", "type": "int", "default": 0, "required": True}]},
            "a is new and required",
        ),
    ],
)
def test_what_avro_cannot_resolve_is_not(old: dict[str, Any], new: dict[str, Any], problem: str) -> None:
    assert backward(new, old) == (problem,)


def test_with_an_upcaster_a_field_may_go() -> None:
    assert backward(_record(), _record(a="int"), upcast=True) == ()
