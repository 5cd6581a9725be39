"""Spec, configuration and discovery: what a connector says before it reads anything."""

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from connectors.kit.bench import Bench, evening, families
from connectors.kit.checks.case import Case
from connectors.kit.trial import COLUMNS
from hub.errors import HubError

SPEAKS = re.compile(r"passw|secret|token|pwd|_key$")
PLANTED = "zzplantedsecretzz"


def spec_and_secrets(case: Case) -> str:
    """The spec names every setting, and marks those that are secret; what is marked is never shown."""
    spec = case.candidate.spec
    named = spec.keys
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
