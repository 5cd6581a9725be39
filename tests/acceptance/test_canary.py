"""What people typed into the agencies' systems is nowhere in the clear but with them (promise 2).

A canary stands in every field that a person typed, in both agencies, and their own numbers and names are looked for as
well. Each search has its counterpart: the agencies' own files and staging tables, where the canary must be.
"""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy.engine import make_url

from hub.dev.demo import Demo
from hub.dev.simulate import SimulatedWorld
from hub.domain.clock import BERLIN
from hub.hosts.embedded import Embedded
from hub.metrics.named import metrics
from hub.metrics.store import StoreCollector
from tests.acceptance.conftest import CANARY, SEED, Told
from tests.support.kafka_world import EVENING, FOLDERS
from tests.support.oracle import read_all

OWN = ("jobcenter.sqlite", "uebergabe.sqlite", "pseudonyms.sqlite", "export")
"""What of an office's folder is the office's own: its data, its staging table, its table pseudonym → number."""

LONG = 7  # letters of a name that no box, key or hash shows by chance


def needles(world: SimulatedWorld) -> Iterator[bytes]:
    """The canary as text and as hexadecimal, and all that names somebody: numbers, pairing codes, longer names."""
    yield from (CANARY.encode(), CANARY.encode().hex().encode())
    homes = [home for family in world.families for home in family.homes]
    numbers = {home.bg_number for home in homes} | {home.pairing_code for home in homes}
    for person in world.persons:
        numbers |= {person.jobcenter_id, person.youth_office_id}
        numbers |= {name for name in (person.surname, person.given_name, person.phone) if len(name) >= LONG}
    yield from sorted(number.encode() for number in numbers if number)


def seen(world: SimulatedWorld, haystacks: Mapping[str, bytes]) -> list[tuple[str, int]]:
    """Where a needle was found, and which by its number only."""
    return [
        (where, number)
        for where, content in haystacks.items()
        for number, needle in enumerate(needles(world))
        if needle in content
    ]


def files(folder: Path, *, but: Iterable[str] = ()) -> dict[str, bytes]:
    """Every file below a folder, write-ahead logs too, apart from those whose name begins with one of `but`."""
    kept = (path for path in sorted(folder.rglob("*")) if path.is_file())
    names = ((path, str(path.relative_to(folder))) for path in kept)
    return {
        name: path.read_bytes()
        for path, name in names
        if not any(part.startswith(tuple(but)) for part in Path(name).parts)
    }


def test_what_is_looked_for_is_there(told: Told) -> None:
    for folder in (told.embedded.folder, told.kafka.folder):
        for own in (
            "jobcenter/jobcenter.sqlite",
            "jobcenter/uebergabe.sqlite",
            "youth_office/uebergabe.sqlite",
        ):
            assert CANARY.encode() in (folder / own).read_bytes(), own
        assert any(
            CANARY.encode() in content for content in files(folder / "youth_office" / "export").values()
        )


def test_the_embedded_hub_keeps_nothing_in_clear(told: Told) -> None:
    found = files(told.embedded.folder, but=OWN)
    assert {
        "hub/store.sqlite",
        "hub/log.sqlite",
        "hub/keys.sqlite",
        "jobcenter/state/source.sqlite",
    } <= found.keys()
    assert seen(told.embedded.simulation.world, found) == []


def test_processes_say_and_keep_nothing_in_clear(told: Told) -> None:
    """Logs of workers and connectors, what sources report, and their state."""
    found = files(told.kafka.folder, but=OWN)
    assert sum(len(content) for name, content in found.items() if name.endswith(".log")) > 1000
    assert seen(told.kafka.simulation.world, found) == []


def test_kafka_holds_nothing_in_clear(told: Told) -> None:
    """Every record of every topic, and every byte in the broker's folder."""
    records = {}
    for name in told.kafka.rig.parts.log.state(topic_names(told)):
        read = read_all(told.kafka.rig, name)
        records[name] = b"\n".join(
            b"\n".join((one.key, one.value, *(value for _, value in one.headers))) for one in read
        )
    assert sum(map(len, records.values())) > 100_000
    assert seen(told.kafka.simulation.world, records) == []
    assert [
        name for name, content in files(told.broker._folder.path).items() if CANARY.encode() in content
    ] == []


def topic_names(told: Told) -> list[str]:
    kinds = ("consents", "events", "register", "views", "receipts", "status")
    return ["hub.cases", *(f"agency.{agency}.{kind}" for agency in FOLDERS for kind in kinds)]


def test_postgresql_holds_nothing_in_clear(told: Told) -> None:
    """Every table of store and key service as a dump has it, and every byte in the server's folder, its log too."""
    dumps: dict[str, bytes] = {}
    for name in ("HUB_DATABASE_URL", "HUB_KEY_DATABASE_URL"):
        dumps |= dumped(told.kafka.rig.env[name])
    assert {"case_row", "consent_row", "view_state", "disclosure", "quarantine"} <= dumps.keys()
    assert len(dumps["case_row"]) > 10_000
    assert seen(told.kafka.simulation.world, dumps) == []
    with connected(told.server.url) as connection:
        connection.execute("CHECKPOINT")
    there = files(told.server._folder.path)
    assert any("pg_wal" in name for name in there)
    assert [name for name, content in there.items() if CANARY.encode() in content] == []


def connected(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def dumped(url: str) -> dict[str, bytes]:
    """Every table in PostgreSQL's binary form, in which text and bytes stand as they are."""
    with connected(url) as connection:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        names = [str(row[0]) for row in connection.execute(query)]
        found = {}
        for name in names:
            with connection.cursor().copy(f'COPY "{name}" TO STDOUT (FORMAT binary)') as copy:
                found[name] = b"".join(bytes(part) for part in copy)
    return found


def test_quarantine_metrics_and_logs_name_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Rows that nobody can read, with the canary in the very field that is wrong, at both offices."""
    demo = Demo(tmp_path, 6, SEED, canary=CANARY)
    registry = CollectorRegistry()
    counted = metrics(registry)
    registry.register(StoreCollector(demo.parts))
    demo.hub = Embedded(
        demo.parts, lambda stage, outcome: counted.record(stage, "agency.jc-seestadt.events", outcome, 0.1)
    )
    days = demo.simulation.days
    for spoil in (lambda folder, day: None, spoil_both):
        day = next(days)
        demo.simulation.write_day(day)
        spoil(tmp_path, day)
        demo.clock.set(datetime.combine(day, EVENING, tzinfo=BERLIN))
        demo.settle()
    assert sum(demo.outcome.source_quarantined.values()) >= 2

    counted.batched.release()
    said = {
        "metrics": generate_latest(registry),
        "status": status(tmp_path),
        "logged": caplog.text.encode(),
        "captured": "".join(capfd.readouterr()).encode(),
        "counts": json.dumps(demo.counts()).encode(),
    }
    assert b"hub_events_total" in said["metrics"]
    assert b"hub_quarantine_records" in said["metrics"]
    assert said["status"].count(b'"reason"') >= 2
    assert seen(demo.simulation.world, said | files(tmp_path, but=OWN)) == []
    demo.close()


def spoil_both(folder: Path, day: date) -> None:
    """A birth date that is none, in the jobcenter's database and in the youth office's export of that day."""
    with closing(sqlite3.connect(folder / "jobcenter" / "jobcenter.sqlite")) as connection, connection:
        changed = connection.execute(
            'UPDATE "T_PERSON" SET "GEBDAT" = ?, "GEAENDERT_AM" = ?', (CANARY, f"{day} 12:00:00.000000")
        )
        assert changed.rowcount > 1
    export = folder / "youth_office" / "export" / day.isoformat()
    lines = (export / "personen.csv").read_bytes().split(b"\r\n")
    cells = lines[1].split(b";")
    cells[3] = CANARY.encode()
    (export / "personen.csv").write_bytes(b"\r\n".join([lines[0], b";".join(cells), *lines[2:]]))
    rewrite_manifest(export)


def rewrite_manifest(export: Path) -> None:
    """As if the vendor's own export had written it so."""
    path = export / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for entry in manifest["files"]:
        entry["sha256"] = sha256((export / entry["file"]).read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest), encoding="utf-8")


def status(folder: Path) -> bytes:
    """What `hub connect status` says of both offices."""
    said = b""
    for office in FOLDERS.values():
        command = [
            sys.executable,
            "-m",
            "hub",
            "connect",
            "status",
            str(folder / office / "source.toml"),
            "--json",
        ]
        said += subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return said
