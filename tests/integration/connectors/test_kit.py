"""Every kind of source passes the compliance kit, a stranger's too; a kit that lets faults pass would be none."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.contract import Batch, Row
from connectors.kit.checks import Case
from connectors.kit.checks.crashes import backfill_beside_live, killed_at_each_fail_point
from connectors.kit.checks.rows import keys_are_unique, records_match_schema
from connectors.kit.checks.sinks import SINK_CHECKS, SinkCase
from connectors.kit.sink_bench import SinkCandidate
from connectors.pipeline.state.state import State
from hub.cli.connect import app
from tests.stranger.text_folder.trial import Trial as TextTrial
from tests.support.candidates import candidate, module_of
from tests.support.stranger import PACKAGE, install

SINKS = ("staging", "folder", "webhook")
KINDS = ("sql", "sql_outbox", "snapshot_csv", "file_drop", "xml", "rest", "example")


@pytest.fixture
def room() -> Iterator[Path]:
    """In memory where there is some: the kit writes much and keeps nothing."""
    memory = Path("/dev/shm")  # noqa: S108
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def run_kit(folder: Path, source: str) -> "subprocess.CompletedProcess[str]":
    """The kit as its users call it, in their own folder."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "connectors.kit.plugin",
        "-p",
        "no:cacheprovider",
        "-q",
        "-W",
        "error",
        "--hub-rows",
        "400",
        "--hub-connector",
        source,
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def assert_certified(folder: Path, connector: str, checks: int = 16) -> None:
    done = run_kit(folder, connector)
    assert done.returncode == 0, done.stdout
    assert f"CERTIFICATE: {connector}" in done.stdout.splitlines()
    assert f"{checks} of {checks} checks passed." in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_our_kinds_get_their_certificate(kind: str, tmp_path: Path) -> None:
    assert_certified(tmp_path, f"{module_of(kind).__name__}:build")


@pytest.mark.parametrize("kind", SINKS)
def test_our_sinks_get_their_certificate(kind: str, tmp_path: Path) -> None:
    assert_certified(tmp_path, f"connectors.sinks.{kind}:build", 10)


def test_a_strangers_connectors_get_their_certificates(tmp_path: Path) -> None:
    """As pip installs them beside the hub."""
    site = install(tmp_path)
    assert_certified(site, "fixed_width:Source")
    assert_certified(site, "text_folder:build", 10)


@pytest.mark.parametrize(
    ("right", "wrong", "check"),
    [
        ("file.unlink(missing_ok=True)", "pass", "taken_away"),
        ("                    file.unlink()", "                    pass", "lease_and_key_end_it"),
        ("    except OSError as error:", "    except LookupError as error:", "target_down"),
        ('row["fall"], row["fachkraft"]', 'row["fall"], ""', "shows_each_view_in_its_place"),
        ('row["wert"]', 'row["wert"].encode("ascii", "replace").decode()', "awkward_values"),
        ("{sha256(place.encode()).hexdigest()[:16]}", "{new[-1]['wert'] if new else 0}", "no_canary"),
        ("    folder: str\n", '    folder: str = "texts"\n', "misconfigurations_found"),
    ],
)
def test_a_sink_that_fails_gets_none(tmp_path: Path, right: str, wrong: str, check: str) -> None:
    text = (PACKAGE / "text_folder" / "__init__.py").read_text(encoding="utf-8")
    assert right in text
    faulty: dict[str, Any] = {"__name__": "text_folder"}
    exec(text.replace(right, wrong), faulty)  # noqa: S102  the tree's own text
    examined = next(one for one in SINK_CHECKS if one.__name__ == check)
    candidate = SinkCandidate("text_folder:build", faulty["build"], faulty["spec"], TextTrial)
    with pytest.raises((AssertionError, OSError)):  # an OSError that nobody made a ServiceUnavailable of
        examined(SinkCase(candidate, tmp_path))


def test_a_new_connector_passes_as_it_is_made(tmp_path: Path) -> None:
    made = CliRunner().invoke(app, ["new", "fachverfahren", "--in", str(tmp_path)])
    assert made.exit_code == 0, made.output
    files = sorted(path.name for path in (tmp_path / "fachverfahren" / "fachverfahren").iterdir())
    assert files == ["__init__.py", "trial.py"]
    assert_certified(tmp_path / "fachverfahren", "fachverfahren:Source")
    again = CliRunner().invoke(app, ["new", "fachverfahren", "--in", str(tmp_path)])
    assert again.exit_code != 0


def test_a_connector_that_fails_gets_none(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["new", "taub", "--in", str(tmp_path)])
    file = tmp_path / "taub" / "taub" / "__init__.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("enumerate(lines[:-1], 1)", "enumerate(lines[:-2], 1)"), encoding="utf-8")
    done = run_kit(tmp_path / "taub", "taub:Source")
    assert done.returncode == 1
    assert "NO CERTIFICATE: taub:Source" in done.stdout
    assert "FAILED  records_match_schema" in done.stdout


class Faulty:
    """A sound source with one fault."""

    def __init__(self, source: Any, state: State) -> None:
        self._source, self._state = source, state

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


class Forgetful(Faulty):
    """Says that it stands further than it read."""

    def read(self, streams: Sequence[str], limit: int) -> Iterator[Batch]:
        for batch in self._source.read(streams, limit):
            with self._state.transaction():
                self._state.advance(batch.stream, batch.rows, batch.cursor, set())
            yield batch


class Hasty(Faulty):
    """Gives a page of what is to come once more and says that this was all."""

    def rereadable(self) -> Any:
        return self._source.rereadable()

    def rows_after(self, stream: str, after: str | None, limit: int) -> Batch:
        batch: Batch = self._source.rows_after(stream, after, limit)
        return Batch(batch.stream, batch.rows)


class Twice(Faulty):
    """Gives its first row twice."""

    def read(self, streams: Sequence[str], limit: int) -> Iterator[Batch]:
        for batch in self._source.read(streams, limit):
            yield batch
            yield Batch(batch.stream, batch.rows[:1], batch.cursor)


class Chatty(Faulty):
    """Names people in places."""

    def read(self, streams: Sequence[str], limit: int) -> Iterator[Batch]:
        for batch in self._source.read(streams, limit):
            yield Batch(batch.stream, [_named(row) for row in batch.rows], batch.cursor)


def _named(row: Row) -> Row:
    return row._replace(place=f"{row.place}/{row.values.get('name', '')}")


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (Forgetful, killed_at_each_fail_point),
        (Hasty, backfill_beside_live),
        (Twice, keys_are_unique),
        (Chatty, records_match_schema),
    ],
    ids=lambda one: one.__name__,
)
def test_the_kit_finds(fault: type[Faulty], check: Callable[[Case], str], room: Path) -> None:
    sound = candidate("sql")

    def build(config: Any, state: State, key: Any) -> Any:
        return fault(sound.build(config, state, key), state)

    with pytest.raises(AssertionError):
        check(Case(sound._replace(build=build), room, 400))
