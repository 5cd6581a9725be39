"""What the hub would deliver to an office, for the tests of sinks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import create_engine, text

from connectors.pipeline.publish.pseudonyms import Local, Pseudonyms
from hub.domain.clock import micros
from hub.domain.seal import place, seal
from hub.ports import KeyRef, Outgoing
from schemas import decode_single, encode_single, record_schema, topics

JC, CASE, PERSON = "jc-seestadt", "f_case", "p_person"
VIEW = record_schema("view")


class Views:
    """What the hub would deliver to the jobcenter."""

    def __init__(self, offices: Any) -> None:
        self.offices, self.keys = offices, offices.keys(JC)
        self.now = datetime.now(UTC)
        self.sink = offices.sink(JC)
        names = Pseudonyms(offices.root / "jobcenter" / "state" / "pseudonyms.sqlite")
        names.add({CASE: Local("case", "33107BG0000001"), PERSON: Local("person", "331A055433")})
        names.close()

    def send(
        self,
        version: int,
        place_: str = "Hafen",
        *,
        role: str = "jc_case_manager",
        minutes: int = 60,
        removed: bool = False,
        generation: int = 1,
    ) -> None:
        view_id = version.to_bytes(16, "big")
        ref = KeyRef("view", JC, PERSON, "ja-seestadt")
        key = self.keys.sealing([ref])[ref]
        entry = {
            "type": "HelpStarted",
            "id": "r1",
            "occurred_at": "2026-10-01T00:00:00+02:00",
            "fields": {"place": place_, "paragraph": "31"},
            "marked": ["place"],
        }
        content = orjson.dumps({"entries": [entry], "withheld": ["HP"]})
        bound = place("view", VIEW.fingerprint, view_id, PERSON, "ja-seestadt", key.version)
        part = {
            "subject_ref": PERSON,
            "sender": "ja-seestadt",
            "box": seal(key.cipher, key.version, content, bound),
        }
        view = {
            "view_id": view_id,
            "recipient": JC,
            "role": role,
            "case_ref": CASE,
            "generation": generation,
            "version": version,
            "as_of": micros(self.now),
            "not_after": micros(self.now + timedelta(minutes=minutes)),
            "removed": removed,
            "parts": [] if removed else [part],
            "policy_version": "x",
        }
        self.raw(encode_single(VIEW, view))

    def raw(self, value: bytes) -> None:
        self.offices.log.append(topics()["views"].of(JC), [Outgoing(CASE.encode(), value)])

    def step(self) -> dict[str, int]:
        return dict(self.sink.step(self.now).answers)

    def rows(self, table: str = "fallbruecke_aktuell") -> list[Any]:
        engine = create_engine(f"sqlite:///{self.offices.root}/jobcenter/uebergabe.sqlite")
        with engine.connect() as connection:
            found = connection.execute(text(f"SELECT * FROM {table} ORDER BY feld")).mappings().all()  # noqa: S608
        engine.dispose()
        return list(found)

    def receipts(self) -> list[str]:
        records = self.offices.log.read(topics()["receipts"].of(JC), {0: 0, 1: 0}, 1000)
        return [decode_single(record.value)[1]["answer"] for record in records]
