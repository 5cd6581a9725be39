"""The ten checks of a sink: what it shows, when it shows it no longer, and what a crash or an absence leaves behind."""

import copy
import io
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectors.kit.bench import AGENCY, CANARY, OTHER
from connectors.kit.checks.crashes import Killed
from connectors.kit.checks.spec import PLANTED, SPEAKS
from connectors.kit.sink_bench import PERSON, SinkBench, SinkCandidate, sentence
from hub.errors import HubError, ServiceUnavailable
from hub.failpoints import observed
from hub.ports import KeyRef

FAIL_POINTS = ("sink.after_apply", "sink.after_receipt")
AWKWARD = {
    "lines": "one\ntwo\r\nthree\tfour",
    "quotes": "\"'`;,|\\&<>",
    "formula": "=1+1",
    "other": "Żółć Иван 👪",
    "long": "x" * 20_000,
    "blank": " ",
    "empty": "",
}
SHORT = timedelta(seconds=2)


@dataclass
class SinkCase:
    """Makes as many benches as a check needs, each in a folder of its own."""

    candidate: SinkCandidate
    folder: Path
    _made: int = 0

    @contextmanager
    def bench(self) -> Iterator[SinkBench]:
        self._made += 1
        bench = SinkBench(self.candidate, self.folder / str(self._made))
        try:
            yield bench
        finally:
            bench.close()


def spec_and_secrets(case: SinkCase) -> str:
    """The spec names every setting, and marks those that are secret; what is marked is never shown."""
    spec = case.candidate.spec
    named = spec.keys
    assert spec.role == "sink", "the spec's role is sink"
    assert re.fullmatch(r"[a-z][a-z0-9_]*", spec.kind), "the kind is a plain name"
    assert named >= set(spec.secrets), "a secret is a setting"
    unmarked = {
        n for n in named - set(spec.secrets) if SPEAKS.search(n) and not n.endswith(("_file", "_env"))
    }
    assert not unmarked, f"{sorted(unmarked)} look like secrets: mark them, or take a file or variable"
    with case.bench() as bench:
        assert named >= set(bench.trial.settings), "the spec names every setting"
        for name in spec.secrets:
            raw = copy.deepcopy(bench.raw)
            raw["settings"][name] = f"x://somebody:{PLANTED}@nowhere.invalid/x"
            assert PLANTED not in repr(bench.config(raw)) + _refusal(bench, raw), (
                f"the value of {name} is shown"
            )
    return ""


def misconfigurations_found(case: SinkCase) -> str:
    """Planted faults of the settings are refused before anything is written."""
    with case.bench() as bench:
        assert not _refusal(bench, bench.raw), "the sound configuration is taken"
        first = next(iter(bench.raw["settings"]))
        faults: dict[str, Callable[[dict[str, Any]], object]] = {
            "a setting that nobody knows": lambda settings: settings.update(zz_unknown="x"),
            "a setting of the wrong type": lambda settings: settings.update({first: ["x"]}),
            "a setting that is missing": lambda settings: settings.pop(first),
        }
        for name, plant in faults.items():
            raw = copy.deepcopy(bench.raw)
            plant(raw["settings"])
            assert _refusal(bench, raw), f"not found: {name}"
    return f"{len(faults)} of {len(faults)}"


def shows_each_view_in_its_place(case: SinkCase) -> str:
    """Two cases, and one of them for a named worker as well: each shows its own, and the hub is told."""
    with case.bench() as bench:
        bench.send(1, sentence("one"))
        bench.send(2, sentence("two"), case="f_two")
        bench.send(3, sentence("Kaya's"), worker="w_kaya")
        assert bench.step() == {"shown": 3}, "three views are shown"
        found = [
            one.get("place") for one in (bench.shown(), bench.shown("f_two"), bench.shown(worker="w_kaya"))
        ]
        assert found == ["one", "two", "Kaya's"], "each place shows its own view"
        assert bench.receipts() == ["shown"] * 3, "the hub is told of each"
    return ""


def newest_version_stands(case: SinkCase) -> str:
    """A newer version replaces the whole view; an older one, or the same again, changes nothing."""
    new = sentence("new") | {"more": "yes"}
    with case.bench() as bench:
        bench.send(5, new)
        bench.step()
        bench.send(4, sentence("old"))
        assert bench.step() == {"superseded": 1}, "an older version has no effect, and the hub is told so"
        bench.send(5, new)
        assert bench.step() == {"shown": 1}, "the same version again is confirmed again"
        assert (bench.shown(), len(bench.rows())) == (new, len(new)), "the newest version stands, once"
        bench.send(6, sentence("newer"))
        bench.step()
        assert bench.shown() == sentence("newer"), "nothing of the last version stays"
    return ""


def taken_away(case: SinkCase) -> str:
    """A view that is taken away shows nothing, stays away, and leaves others as they are."""
    with case.bench() as bench:
        bench.send(1, sentence("one"))
        bench.send(2, sentence("two"), case="f_two")
        bench.step()
        bench.send(3, {}, removed=True)
        assert bench.step() == {"deleted": 1}, "the removal is confirmed"
        assert not bench.shown(), "what was taken away is still shown"
        bench.send(1, sentence("one"))
        bench.step()
        assert not bench.shown(), "an older version came back"
        assert bench.shown("f_two") == sentence("two"), "another case's view went too"
    return ""


def lease_and_key_end_it(case: SinkCase) -> str:
    """What may be shown no longer is gone after its time, and who was erased before it came is never shown."""
    with case.bench() as bench:
        bench.send(1, sentence("short"), lease=SHORT)
        bench.step()
        assert bench.shown()["place"] == "short", "a view with a short lease is shown"
        time.sleep(SHORT.total_seconds() + 0.2)
        bench.step()
        assert not bench.shown(), "it is shown past its lease"
        bench.send(2, sentence("erased"))
        bench.keys.destroy(KeyRef("view", AGENCY, PERSON, OTHER))
        bench.step()
        assert not bench.shown(), "a person whose key is destroyed is shown"
    return f"{SHORT.total_seconds():.0f} s"


def awkward_values(case: SinkCase) -> str:
    """Umlauts stay as they are; lines, quotes, formulas, other scripts and long texts spoil no other value."""
    with case.bench() as bench:
        bench.send(1, AWKWARD | sentence())
        bench.send(2, sentence("beside"), case="f_two")
        assert bench.step() == {"shown": 2}, "both views are shown"
        found = bench.shown()
        assert found["place"] == sentence()["place"], "umlauts change"
        assert set(found) == {*AWKWARD, *sentence()}, "fields are lost, or there are more"
        assert bench.shown("f_two") == sentence("beside"), "another view is spoilt"
    return f"{len(AWKWARD)} values"


def killed_at_each_fail_point(case: SinkCase) -> str:
    """Killed after writing and after confirming: the next life shows the same, once, and the hub is told."""
    for point in FAIL_POINTS:
        with case.bench() as bench:
            bench.send(1, sentence("first"))
            bench.step()
            bench.send(2, sentence("second"))
            assert _killed(bench, point), f"never came to {point}"
            bench.step()
            assert bench.shown() == sentence("second"), f"killed at {point}: another view is shown"
            assert len(bench.rows()) == len(sentence()), f"killed at {point}: rows stand twice"
            assert bench.receipts()[-1] == "shown", f"killed at {point}: the hub was not told"
    return f"{len(FAIL_POINTS)} kills"


def target_down(case: SinkCase) -> str:
    """While the target is away that is said, nothing is confirmed, and afterwards all is shown."""
    with case.bench() as bench:
        bench.send(1, sentence("before"))
        bench.step()
        confirmed = len(bench.receipts())
        bench.stop()
        bench.send(2, sentence("after"))
        assert _outage(bench), "a target that is away is not noticed: raise ServiceUnavailable, with a remedy"
        assert len(bench.receipts()) == confirmed, "a view was confirmed that nobody can see"
        bench.start()
        bench.step()
        assert bench.shown() == sentence("after"), "what came meanwhile is not shown afterwards"
    return ""


def no_canary(case: SinkCase) -> str:
    """A planted value is in no log, output, error or file name."""
    heard, handler = io.StringIO(), logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(handler)
    try:
        with case.bench() as bench, redirect_stdout(heard), redirect_stderr(heard):
            bench.send(1, sentence())
            told = repr(bench.step())
            bench.stop()
            bench.send(2, sentence())
            with bench.life() as sink:
                told += repr(sink)
            told += _failure(bench)
            bench.start()
            bench.step()
            names = " ".join(str(path) for path in (bench.folder / "system").rglob("*"))
    finally:
        logging.getLogger().removeHandler(handler)
    said = told + heard.getvalue() + handler.stream.getvalue() + names
    assert not {word for word in (CANARY, PERSON) if word in said}, "a value or person is in what was said"
    return ""


def _outage(bench: SinkBench) -> bool:
    """Whether the sink says that its target is away, and what to do."""
    try:
        bench.step()
    except ServiceUnavailable as error:
        return bool(error.remedy)
    return False


def _failure(bench: SinkBench) -> str:
    """What the sink says of a target that is away."""
    try:
        bench.step()
    except HubError as error:
        return f"{error} {error!r}"
    return ""


def _refusal(bench: SinkBench, raw: Mapping[str, Any]) -> str:
    """How a configuration is refused; "" where it is taken."""
    try:
        with bench.life(raw) as sink:
            sink.check()
    except HubError as error:
        return f"{error} {error!r}"
    return ""


SINK_CHECKS: tuple[Callable[[SinkCase], str], ...] = (
    spec_and_secrets,
    misconfigurations_found,
    shows_each_view_in_its_place,
    newest_version_stands,
    taken_away,
    lease_and_key_end_it,
    awkward_values,
    killed_at_each_fail_point,
    target_down,
    no_canary,
)


def _killed(bench: SinkBench, point: str) -> bool:
    def kill(name: str) -> None:
        if name == point:
            raise Killed

    try:
        with observed(kill):
            bench.step()
    except Killed:
        return True
    return False
