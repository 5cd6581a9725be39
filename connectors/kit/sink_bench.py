"""One sink on the bench: its target, its configuration, a log with views as a hub delivers them, and keys."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from connectors.contract import Sink, Spec
from connectors.kit.bench import AGENCY, CANARY, LATEST, MASTER, OTHER
from connectors.kit.trial import Shown, SinkTrial
from connectors.pipeline.config.connector import ConnectorConfig, parse_config
from connectors.pipeline.publish.pseudonyms import Local, Pseudonyms
from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.wrapping import controller_kek
from hub.adapters.log.sqlite import SqliteLog
from hub.domain.clock import micros
from hub.domain.seal import place, seal
from hub.ports import EventLog, KeyRef, KeyStore, Outgoing
from schemas import decode_single, encode_single, record_schema, topics

VIEW = record_schema("view")
LEASE = timedelta(hours=1)
CASES = {"f_one": "33107BG0000001", "f_two": "33107BG0000002"}
"""Pseudonym → the agency's own number, which the sink's pseudonyms know."""
PERSON = "p_one"
ROLE = "jc_case_manager"
Values = Mapping[str, str]

BuildSink = Callable[[ConnectorConfig, KeyStore, EventLog, Pseudonyms], Sink]


class SinkCandidate(NamedTuple):
    """What is examined: how it is built, what it says of itself, and a target to write to."""

    name: str
    build: BuildSink
    spec: Spec
    trial: type[SinkTrial]


class SinkBench:
    """A fresh target with a fresh sink in `folder`."""

    def __init__(self, candidate: SinkCandidate, folder: Path) -> None:
        self.candidate, self.folder = candidate, folder
        (folder / "system").mkdir(parents=True)
        self.trial, self._there = candidate.trial(folder / "system"), True
        self._log = SqliteLog(folder / "log.sqlite")
        self._log.create({topics()[name].of(AGENCY): 1 for name in ("views", "receipts")})
        keys = f"sqlite:///{folder}/keys.sqlite"
        self.keys = SqlKeyStore.for_controller(keys, AGENCY, controller_kek(MASTER, AGENCY))
        names = Pseudonyms(folder / "pseudonyms.sqlite")
        names.add({ref: Local("case", number) for ref, number in CASES.items()})
        names.add({PERSON: Local("person", "331A055433")})
        names.close()
        self.raw: dict[str, Any] = {
            "agency": {"id": AGENCY, "kind": "jobcenter"},
            "connector": {
                "kind": candidate.spec.kind,
                "state": "../state.sqlite",
                "pseudonyms": "../pseudonyms.sqlite",
            },
            "settings": dict(self.trial.settings),
        }

    def send(
        self,
        version: int,
        values: Values,
        *,
        case: str = "f_one",
        worker: str | None = None,
        lease: timedelta = LEASE,
        removed: bool = False,
    ) -> None:
        """The hub delivers a view of one record with these fields."""
        view_id, now = version.to_bytes(16, "big"), datetime.now(UTC)
        view = {
            "view_id": view_id,
            "recipient": AGENCY,
            "role": ROLE,
            "worker": worker,
            "case_ref": case,
            "generation": 1,
            "version": version,
            "as_of": micros(now),
            "not_after": micros(now + lease),
            "removed": removed,
            "parts": [] if removed else [self._part(view_id, values)],
            "policy_version": "kit",
        }
        self._log.append(topics()["views"].of(AGENCY), [Outgoing(case.encode(), encode_single(VIEW, view))])

    def _part(self, view_id: bytes, values: Values) -> dict[str, Any]:
        ref = KeyRef("view", AGENCY, PERSON, OTHER)
        key = self.keys.sealing([ref])[ref]
        entry = {
            "type": "HelpStarted",
            "id": "r1",
            "occurred_at": "2026-10-01T00:00:00+02:00",
            "fields": values,
            "marked": [],
        }
        content = orjson.dumps({"entries": [entry], "withheld": []})
        bound = place("view", VIEW.fingerprint, view_id, PERSON, OTHER, key.version)
        return {
            "subject_ref": PERSON,
            "sender": OTHER,
            "box": seal(key.cipher, key.version, content, bound),
        }

    def config(self, raw: Mapping[str, Any] | None = None) -> ConnectorConfig:
        return parse_config(raw or self.raw, self.folder / "system")

    @contextmanager
    def life(self, raw: Mapping[str, Any] | None = None) -> Iterator[Sink]:
        """The sink, until this life ends."""
        config = self.config(raw)
        sink = self.candidate.build(config, self.keys, self._log, Pseudonyms(config.pseudonyms))
        try:
            yield sink
        finally:
            sink.close()

    def step(self) -> Mapping[str, int]:
        """A life of one step: answer → how many views."""
        with self.life() as sink:
            return dict(sink.step(datetime.now(UTC)).answers)

    def shown(self, case: str = "f_one", worker: str = "") -> Values:
        """Field → value, as the agency's people find them now."""
        return {
            row.field: row.value
            for row in self.trial.shown(datetime.now(UTC))
            if (row.case, row.worker) == (CASES[case], worker)
        }

    def rows(self) -> Sequence[Shown]:
        return sorted(self.trial.shown(datetime.now(UTC)))

    def receipts(self) -> list[str]:
        """The answers that the hub was given, in order."""
        records = self._log.read(topics()["receipts"].of(AGENCY), {0: 0}, LATEST)
        return [decode_single(record.value)[1]["answer"] for record in records]

    def stop(self) -> None:
        """The target is away."""
        self.trial.stop()
        self._there = False

    def start(self) -> None:
        self.trial.start()
        self._there = True

    def close(self) -> None:
        if self._there:
            with suppress(OSError):  # nothing was ever written to it
                self.stop()
        self._log.close()
        self.keys.close()


def sentence(text: str = "Höhe über Normal") -> dict[str, str]:
    """The fields of a view of which one may tell nobody."""
    return {"place": text, "remark": CANARY}
