"""A house's connector as its host runs it, over a log and keys in files: what leaves it, and a life cut at any step."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson

from connectors.pipeline.config.connector import load_config
from connectors.pipeline.gate.judge import Judged
from connectors.pipeline.run.pipeline import build_source
from connectors.pipeline.run.report import StepReport
from connectors.pipeline.state.state import State
from connectors.tools.dry_run.offline import offline
from hub.adapters.keys.sql import SqlKeyStore
from hub.adapters.keys.wrapping import controller_kek
from hub.adapters.log.sqlite import SqliteLog
from hub.domain.clock import micros
from hub.domain.identifiers import AgencyKey
from hub.domain.seal import key_version, open_box, place, seal
from hub.failpoints import observed
from hub.ports import Key, KeyRef, Outgoing
from schemas import by_fingerprint, decode_single, encode_single, record_schema, topics

NOW, KEY, MASTER = datetime(2026, 11, 20, 20, tzinfo=UTC), AgencyKey(b"k" * 32), bytes(range(32))
CATEGORIES = ("ID", "HH", "LS", "LB", "EG", "HS", "KO", "BT")


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class Life:
    """One house in `folder`, whose `source.toml` is there; everybody in it has consented, says the register."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, load_config(folder / "source.toml")
        self.agency = self.config.agency
        kek = controller_kek(MASTER, self.agency)
        self._keys = SqlKeyStore.for_controller(f"sqlite:///{folder}/keys.sqlite", self.agency, kek)
        self._log = SqliteLog(folder / "log.sqlite")
        names = ("consents", "events", "register", "status")
        self._log.create({topics()[name].of(self.agency): 1 for name in names})

    def consent(self) -> None:
        """The register opens the gate for everybody of whom the house says anything."""
        with offline(self.config, KEY) as looking:
            found = [one.event for one in looking.judged(NOW) if isinstance(one, Judged)]
        for subject in sorted({event.subject_ref for event in found}):
            self._register(subject)

    def run(self, at: datetime, step: Callable[[str], None] = lambda _: None) -> list[StepReport]:
        """One life, until two steps find nothing; `step` is told of its steps."""
        with closing(build_source(self.config, KEY, self._keys, self._log)) as connector, passing(step):
            reports = [self._step(connector, at), self._step(connector, at)]
            while any(report.more or report.events for report in reports[-2:]):
                reports.append(self._step(connector, at))
        return reports

    def facts(self) -> list[tuple[Any, ...]]:
        """What left, each publication once."""
        return sorted({self._fact(decode_single(record.value)[1]) for record in self._sent()})

    def count(self) -> int:
        """How many records left."""
        return len(self._sent())

    def waiting(self) -> list[tuple[str, str]]:
        """Streams and reasons of what stands in quarantine."""
        with closing(State(self.config.state, lambda _: b"", alone=False)) as state:
            return sorted((entry.stream, entry.reason) for entry in state.quarantined())

    def close(self) -> None:
        self._log.close()
        self._keys.close()

    def _step(self, connector: Any, at: datetime) -> StepReport:
        self._entry(b"heartbeat", {"kind": "heartbeat", "at": micros(at)})
        report: StepReport = connector.step(at)
        return report

    def _sent(self) -> list[Any]:
        return [
            record
            for name in ("consents", "events")
            for record in self._log.read(topics()[name].of(self.agency), {0: 0}, 10_000)
        ]

    def _fact(self, envelope: Mapping[str, Any]) -> tuple[Any, ...]:
        schema, found = by_fingerprint(envelope["schema"]), dict[str, Any]()
        for category, box in envelope["boxes"].items():
            ref = KeyRef("proof" if category == "CT" else "box", self.agency, envelope["subject_ref"])
            version = key_version(box)
            key = self._keys.opening([(ref, version)])[ref, version]
            assert isinstance(key, Key)
            at = place(
                "event", schema.fingerprint, envelope["event_id"], envelope["subject_ref"], category, version
            )
            found |= schema.decode(open_box(key.cipher, box, at))
        return (
            envelope["event_type"],
            envelope["subject_ref"],
            envelope["event_id"].hex(),
            envelope["publication"],
            envelope["source_version"],
            repr(sorted(found.items())),
        )

    def _register(self, subject: str) -> None:
        ref, name = KeyRef("proof", self.agency, subject), f"c_{subject}"
        consent = {
            "name": name,
            "id": name,
            "sender": self.agency,
            "signed": True,
            "form": "written",
            "recipients": sorted({role.controller for role in self.config.recipients}),
            "recipient_workers": [],
            "purposes": ["joint_case_management"],
            "categories": CATEGORIES,
            "explicit_special": True,
            "notices": ["purpose", "refusal", "withdrawal"],
            "text_version": "1",
            "proof_hash": "sha256:0",
            "granted_at": (NOW - timedelta(days=1)).isoformat(),
            "valid_until": None,
            "withdrawn_at": None,
            "scoped_withdrawals": [],
        }
        key = self._keys.sealing([ref])[ref]
        bound = place(
            "register", record_schema("register").fingerprint, name.encode(), subject, "CT", key.version
        )
        box = seal(key.cipher, key.version, orjson.dumps(consent), bound)
        self._entry(
            name.encode(),
            {"kind": "consent", "at": micros(NOW), "consent_id": name, "subject_ref": subject, "box": box},
        )

    def _entry(self, key: bytes, entry: Mapping[str, Any]) -> None:
        empty = {"consent_id": None, "subject_ref": None, "key_version": None, "box": None}
        value = encode_single(record_schema("register"), empty | {"agency": self.agency} | dict(entry))
        self._log.append(topics()["register"].of(self.agency), [Outgoing(key, value)])


@contextmanager
def passing(step: Callable[[str], None]) -> Iterator[None]:
    """`step` is called wherever a life may be cut: at its fail points, where a transaction of its state begins and
    before it is committed, before and after a file has its new name."""

    @contextmanager
    def transaction(self: State) -> Iterator[object]:
        step("begin")
        with self.db:
            yield self.db
            step("commit")

    def renaming(name: str) -> Callable[..., Path]:
        plain = getattr(Path, name)

        def renamed(self: Path, target: Any) -> Path:
            step(name)
            found: Path = plain(self, target)
            step(f"{name}d")
            return found

        return renamed

    with ExitStack() as stack:
        stack.enter_context(observed(step))
        stack.enter_context(patch.object(State, "transaction", transaction))
        for name in ("replace", "rename"):
            stack.enter_context(patch.object(Path, name, renaming(name)))
        yield


def steps_of(life: Life, at: datetime) -> list[str]:
    """The steps of one whole life."""
    passed: list[str] = []
    life.run(at, passed.append)
    return passed


def cut(life: Life, number: int, at: datetime) -> None:
    """A life that ends at this step."""
    left = number

    def step(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    try:
        life.run(at, step)
    except Killed:
        return
    raise AssertionError(f"never came to step {number}")
