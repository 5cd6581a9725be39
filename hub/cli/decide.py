"""`hub decide FILE|DIR`: the policy as a question and an answer, without a running hub.

A file gives its decision, exit 0 whatever it is: also text that is no request is decided (R00). A folder replays every
`*.json` that carries an `expect` and gives exit 1 on a miss.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli.output import AsJson, State, print_lines, print_table
from hub.errors import NoInput
from hub.policy.decide import decide as judge
from hub.policy.decision import Decision
from hub.policy.explain import explain
from hub.policy.load import Policy, load_policy
from hub.policy.request import read_request

_EXACT = ("outcome", "kept", "dropped", "marked")


@dataclass(frozen=True, slots=True)
class Trial:
    """One file of a folder: where the decision differs from what it expects."""

    file: str
    decision: Decision
    differs: tuple[str, ...]

    @property
    def hit(self) -> bool:
        return not self.differs

    def as_json(self) -> dict[str, Any]:
        decided = self.decision.as_json()
        return {"file": self.file, "hit": self.hit, "differs": list(self.differs), "decision": decided}


def decide(
    path: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="Anfrage als JSON, oder ein Ordner davon")],
    policy: Annotated[
        list[Path] | None,
        typer.Option(
            "--policy", metavar="FILE", help="Datei, mit der ein Amt Zellen enger fasst; mehrfach möglich"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Was würde geschehen, wenn …: eine Anfrage, eine Entscheidung, mit Regel und Norm."""
    loaded = load_policy(policy or ())
    if path.is_dir():
        _folder(loaded, path, as_json)
        return
    decision = judge(loaded, read_request(_bytes(path)))
    if as_json:
        _print_json(decision.as_json())
    else:
        print_lines([explain(decision)])


def _folder(policy: Policy, path: Path, as_json: bool) -> None:
    trials = list(_trials(policy, path))
    misses = sum(not trial.hit for trial in trials)
    if as_json:
        cases = [trial.as_json() for trial in trials]
        _print_json({"hits": len(trials) - misses, "misses": misses, "cases": cases})
    else:
        _print_trials(trials, misses)
    if misses:
        raise typer.Exit(1)


def _trials(policy: Policy, path: Path) -> Iterator[Trial]:
    for file in sorted(path.glob("*.json")):
        data = _bytes(file)
        expected = _expectation(data)
        if expected is not None:
            decision = judge(policy, read_request(data))
            yield Trial(file.name, decision, tuple(_differences(decision, expected)))


def _expectation(data: bytes) -> dict[str, Any] | None:
    try:
        case = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    expected = case.get("expect") if isinstance(case, dict) else None
    return expected if isinstance(expected, dict) else None


def _differences(decision: Decision, expected: dict[str, Any]) -> Iterator[str]:
    """The keys that are not as expected: four exactly, of the rules only that they fired."""
    found = decision.as_json()
    for key in _EXACT:
        wanted = expected.get(key, found[key])
        if (sorted(map(str, wanted)) if isinstance(wanted, list) else wanted) != found[key]:
            yield key
    if not set(expected.get("rules", ())) <= set(decision.rules):
        yield "rules"


def _print_trials(trials: Sequence[Trial], misses: int) -> None:
    rows = [
        (
            trial.file,
            trial.decision.outcome,
            " ".join(trial.decision.rules),
            State("ja" if trial.hit else "nein: " + ", ".join(trial.differs), trial.hit),
        )
        for trial in trials
    ]
    title = f"{len(trials) - misses} wie erwartet, {misses} anders"
    print_table(title, ("Datei", "Ergebnis", "Regeln", "wie erwartet"), rows)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        remedy = "name a readable file or folder"
        raise NoInput("cannot be read", place=path.name, remedy=remedy) from error


def _print_json(value: dict[str, Any]) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    typer.echo(text.encode("utf-8", "backslashreplace"))
