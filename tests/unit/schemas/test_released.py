"""A released schema version never changes."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from schemas import avro, released
from schemas.registry import raw_events
from schemas.released import Released, present, problems

NOW = present()
NEXT = 1 + max(int(name.rpartition(".v")[2]) for name in NOW if name.startswith("HelpStarted.v"))
RAW = {f"{name}.v{version}": raw for name, version, raw in raw_events()}


def test_no_released_version_has_changed() -> None:
    assert "\n".join(problems(NOW, released.released())) == ""


def _category(raw: dict[str, Any]) -> None:
    raw["fields"][0]["category"] = "ID"


def _new_field(raw: dict[str, Any]) -> None:
    raw["fields"].append({"name": "more", "type": ["null", "string"], "default": None, "category": "HS"})


def _code_list(raw: dict[str, Any]) -> None:
    raw["fields"][0]["codelist"] = "sex"


def _present(raw: dict[str, Any]) -> None:
    raw["present"] = "none"


@pytest.mark.parametrize("change", [_category, _new_field, _code_list, _present])
def test_any_change_of_a_released_version_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    assert _changed(change) == [
        (
            "HelpStarted.v3 was released with another fingerprint: put HelpStarted.v3.avsc back and"
            f" add the change as HelpStarted.v{NEXT}.avsc"
        )
    ]


def test_a_text_may_be_corrected() -> None:
    assert _changed(lambda raw: raw.update(doc="another text")) == []


def test_a_version_that_is_new_or_gone_is_named() -> None:
    then = {name: entry for name, entry in NOW.items() if name != "HelpStarted.v3"}
    assert list(problems(NOW, then)) == [
        "HelpStarted.v3 is not entered: when it is final, run `python -m schemas.released`"
    ]
    assert list(problems(then, NOW)) == [
        "HelpStarted.v3 was released and its file is gone: put it back, records in logs need it"
    ]


def _changed(change: Callable[[dict[str, Any]], Any]) -> list[str]:
    raw = copy.deepcopy(RAW["HelpStarted.v3"])
    change(raw)
    changed = Released(avro.fingerprint(raw).hex(), released._meaning(raw))
    return list(problems(NOW | {"HelpStarted.v3": changed}, NOW))
