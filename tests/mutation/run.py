"""`python -m tests.mutation.run [FILE …]`: which mutants of the policy no test notices. Not part of the suite.

Each mutant lives in a process of its own, in which the mutated file is imported in place of the real one, and dies with
the first failing test of `tests/unit/policy`. Survivors are printed as lines of docs/reference/mutants.md.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import signature
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from hypothesis import HealthCheck, settings

from hub.policy import default_policy
from tests.mutation.mutants import POLICY, Mutant, every

FOLDER = Path("tests/unit/policy")
WHOLE = ("test_golden", "test_properties")
DECIDING = frozenset(
    {"decide.py", "fields.py", "grounds.py", "compiled.py", "facts.py", "data/matrix.toml", "data/rules.toml"}
)
settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
AGAIN = ("hub.policy", "hub.cli", "tests.unit.policy")
SLOW = 900  # seconds; a mutant that never ends is noticed


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the one mutated module."""

    def __init__(self, mutant: Mutant) -> None:
        stem = Path(mutant.file).stem
        self._name = "hub.policy" if stem == "__init__" else f"hub.policy.{stem}"
        self._mutant = mutant

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        file = str(POLICY / self._mutant.file)
        return importlib.util.spec_from_file_location(
            name,
            file,
            loader=self,
            submodule_search_locations=[str(POLICY)] if name == "hub.policy" else None,
        )

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.source, self._mutant.file, "exec"), module.__dict__)  # noqa: S102  the mutant


def noticed(mutant: Mutant) -> bool:
    """Whether a test fails, or nothing can even be imported."""
    child = os.fork()
    if child == 0:
        os._exit(_lives(mutant))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def _lives(mutant: Mutant) -> int:
    """In the child: 0 when every test passes."""
    signal.alarm(SLOW)
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    if mutant.file.endswith(".py"):
        for name in [name for name in sys.modules if name.startswith(AGAIN)]:
            del sys.modules[name]
        sys.meta_path.insert(0, _Mutated(mutant))
    else:
        _read_instead(POLICY / mutant.file, mutant.source)
        default_policy.cache_clear()
    try:
        for name in _tests(mutant):
            _run(importlib.import_module(f"tests.unit.policy.{name}"))
    except BaseException:  # noqa: BLE001  whatever happens, it was noticed
        return 1
    return 0


def _tests(mutant: Mutant) -> Iterator[str]:
    """Those first that most likely fail; those that ask everything for what decides only."""
    own = f"test_{Path(mutant.file).stem}"
    first = ["test_readings", "test_golden"] if mutant.file in DECIDING else [own]
    first = ["test_load"] if mutant.file.startswith("data") else first
    quick = sorted(set(_all_tests()) - set(WHOLE))
    yield from dict.fromkeys(name for name in (*first, *quick) if name in _all_tests())
    if mutant.file in DECIDING:
        yield "test_properties"


def _all_tests() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("test_*.py"))


def _run(module: ModuleType) -> None:
    """Its tests as the functions they are: to start pytest would cost more than they do."""
    for name, test in vars(module).items():
        if name.startswith("test_"):
            for values in _cases(test):
                with TemporaryDirectory() as folder:
                    test(**_fixtures(module, test, Path(folder), values), **values)


def _fixtures(
    module: ModuleType, asking: Callable[..., Any], folder: Path, given: Mapping[str, Any]
) -> dict[str, Any]:
    """What a test asks for besides its parameters: a folder, or what its own module's fixtures make of one."""
    found: dict[str, Any] = {}
    for name in signature(asking).parameters.keys() - given.keys():
        fixture = getattr(getattr(module, name, None), "__wrapped__", None)
        found[name] = fixture(**_fixtures(module, fixture, folder, {})) if fixture else folder
    return found


def _cases(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """Every combination of its parameters."""
    sets = []
    for mark in getattr(test, "pytestmark", ()):
        names, rows = mark.args
        split = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        sets.append([dict(zip(split, row if len(split) > 1 else (row,), strict=True)) for row in rows])
    for combination in product(*sets):
        yield {name: value for values in combination for name, value in values.items()}


def _read_instead(file: Path, source: str) -> None:
    real = Path.read_text

    def read_text(path: Path, *args: Any, **kwargs: Any) -> str:
        return source if path == file else real(path, *args, **kwargs)

    setattr(Path, "read_text", read_text)  # noqa: B010  mypy would have it otherwise


def main(wanted: Sequence[str]) -> None:
    settings.load_profile("mutants")
    for name in _all_tests():
        importlib.import_module(
            f"tests.unit.policy.{name}"
        )  # read once; each child forgets what its mutant is in
    counts: Counter[str] = Counter()
    for mutant in every():
        if wanted and mutant.file not in wanted:
            continue
        counts[mutant.file] += 1
        sys.stderr.write(f"\r{dict(counts)}")
        if not noticed(mutant):
            counts[f"{mutant.file} survived"] += 1
            _say(f"| {mutant.file} | `{mutant.place}` | {mutant.change} |")
    _say(str(dict(counts)))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
