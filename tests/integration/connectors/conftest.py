"""Two simulated agencies on disk, log and keys in SQLite, and connectors that a test may step and break."""

import base64
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.run.pipeline import Connector, build_sink, build_source
from connectors.pipeline.run.report import StepReport
from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.wrapping import as_text, controller_kek
from hub.adapters.log.sqlite import SqliteLog
from hub.dev.simulate import Simulation
from hub.domain.clock import micros
from hub.domain.identifiers import AgencyKey
from hub.domain.seal import key_version, open_box, place, seal
from hub.ports import EventLog, Key, KeyRef, Outgoing
from schemas import by_fingerprint, decode_single, encode_single, record_schema, topics

START = date(2026, 11, 16)
EXAMPLES = Path(__file__).parents[3] / "hub" / "dev" / "simulate" / "connectors"
FOLDERS = {"jc-seestadt": "jobcenter", "ja-seestadt": "youth_office"}
MASTER = bytes(range(32))
CANARY = "ZZCANARYZZ"
STRANGE = "ZZSTRANGE"


def evening(day: int) -> datetime:
    """After the export of that day of the story."""
    return datetime(2026, 11, 16, 20, tzinfo=UTC) + timedelta(days=day)


class Offices:
    """Everything of both agencies, in one folder."""

    def __init__(self, root: Path, families: int = 6, canary: str | None = None, url: str = "") -> None:
        self.root = root
        for folder in FOLDERS.values():
            (root / folder).mkdir(parents=True)
            shutil.copy(EXAMPLES / folder / "source.toml", root / folder)
            shutil.copy(EXAMPLES / folder / "sink.toml", root / folder)
        self.export = root / "youth_office" / "export"
        self.database = root / "jobcenter" / "jobcenter.sqlite"
        where = url or f"sqlite:///{self.database}"
        self._simulation = Simulation(families, 7, START, where, self.export, canary=canary)
        self.log: EventLog = SqliteLog(root / "log.sqlite")
        names = ("consents", "events", "register", "views", "receipts", "status")
        self.log.create({topics()[name].of(agency): 2 for agency in FOLDERS for name in names})
        self._open: list[Any] = []

    def write_day(self, day: int) -> None:
        self._simulation.write_day(START + timedelta(days=day))

    def keys(self, agency: str) -> SqlKeyStore:
        kek = controller_kek(MASTER, agency)
        return SqlKeyStore.for_controller(f"sqlite:///{self.root}/keys.sqlite", agency, kek)

    def edit(self, agency: str, change: Callable[[str], str], file: str = "source.toml") -> None:
        """Change an agency's configuration."""
        path = self.root / FOLDERS[agency] / file
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    def source(self, agency: str) -> Connector:
        config = load_config(self.root / FOLDERS[agency] / "source.toml")
        connector = build_source(config, AgencyKey(agency.encode() * 3), self.keys(agency), self.log)
        self._open.append(connector)
        return connector

    def sink(self, agency: str) -> Any:
        config = load_config(self.root / FOLDERS[agency] / "sink.toml")
        sink = build_sink(config, self.keys(agency), self.log)
        self._open.append(sink)
        return sink

    def beat(self, at: datetime) -> None:
        """The hub's heartbeat in both registers."""
        for agency in FOLDERS:
            self._entry(agency, b"heartbeat", {"kind": "heartbeat", "at": micros(at)})

    def register(self, agency: str, subject: str, consent: Mapping[str, Any], at: datetime) -> None:
        """The hub tells a gate about a consent, under the name that it has for it."""
        name = consent.get("name", consent["id"])
        ref = KeyRef("proof", agency, subject)
        key = self.keys(agency).sealing([ref])[ref]
        bound = place(
            "register",
            record_schema("register").fingerprint,
            name.encode(),
            subject,
            "CT",
            key.version,
        )
        box = seal(key.cipher, key.version, orjson.dumps(consent), bound)
        entry = {
            "kind": "consent",
            "at": micros(at),
            "consent_id": name,
            "subject_ref": subject,
            "box": box,
        }
        self._entry(agency, name.encode(), entry)

    def new_key(self, agency: str, subject: str, version: int, at: datetime) -> None:
        entry = {"kind": "key", "at": micros(at), "subject_ref": subject, "key_version": version}
        self._entry(agency, f"key {subject}".encode(), entry)

    def erased(self, agency: str, subject: str, at: datetime) -> None:
        """The hub says that what there was of the subject until then has ended."""
        self._entry(
            agency, f"erased {subject}".encode(), {"kind": "erased", "at": micros(at), "subject_ref": subject}
        )

    def close_all(self) -> None:
        """End every connector's life."""
        for part in self._open:
            part.close()
        self._open.clear()

    def _entry(self, agency: str, key: bytes, entry: Mapping[str, Any]) -> None:
        empty = {"consent_id": None, "subject_ref": None, "key_version": None, "box": None}
        value = encode_single(record_schema("register"), empty | {"agency": agency} | dict(entry))
        self.log.append(topics()["register"].of(agency), [Outgoing(key, value)])

    def step(self, connector: Connector, at: datetime) -> StepReport:
        """One step with a fresh register; the counts balance."""
        self.beat(at)
        report = connector.step(at)
        assert report.events == report.published + sum(report.withheld.values()) + sum(
            report.source_quarantined.values()
        )
        return report

    def envelopes(self, agency: str, *names: str) -> list[dict[str, Any]]:
        """Everything published, in order per partition."""
        records = [
            record
            for name in names or ("consents", "events")
            for record in self.log.read(topics()[name].of(agency), {0: 0, 1: 0}, 100_000)
        ]
        return [decode_single(record.value)[1] for record in records]

    def content(self, agency: str, envelope: Mapping[str, Any]) -> dict[str, Any]:
        """The payload of an envelope, opened box by box at its place."""
        schema, found = by_fingerprint(envelope["schema"]), dict[str, Any]()
        for category, box in envelope["boxes"].items():
            ref = KeyRef("proof" if category == "CT" else "box", agency, envelope["subject_ref"])
            version = key_version(box)
            key = self.keys(agency).opening([(ref, version)])[ref, version]
            assert isinstance(key, Key)
            bound = place(
                "event", schema.fingerprint, envelope["event_id"], envelope["subject_ref"], category, version
            )
            part = schema.decode(open_box(key.cipher, box, bound))
            assert all(envelope["fields"][name] == category for name in part)
            found |= part
        assert found.keys() == envelope["fields"].keys()
        return found

    def facts(self, agency: str) -> list[tuple[Any, ...]]:
        """What was published, comparable between runs: nonces and times of recording aside, each number once."""
        found = {
            (
                e["event_id"].hex(),
                e["publication"],
                e["event_type"],
                e["subject_ref"],
                e["source_version"],
                tuple(e["consents"]),
                repr(sorted(self.content(agency, e).items())),
            )
            for e in self.envelopes(agency)
        }
        return sorted(found)

    def close(self) -> None:
        for part in self._open:
            with suppress(Exception):
                part.close()
        self.log.close()


def rewrite_manifest(folder: Path) -> None:
    """Describe the files as they are now."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for entry in manifest["files"]:
        content = (folder / entry["file"]).read_bytes()
        entry["sha256"], entry["rows"] = sha256(content).hexdigest(), content.count(b"\r\n") - 1
    path.write_text(json.dumps(manifest), encoding="utf-8")


def renamed(toml: str, columns: frozenset[str]) -> str:
    """The configuration with every column called otherwise; names of code tables stay."""
    names = "|".join(sorted(map(re.escape, columns), key=len, reverse=True))
    return re.sub(rf'(?<!codes = )"({names})"', r'"Neu_\1"', toml)


@pytest.fixture
def make_offices(tmp_path: Path) -> Iterator[Callable[..., Offices]]:
    made: list[Offices] = []

    def make(name: str = "offices", **options: Any) -> Offices:
        made.append(Offices(tmp_path / name, **options))
        return made[-1]

    yield make
    for offices in made:
        offices.close()


@pytest.fixture
def offices(make_offices: Callable[..., Offices]) -> Offices:
    return make_offices()


@pytest.fixture
def tools() -> Any:
    """Functions that tests share."""

    class Tools:
        evening = staticmethod(evening)
        rewrite_manifest = staticmethod(rewrite_manifest)
        renamed = staticmethod(renamed)
        canary = CANARY
        agencies = FOLDERS

    return Tools


@pytest.fixture
def house(offices: Any, tools: Any) -> Path:
    """The jobcenter on its first evening, with key files, and one code that no table knows."""
    return _furnished(offices, tools, "jc-seestadt")


@pytest.fixture
def youth_house(offices: Any, tools: Any) -> Path:
    """The youth welfare office on the same evening."""
    return _furnished(offices, tools, "ja-seestadt")


def _furnished(offices: Any, tools: Any, agency: str) -> Path:
    structlog.reset_defaults()
    offices.write_day(0)
    offices.beat(tools.evening(0))
    folder: Path = offices.root / FOLDERS[agency]
    for name, content in (
        ("agency.key", base64.b64encode(b"k" * 32).decode()),
        ("controller.kek", as_text(controller_kek(MASTER, agency))),
        ("clock", tools.evening(0).isoformat()),
    ):
        (folder / name).write_text(content, encoding="ascii")
        (folder / name).chmod(0o600)
    offices.edit(agency, _beside)
    return folder / "source.toml"


def _beside(toml: str) -> str:
    toml = toml.replace('path = "log.sqlite"', 'path = "../log.sqlite"')
    toml = toml.replace('"sqlite:///keys.sqlite"', '"sqlite:///../keys.sqlite"')
    return toml.replace("[connector]\n", '[connector]\nclock_file = "clock"\n')


@pytest.fixture
def break_a_code(offices: Any) -> Any:
    """Writes a person's sex as a code of no table; the value it had comes back as an answer."""

    def write(value: str = STRANGE) -> str:
        with closing(sqlite3.connect(offices.database)) as db, db:
            first = "WHERE rowid = (SELECT min(rowid) FROM T_PERSON)"
            (old,) = db.execute(f"SELECT GESCHLECHT FROM T_PERSON {first}").fetchone()  # noqa: S608  our own words
            db.execute(f"UPDATE T_PERSON SET GESCHLECHT = ? {first}", (value,))  # noqa: S608
            return str(old)

    return write
