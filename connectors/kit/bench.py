"""One connector on the bench: its system, its configuration, a log, keys, and everything that left."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from connectors.contract import Rereading, Source, Spec
from connectors.kit.trial import COLUMNS, Tables, Trial
from connectors.pipeline.config.connector import ConnectorConfig, parse_config
from connectors.pipeline.publish.keyring import Keys, naming
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.run.pipeline import Connector, gate
from connectors.pipeline.run.report import StepReport
from connectors.pipeline.state.backfill_requests import Backfills
from connectors.pipeline.state.state import State
from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.wrapping import controller_kek
from hub.adapters.log.sqlite import SqliteLog
from hub.domain.clock import micros
from hub.domain.identifiers import AgencyKey
from hub.domain.seal import key_version, open_box, place
from hub.ports import Key, KeyRef, Outgoing
from schemas import by_fingerprint, decode_single, encode_single, record_schema, topics

AGENCY, OTHER = "amt-pruefstand", "amt-gegenueber"
CANARY = "Zzkanarienvogel"
MASTER = bytes(range(32))
LATEST = 100_000
SENT = ("consents", "events")

Sent = Mapping[str, int]
"""Topic → how many records."""
NOTHING: Sent = {}

Build = Callable[[ConnectorConfig, State, AgencyKey], Source]


class Candidate(NamedTuple):
    """What is examined: how it is built, what it says of itself, and a system to read."""

    name: str
    build: Build
    spec: Spec
    trial: type[Trial]


class Fact(NamedTuple):
    """One publication, comparable between runs."""

    record: bytes
    event_id: bytes
    publication: int
    type: str
    version: int
    content: str


def evening(day: int) -> datetime:
    """Eight in the evening (UTC) of a day of the trial."""
    return datetime(2026, 11, 16, 20, tzinfo=UTC) + timedelta(days=day)


def families(count: int, *, name: str = CANARY) -> dict[str, list[dict[str, str]]]:
    """Adults who have consented, and as many who have not."""
    people = [
        {
            "number": f"P{n:07d}",
            "family": f"F{n:07d}",
            "name": f"{name} {n}",
            "born": "1990-02-28",
            "since": "2026-10-01 08:00:00",
            "remark": f"{name} says",
        }
        for n in range(count)
    ]
    consents = [
        {
            "number": f"C{n:07d}",
            "person": f"P{n:07d}",
            "family": f"F{n:07d}",
            "granted": "2026-10-02 09:00:00",
        }
        for n in range(0, count, 2)
    ]
    return {"people": people, "consents": consents}


def mapping(trial: Trial) -> dict[str, Any]:
    """The streams of the kit, with what the kind wants of each."""
    consent = {
        "id": "number",
        "sender": {"constant": AGENCY},
        "recipients": {"constant": [OTHER]},
        "purposes": {"constant": ["joint_case_management"]},
        "categories": {"constant": ["ID"]},
        "form": {"constant": "written"},
        "notices": {"constant": ["purpose", "refusal", "withdrawal"]},
        "text_version": {"constant": "2026-06"},
        "proof_hash": {"constant": "sha256:0"},
        "granted_at": "granted",
        "granted_by": {"column": "person", "person": True},
    }
    person = {"subject": "number", "case": "family", "occurred_at": "since"}
    people = [
        {
            "type": "SubjectRecorded",
            **person,
            "fields": {"birth_date": "born", "capable": {"constant": True}},
        },
        {"type": "PersonRegistered", **person, "fields": {"names": "name", "birth_date": "born"}},
    ]
    granted = {"type": "ConsentGranted", "subject": "person", "case": "family", "occurred_at": "granted"}
    return {
        "people": {"key": "number", "events": people, **trial.streams["people"]},
        "consents": {
            "key": "number",
            "events": [{**granted, "fields": consent}],
            **trial.streams["consents"],
        },
    }


class Bench:
    """A fresh system with a fresh connector in `folder`. `own`: the agency's keys, of which `key` is the first."""

    def __init__(self, candidate: Candidate, folder: Path, *, batch: int = 3) -> None:
        self.candidate, self.folder = candidate, folder
        (folder / "system").mkdir(parents=True)
        self.trial, self._there = candidate.trial(folder / "system"), True
        self.key = AgencyKey(b"the agency's own key" * 2)
        self.own: Keys = self.key
        self._log = SqliteLog(folder / "log.sqlite")
        self._log.create({topics()[name].of(AGENCY): 1 for name in ("consents", "events", "register")})
        self._keys = SqlKeyStore.for_controller(
            f"sqlite:///{folder}/keys.sqlite", AGENCY, controller_kek(MASTER, AGENCY)
        )
        role = {"controller": OTHER, "kind": "youth_welfare", "role": "ja_asd", "undertaking": False}
        self.raw: dict[str, Any] = {
            "agency": {"id": AGENCY, "kind": "jobcenter"},
            "connector": {
                "kind": candidate.spec.kind,
                "state": "../state.sqlite",
                "pseudonyms": "../pseudonyms.sqlite",
                "batch": batch,
            },
            "recipients": [role],
            "settings": dict(self.trial.settings),
            "streams": mapping(self.trial),
        }

    def write(self, tables: Tables, day: int, *, stamped: datetime | None = None) -> None:
        """The system holds these rows from that evening on."""
        self.trial.write(tables, evening(day), stamped or evening(day))

    def stop(self) -> None:
        """The system is away."""
        self.trial.stop()
        self._there = False

    def start(self) -> None:
        self.trial.start()
        self._there = True

    def config(self, raw: Mapping[str, Any] | None = None) -> ConnectorConfig:
        return parse_config(raw or self.raw, self.folder / "system")

    @contextmanager
    def source(self, raw: Mapping[str, Any] | None = None) -> Iterator[tuple[Source, State]]:
        """The source alone, with the state it keeps between lives."""
        config = self.config(raw)
        state = self._state(config)
        try:
            source = self.candidate.build(config, state, self.key)
            try:
                yield source, state
            finally:
                source.close()
        finally:
            state.close()

    @contextmanager
    def life(self, raw: Mapping[str, Any] | None = None) -> Iterator[Connector]:
        """The whole connector, until this life ends."""
        config = self.config(raw)
        state = self._state(config)
        try:
            source = self.candidate.build(config, state, self.key)
            pseudonyms = Pseudonyms(config.pseudonyms)
            try:
                yield Connector(
                    config,
                    source,
                    naming(self.own, pseudonyms),
                    state=state,
                    pseudonyms=pseudonyms,
                    keys=self._keys,
                    log=self._log,
                    judge=gate(config),
                )
            finally:
                source.close()
                pseudonyms.close()
        finally:
            state.close()

    def step(self, connector: Connector, at: datetime) -> StepReport:
        """One step, the register being fresh."""
        self.beat(at)
        return connector.step(at)

    def all(self, day: int) -> list[StepReport]:
        """A life that reads everything there is."""
        with self.life() as connector:
            reports = [self.step(connector, evening(day))]
            while reports[-1].more or reports[-1].events:
                reports.append(self.step(connector, evening(day)))
        return reports

    def beat(self, at: datetime) -> None:
        """The hub says that its register is up to date."""
        entry = {
            "kind": "heartbeat",
            "at": micros(at),
            "agency": AGENCY,
            "consent_id": None,
            "subject_ref": None,
            "key_version": None,
            "box": None,
        }
        self._log.append(
            topics()["register"].of(AGENCY),
            [Outgoing(b"heartbeat", encode_single(record_schema("register"), entry))],
        )

    def sent(self) -> Sent:
        """How much left so far."""
        return {name: len(self._log.read(topics()[name].of(AGENCY), {0: 0}, LATEST)) for name in SENT}

    def facts(self, after: Sent = NOTHING) -> list[Fact]:
        """What left, each publication once."""
        return sorted({self._fact(envelope) for envelope in self._envelopes(after)})

    def newest(self, after: Sent = NOTHING) -> dict[bytes, tuple[str, str]]:
        """Record → type and content, as a reader ends up with them."""
        found = sorted(self.facts(after), key=lambda fact: (fact.version, fact.publication))
        return {fact.record: (fact.type, fact.content) for fact in found}

    def ask_again(self, at: datetime) -> bool:
        """Ask for all streams once more; whether the source can give them."""
        with self.source() as (source, state):
            able = isinstance(source, Rereading) and set(COLUMNS) <= set(source.rereadable())
            if able:
                with state.transaction():
                    Backfills(state.db).ask(COLUMNS, None, micros(at))
            return able

    def under_way(self) -> bool:
        """Whether something is still to be given once more."""
        with closing(State(self.config().state, lambda _: b"", alone=False)) as state:
            return bool(Backfills(state.db).open())

    def waiting(self) -> list[str]:
        """Reasons of what stands in quarantine."""
        with closing(State(self.config().state, lambda _: b"", alone=False)) as state:
            return [entry.reason for entry in state.quarantined()]

    def close(self) -> None:
        if self._there:
            with suppress(OSError):  # it was never written to: there is nothing to take away
                self.stop()
        self._log.close()
        self._keys.close()

    def _state(self, config: ConnectorConfig) -> State:
        return State(config.state, lambda row_key: self.key.row_hash(b"key" + row_key.encode()))

    def _envelopes(self, after: Sent = NOTHING) -> Iterator[Mapping[str, Any]]:
        for name in SENT:
            for record in self._log.read(topics()[name].of(AGENCY), {0: after.get(name, 0)}, LATEST):
                yield decode_single(record.value)[1]

    def _fact(self, envelope: Mapping[str, Any]) -> Fact:
        schema, found = by_fingerprint(envelope["schema"]), dict[str, Any]()
        for category, box in envelope["boxes"].items():
            ref = KeyRef("proof" if category == "CT" else "box", AGENCY, envelope["subject_ref"])
            version = key_version(box)
            key = self._keys.opening([(ref, version)])[ref, version]
            if not isinstance(key, Key):
                raise TypeError(type(key).__name__)
            at = place(
                "event", schema.fingerprint, envelope["event_id"], envelope["subject_ref"], category, version
            )
            found |= schema.decode(open_box(key.cipher, box, at))
        return Fact(
            envelope["record_ref"],
            envelope["event_id"],
            envelope["publication"],
            envelope["event_type"],
            envelope["source_version"],
            repr(sorted(found.items())),
        )


def columns(stream: str) -> Sequence[str]:
    return COLUMNS[stream]
