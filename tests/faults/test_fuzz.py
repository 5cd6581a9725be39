"""Envelopes with one strange member each, on a broker and PostgreSQL: nobody else's withdrawal waits for them.

`HUB_FUZZ_RECORDS` says how many (CI: 300, `make chaos`: 2,000), `HUB_FUZZ_SEED` repeats a run.
"""

import os
import random
import statistics
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from sqlalchemy import select

from hub.dev.servers import LocalKafka
from hub.domain.envelope import Envelope
from hub.errors import HubError
from hub.ports import Outgoing
from hub.store import tables
from schemas import encode_single, record_schema
from tests.support.dump import store_values
from tests.support.publisher import START, Publisher
from tests.support.stories import Families
from tests.support.workers import YOUTH_OFFICE, Rig, Running, report, rig

COUNT = int(os.environ.get("HUB_FUZZ_RECORDS", "300"))
SEED = int(os.environ.get("HUB_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
A_HUNDRED = 100
CANARY = "Kaninchenbau"
ODD = ("\0", "\x1b", "\n", "\x7f", "\u202e", "\u2028", "\ufeff", "\ue000", "\ufffe")
NUMBERS = (-(2**63), -(2**31) - 1, -1, 0, 2**31 - 1, 2**31, 2**53 + 1, 2**62, 2**63 - 1)
SCOPES = (
    "",
    "{",
    "null",
    "[]",
    "17",
    '"x"',
    "NaN",
    "[" * 20_000,
    '{"purposes": {}}',
    '{"purposes": [17, null]}',
    '{"recipients": ["\\ud800"]}',
    '{"categories": ["EG"], "categories": ["TM"]}',
    '{"x": 1e999}',
    CANARY,
    f'"{CANARY}"',
    f'{{"{CANARY}": 17}}',
    f'{{"purposes": "{CANARY}"}}',
    f'{{"purposes": {{"{CANARY}": []}}}}',
    f'{{"categories": ["{CANARY}\\u0000"]}}',
    f'{{"purposes": ["{CANARY * 9}"]}}',
    f'["{CANARY}"]',
    f"{CANARY}\n" * 400,
)
HEADERS = (
    ("received_at", b"9" * 5_000),
    ("received_at", b"-1"),
    ("received_at", b"9" * 400),
    ("crc32", b"\xff"),
    ("", b""),
    ("hub-unreadable", b"x" * 99),
    ("hub-unreadable", b"corrupt_batch"),
    ("n" * 200_000, b"1"),
    ("epoch", b"x" * 500_000),
    ("\0", b"\0"),
)
TEXTS = (
    "event_type",
    "controller_id",
    "legal_domain",
    "subject_ref",
    "case_ref",
    "norm",
    "task_norm",
    "attested_by",
    "entrusted_by",
    "task_class",
    "connection",
    "merges_with",
    "addressee",
    "consent_id",
)
LISTS = ("purposes", "consents", "disputed", "held")
INTEGERS = ("publication", "source_version")
TIMES = ("occurred_at", "recorded_at", "valid_from", "valid_to", "valid_until")


@dataclass(slots=True)
class Strange:
    """One record: the envelope with its strange member, and where it goes."""

    envelope: Envelope
    topic: str
    headers: tuple[tuple[str, bytes], ...] = ()
    key: bytes | None = None
    bytes_of: Callable[[bytes], bytes] = field(default=lambda value: value)

    def record(self) -> Outgoing:
        value = encode_single(record_schema("envelope"), self.envelope._asdict())
        name = self.envelope.subject_ref if self.topic == "consents" else self.envelope.case_ref
        key = name.encode() if self.key is None else self.key
        return Outgoing(key, self.bytes_of(value), self.headers)


class Fuzz:
    """Well-formed envelopes of the jobcenter, each of a stranger of its own, each with one strange member."""

    def __init__(self, made: Rig, seed: int) -> None:
        self._rig, self._random = made, random.Random(seed)  # noqa: S311 - a seed that repeats a run
        self._office: Publisher = made.publisher("jc-luenen")
        self._number = 0
        self.refused = 0

    def send(self, count: int) -> None:
        for _ in range(count):
            strange = self._strange()
            with suppress(HubError, ValueError, TypeError, OverflowError, AttributeError):
                record = strange.record()
                self._rig.parts.log.append(f"agency.jc-luenen.{strange.topic}", [record])
                continue
            self.refused += 1

    def _strange(self) -> Strange:
        good = self._good()
        ways = (
            self._length,
            self._character,
            self._invalid,
            self._integer,
            self._time,
            self._header,
            self._scope,
            self._fingerprint,
            self._list,
            self._fields,
            self._boxes,
            self._key,
        )
        return self._random.choice(ways)(good)

    def _good(self) -> Strange:
        """A record that would be taken as it is."""
        self._number += 1
        who, case, key = f"s{self._number}", f"sc{self._number}", f"k{self._number}"
        kinds: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = (
            ("MeasureStarted", {"norm": "16", "provider": "x"}, {"consents": ["c"]}),
            ("SubjectRecorded", {"birth_date": date(1990, 1, 1)}, {}),
            ("ConsentWithdrawn", {"consent_id": key}, {"consent_id": key}),
            ("IdentityLinkProposed", {"method": "pairing_code", "code": key, "member": 0}, {}),
            ("CustodyChanged", {"child": "p_1", "custodians": ["p_2"]}, {}),
        )
        event_type, payload, facts = self._random.choice(kinds)
        if self._random.random() < 0.2:
            self._office.grant(who, case, [YOUTH_OFFICE], consent=key)
            draft = self._office._drafts.pop()
        else:
            draft = self._office._add(event_type, who, case, payload, source_key=key, at=START, facts=facts)
            self._office._drafts.pop()
        ref = self._office._key_ref(draft)
        envelope = self._office._envelope(draft, self._rig.parts.keys.sealing([ref])[ref])
        return Strange(envelope, draft.schema.topic)

    def _with(self, good: Strange, **change: Any) -> Strange:
        good.envelope = good.envelope._replace(**change)
        return good

    def _length(self, good: Strange) -> Strange:
        size = self._random.choice((1001, 5_000, 70_000, 300_000))
        return self._with(good, **{self._random.choice(TEXTS): (CANARY * size)[:size]})

    def _character(self, good: Strange) -> Strange:
        text = CANARY + self._random.choice(ODD) + "x"
        return self._with(good, **{self._random.choice(TEXTS): text})

    def _invalid(self, good: Strange) -> Strange:
        """Bytes that are no UTF-8 in a text."""
        good.bytes_of = lambda value: value.replace(CANARY.encode(), b"\xff" * len(CANARY))
        return self._with(good, **{self._random.choice(TEXTS): CANARY})

    def _integer(self, good: Strange) -> Strange:
        return self._with(good, **{self._random.choice(INTEGERS): self._random.choice(NUMBERS)})

    def _time(self, good: Strange) -> Strange:
        return self._with(good, **{self._random.choice(TIMES): self._random.choice(NUMBERS)})

    def _header(self, good: Strange) -> Strange:
        good.headers = (self._random.choice(HEADERS),) * self._random.choice((1, 1, 2))
        return good

    def _scope(self, good: Strange) -> Strange:
        return self._with(good, scope=self._random.choice(SCOPES))

    def _fingerprint(self, good: Strange) -> Strange:
        others = (bytes(8), b"\xff" * 8, self._random.randbytes(8), record_schema("envelope").fingerprint)
        return self._with(good, schema=self._random.choice(others))

    def _list(self, good: Strange) -> Strange:
        texts = ([CANARY + "\0"], [""] * 3, ["x"] * 50_000, ["y" * 2_000], ["z", "z"])
        return self._with(good, **{self._random.choice(LISTS): list(self._random.choice(texts))})

    def _fields(self, good: Strange) -> Strange:
        fields = dict(good.envelope.fields)
        odd = (
            {"x" * 2_000: "EG"},
            {CANARY + "\0": "EG"},
            {"provider": "\0"},
            {f"f{n}": "EG" for n in range(5_000)},
        )
        return self._with(good, fields=fields | self._random.choice(odd))

    def _boxes(self, good: Strange) -> Strange:
        odd: Sequence[dict[str, bytes]] = (
            {},
            {"": b""},
            {"EG": b"\0"},
            {"\0": bytes(60)},
            {"EG": self._random.randbytes(100_000)},
        )
        return self._with(good, boxes=dict(good.envelope.boxes) | self._random.choice(odd))

    def _key(self, good: Strange) -> Strange:
        good.key = self._random.choice((b"", b"\0", b"\xff" * 50, b"k" * 100_000))
        return good


@pytest.fixture
def made(hub_kafka: LocalKafka, postgres: str, tmp_path: Path) -> Iterator[Rig]:
    with rig(hub_kafka.bootstrap, postgres, tmp_path) as one:
        yield one


def test_nobody_waits_for_strange_envelopes(made: Rig) -> None:
    rounds = max(1, COUNT // A_HUNDRED)
    report(f"fuzz: {COUNT} records, HUB_FUZZ_SEED={SEED}")
    families, fuzz = Families(made, rounds), Fuzz(made, SEED)
    families.meet()
    families.go_on()
    ports = [_free_port() for _ in range(3)]
    workers = [
        made.start(role, supervised=True, HUB_METRICS_PORT=str(port))
        for role, port in zip(("consents", "cases", "disclose"), ports, strict=True)
    ]
    made.until(lambda: all(families.version_shown(name) for name in families.names), "all views")
    seconds = [_round(made, families, fuzz, name) for name in families.names]
    made.until_quiet()
    report(
        f"fuzz: withdrawals took effect within {statistics.median(seconds):.2f} s (median),"
        f" {max(seconds):.2f} s (longest of {rounds}); {fuzz.refused} records the sender could not write;"
        f" quarantined: {_reasons(made)}"
    )
    assert all(worker.process.poll() is None for worker in workers)
    assert not _starts_again(workers)
    _nothing_in_clear(made, workers, ports)


def _round(made: Rig, families: Families, fuzz: Fuzz, name: str) -> float:
    """A hundred strange records, then an innocent family's withdrawal; how long it took."""
    fuzz.send(min(A_HUNDRED, COUNT))
    at = START + timedelta(days=1)
    families.jobcenter.withdraw(name, name, families.consents[name], at=at)
    began = time.monotonic()
    families.jobcenter.flush()
    made.until(lambda: not families.version_shown(name), f"the withdrawal of family {name}")
    return time.monotonic() - began


def _reasons(made: Rig) -> dict[str, int]:
    with made.parts.store.transaction() as connection:
        q = tables.quarantine.c
        counted = Counter(connection.execute(select(q.stage + " " + q.reason)).scalars())
    return dict(sorted(counted.items()))


def _starts_again(workers: Sequence[Running]) -> list[dict[str, Any]]:
    """Ends of a process because of a record: an outage is none of them."""
    return [line for worker in workers for line in worker.said("worker.left") if line.get("exit_code") != 69]


def _nothing_in_clear(made: Rig, workers: Sequence[Running], ports: Sequence[int]) -> None:
    canary = CANARY.encode()
    for worker in workers:
        assert CANARY not in worker.log.read_text(), "in a log"
    for port in ports:
        with closing(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30)) as answer:
            assert canary not in answer.read(), "in a metric"
    found = [value[:80] for value in store_values(made.parts) if canary in value]
    assert not found, "in the store"


def _free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
