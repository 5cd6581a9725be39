"""What is installed is enough, without the clone beside it: `hub demo` for a hub, `hub connect` for an agency."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest

from hub.cli.app import VERBS

pytestmark = pytest.mark.xdist_group("wheel")  # built once

CLONE = Path(__file__).parents[2]
PARTS = ("hub", "schemas", "connectors", "projections", "pyproject.toml", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
HUB_ONLY = {"aiokafka", "alembic", "faust-streaming", "psycopg", "starlette", "uvicorn"}
AT_AN_AGENCY = {"connect", "danger", "consent", "decide", "explain", "simulate", "bench", "init", "work"}
"""Verbs, or parts of them, that need no hub."""
CALLED = """
import contextlib, io, json, sys
from hub.cli import main
verbs, said = sys.argv[1:], {}
for verb in verbs:
    sys.argv = ["hub", verb, "--help"]
    with contextlib.redirect_stderr(io.StringIO()) as text:
        try:
            main()
        except SystemExit as end:
            said[verb] = end.code, text.getvalue()
print(json.dumps(said))
"""
"""Every verb in one process: what it says and how it ends."""
YOUTH_OFFICE = (
    "--agency",
    "ja-seestadt",
    "--agency-kind",
    "youth_welfare",
    "--recipient",
    "jc-seestadt:jobcenter",
)
JOBCENTER = (
    "--agency",
    "jc-seestadt",
    "--agency-kind",
    "jobcenter",
    "--recipient",
    "ja-seestadt:youth_welfare",
)
WHERE = {
    "csv": (*YOUTH_OFFICE, "--folder", "probe/jugendamt", "--encoding", "cp1252", "--delimiter", ";"),
    "sqlite": (*JOBCENTER, "--url", "sqlite:///probe/jobcenter.sqlite"),
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: a clone's `build` folder would keep what was deleted."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "clone").mkdir()
    for name in PARTS:
        copy = shutil.copytree if (CLONE / name).is_dir() else shutil.copy
        copy(CLONE / name, folder / "clone" / name)
    how = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([*PIP, "wheel", *how, str(folder / "clone")], check=True, capture_output=True, timeout=240)
    (built,) = folder.glob("*.whl")
    return built


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Distribution → version and hashes, as the lock of that name has them."""
    text = (CLONE / "requirements" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    entries = re.finditer(r"^([\w.-]+)==(\S+)(.*)$", text, re.MULTILINE)
    return {entry[1]: (entry[2], frozenset(re.findall(r"sha256:\w+", entry[3]))) for entry in entries}


@pytest.fixture(scope="module")
def agency(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with what requirements/connector.txt names, and the wheel with its extra `connector`.

    No network is asked: files are those of the environment that runs the tests, which was installed from the lock of
    which this one is a part. pip, asked for the wheel alone, refuses if anything that it needs is missing.
    """
    folder = tmp_path_factory.mktemp("agency") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    (site,) = folder.glob("lib/python*/site-packages")
    for name, (version, _) in locked("connector").items():
        found = metadata.distribution(name)
        assert found.version == version, f"{name} is not installed as locked: make setup"
        for file in found.files or ():
            if ".." not in file.parts:
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(file.locate()), site / file)  # with its time: compiled files stay valid
    python, wanted = str(folder / "bin" / "python"), f"fallbruecke[connector] @ {wheel.as_uri()}"
    install = [*PIP, "--python", python, "install", "--no-index", "--no-compile", wanted]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    subprocess.run([*PIP, "--python", python, "check"], check=True, capture_output=True, timeout=60)
    return folder / "bin"


@pytest.fixture(scope="module")
def office(agency: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two exports to read."""
    folder = tmp_path_factory.mktemp("office")
    done = run(agency / "hub", "simulate", "--families", "2", "--days", "1", "--out", "probe", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def run(program: Path, *args: str, cwd: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    kept = {n: v for n, v in os.environ.items() if not n.startswith("HUB_") and n != "PYTHONPATH"}
    env: Mapping[str, str] = kept | {"COLUMNS": "200"} | more
    return subprocess.run(
        [str(program), *args], capture_output=True, text=True, check=False, cwd=cwd, timeout=240, env=env
    )


def test_the_demo_runs_from_a_wheel(wheel: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(wheel, tmp_path / "site", "zip")
    code = "import hub, sys; print(hub.__file__, file=sys.stderr); from hub.cli import main; main()"
    done = run(
        Path(sys.executable),
        "-c",
        code,
        "demo",
        "--json",
        "--families",
        "2",
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path / "site"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == str(tmp_path / "site" / "hub" / "__init__.py")
    assert json.loads(done.stdout)["published"] > 0


def test_what_an_agency_installs_is_a_part_of_what_was_tested() -> None:
    tested = locked("dev")
    assert {name: tested.get(name) for name in locked("connector")} == locked("connector")


def test_an_agency_gets_no_stream_processor_and_no_web(agency: Path, tmp_path: Path) -> None:
    code = (
        "from importlib.metadata import distributions as d; print(*(x.metadata['Name'].lower() for x in d()))"
    )
    there = set(run(agency / "python", "-I", "-c", code, cwd=tmp_path).stdout.split())
    assert {"fallbruecke", "kafka-python", "sqlalchemy"} <= there
    assert not there & HUB_ONLY


@pytest.mark.parametrize("kind", WHERE)
def test_an_agencys_it_gets_to_its_preview(agency: Path, office: Path, kind: str) -> None:
    file = f"{kind}/source.toml"
    made = run(agency / "hub", "connect", "init", file, *WHERE[kind], cwd=office)
    assert made.returncode == 0, made.stderr
    checked = run(agency / "hub", "connect", "check", "--json", file, cwd=office)
    assert not checked.stderr
    said = {one["name"]: one["ok"] for one in json.loads(checked.stdout)["checks"]}
    assert said["source"], checked.stdout
    assert said["rows"], checked.stdout
    shown = run(
        agency / "hub", "connect", "preview", file, "--html", f"{kind}.html", "--limit", "1", cwd=office
    )
    assert shown.returncode == ("Nicht lesbar" in shown.stdout), shown.stderr
    assert "Zurückgehalten nach R04" in shown.stdout
    assert (office / f"{kind}.html").stat().st_size > 0


def test_a_verb_for_the_hub_says_what_to_install(agency: Path, tmp_path: Path) -> None:
    verbs = sorted(VERBS.keys() - AT_AN_AGENCY)
    done = run(agency / "python", "-I", "-c", CALLED, *verbs, cwd=tmp_path)
    said = json.loads(done.stdout)
    assert list(said) == verbs
    for verb, (code, text) in said.items():
        assert code == 78, verb
        assert re.fullmatch(
            rf"hub: hub {verb}: this verb needs the package \w+, .* → pip install 'fallbruecke\[hub\]'\n",
            text,
        )


def test_the_agencys_part_of_a_story_needs_no_hub(agency: Path, office: Path) -> None:
    alone = run(agency / "hub", "explain", "0" * 32, cwd=office)
    assert alone.returncode == 78
    assert alone.stderr.endswith("pip install 'fallbruecke[hub]'\n")
    run(agency / "hub", "connect", "init", "told.toml", *WHERE["csv"], cwd=office)
    done = run(agency / "hub", "explain", "0" * 32, "--connector", "told.toml", cwd=office)
    assert done.returncode == 1  # nobody here knows of such an event
    assert "only the agency's part: no hub is installed here" in done.stderr


def test_a_driver_that_is_missing_is_named_with_its_extra(agency: Path, tmp_path: Path) -> None:
    for extra, url in (
        ("postgresql", "postgresql://x@127.0.0.1:9/x"),
        ("mariadb", "mysql://x@127.0.0.1:9/x"),
        ("mssql", "mssql://x@127.0.0.1:9/x"),
    ):
        done = run(agency / "hub", "connect", "discover", "--url", url, cwd=tmp_path)
        assert done.returncode == 78
        assert done.stderr.endswith(f"pip install 'fallbruecke[{extra}]'\n"), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
