"""All that an agency can get hold of, as bytes: its topics, its staging tables, the pages of its workers.

What is random in every run (view ids, nonces, macs over them) is replaced by what it hides: a box counts by its size
and by the content in it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from prometheus_client import CollectorRegistry
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.sinks.staging import open_sink
from connectors.sinks.staging.config import StagingSettings
from hub.domain.seal import key_version, open_box, place
from hub.hosts.embedded import Embedded
from hub.ports import Key, KeyRef, Record
from hub.subjects.register_entries import ENTRY
from hub.views.record import APPEND_BY
from hub.web.app import create_app
from hub.web.viewers import FamilyChoice, Viewer, ViewerDirectory
from schemas import decode_single
from tests.support.world import FAMILY, JA, JC, Shown, World

WORKER = "w-co"
STAGED = ("fallbruecke_sicht", "fallbruecke_fassung", "fallbruecke_stand", "fallbruecke_unlesbar")
Seen = dict[str, list[Any]]


class Observer:
    """One agency, with its sink and its workers' browsers, at a world."""

    def __init__(self, world: World, agency: str) -> None:
        self.world, self.id = world, agency
        self._tables = f"sqlite:///{world.data}/staging-{agency}.sqlite"
        names = Pseudonyms(world.data / f"names-{agency}.sqlite")
        self._sink = open_sink(
            agency, StagingSettings(url=self._tables, batch=100), world.parts.keys, world.parts.log, names
        )

    def look(self) -> Seen:
        """Let the sink run, then look at everything."""
        self._sink.step(self.world.clock.now())
        Embedded(self.world.parts).run_until_quiet()
        seen: Seen = {
            "views": [self._view(one) for one in self.world.views(self.id)],
            "register": [self._entry(one) for one in self.world.records(f"agency.{self.id}.register")],
        }
        return seen | dict(self._staged()) | dict(self._pages())

    def close(self) -> None:
        self._sink.close()

    def _view(self, one: Shown) -> Any:
        said = {name: value for name, value in one.view.items() if name not in ("view_id", "parts")}
        boxes = [(part.subject, part.sender, part.size, orjson.dumps(part.content)) for part in one.parts]
        return _place(one.record), said, boxes, [key_version(part["box"]) for part in one.view["parts"]]

    def _entry(self, record: Record) -> Any:
        entry = decode_single(record.value)[1] if record.value else {}
        return _place(record), {**entry, "box": self._opened(entry) if entry.get("box") else None}

    def _opened(self, entry: Mapping[str, Any]) -> bytes:
        ref, version = KeyRef("proof", self.id, entry["subject_ref"]), key_version(entry["box"])
        key = self.world.parts.keys.opening([(ref, version)])[ref, version]
        where = place("register", ENTRY.fingerprint, entry["consent_id"].encode(), ref.subject, "CT", version)
        return open_box(key.cipher, entry["box"], where) if isinstance(key, Key) else b""

    def _staged(self) -> Iterator[tuple[str, list[Any]]]:
        engine = create_engine(self._tables)
        with engine.connect() as connection:
            for name in STAGED:
                rows = connection.execute(text(f"SELECT * FROM {name}")).mappings().all()  # noqa: S608
                yield name, [{k: v for k, v in row.items() if k != "thema_id"} for row in rows]
        engine.dispose()

    def _pages(self) -> Iterator[tuple[str, list[Any]]]:
        """Every role's pages of the family, of one that is not its own, and of none."""
        office = {JC: self.world.jc, JA: self.world.ja}[self.id]
        app = create_app(self.world.parts, directory(self.world, self.id), CollectorRegistry(), beat=0)
        for role in self.world.parts.agencies[self.id].roles:
            with TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False) as browser:
                browser.post("/ansicht", data={"viewer": role})
                answers = [browser.get(f"/fall/{office.case_key(name)}") for name in (FAMILY, "other")]
                yield f"page {role}", [(a.status_code, a.headers.raw, a.content) for a in answers]


def directory(world: World, agency: str) -> ViewerDirectory:
    """One simulated worker for each role, assigned to the one family."""
    office = {JC: world.jc, JA: world.ja}[agency]
    roles = world.parts.agencies[agency].roles
    return ViewerDirectory(
        viewers=tuple(Viewer(key=role, agency=agency, role=role, worker=WORKER) for role in roles),
        families={agency: (FamilyChoice(case_ref=office.case_key(FAMILY), label="Familie"),)},
        simulated=True,
    )


def _place(record: Record) -> tuple[Any, ...]:
    headers = [(name, _signed(value) if name == APPEND_BY else value) for name, value in record.headers]
    return record.partition, record.offset, record.key, record.timestamp, headers, len(record.value)


def _signed(value: bytes) -> tuple[bytes, int]:
    """The time, and the size of the hub's mac over the random bytes of the view."""
    at, _, mac = value.partition(b".")
    return at, len(mac)
