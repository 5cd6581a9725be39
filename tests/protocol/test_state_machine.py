"""Stories nobody thought of: whatever happens in whatever order, the invariants hold after every run.

Whatever happens: grants, withdrawals, links, splits, erasures, crashes, rebuilds, and backups that are put back.
I1 every admitted record is projected once, and shown to whom it may be · I2 a rebuilt model equals the live one · I3
nothing is released without a consent that is valid then · I4 no content stands anywhere in clear.
`HUB_STORIES` sets how many stories are told.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import orjson
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.domain.envelope import Envelope
from hub.failpoints import observed
from hub.hosts.embedded import Embedded
from hub.operations.audit.verify import verify
from hub.operations.rebuild import rebuild
from hub.operations.recover import resume
from hub.ports import RecordPosition
from tests.protocol.homes import Files, Home
from tests.protocol.story import CANARY, CHILD_BORN, Declared, Story, TakenBack, Told
from tests.support.world import CHILD, JA, JC, MOTHER, NOW, CrashError, Shown

STORIES = int(os.environ.get("HUB_STORIES", "25"))
ROLES = {JA: "ja_asd", JC: "jc_case_manager"}
KINDS = {
    "measure": (JC, "MeasureStarted", "provider", "EG"),
    "milestone": (JC, "MilestoneReached", "code", "IN"),
    "help": (JA, "HelpStarted", "provider", "HS"),
    "name at jc": (JC, "PersonRegistered", "names", "ID"),
    "name at ja": (JA, "PersonRegistered", "names", "ID"),
}
ALL = frozenset({"EG", "IN", "HS", "ID"})
POINTS = [
    "consents.in_transaction",
    "admit.after_produce",
    "admit.in_transaction",
    "project.in_transaction",
    "disclose.between",
    "disclose.after_produce",
    "disclose.in_transaction",
]
people = st.sampled_from([MOTHER, CHILD])
agencies = st.sampled_from([JC, JA])
numbers = st.integers(0, 1)
some = st.sets(st.sampled_from(["EG", "IN", "HS", "ID"]), min_size=1).map(frozenset)


class Stories(RuleBasedStateMachine):
    """The hub beside the oracle."""

    at_home: Callable[[], Home] = Files

    @initialize()
    def begin(self) -> None:
        self.home = self.at_home()
        self.world, self.story = self.home.open(NOW), Story()
        self.office = {JC: self.world.jc, JA: self.world.ja}
        self.saved = self.decided_twice = False
        self.count, self.quiet = 0, True
        self.dark, self.looked = set[tuple[str, str]](), set[RecordPosition]()
        self.kept_back: list[tuple[str, Envelope]] = []
        self.heard = _Listening()
        logging.getLogger().addHandler(self.heard)
        self.world.know_family()
        for office in self.office.values():
            office.say("SubjectRecorded", CHILD, {"birth_date": CHILD_BORN}, key=f"born {CHILD}", version=1)
        self.world.run()
        for sender, kind in ((JC, "measure"), (JA, "help")):
            for person in (MOTHER, CHILD):
                self.grant(0, sender, sender, person, ALL, None, (MOTHER,))
                self.publish(kind, person, {0}, 0, older=False, wider=False, back=False)

    # --- what agencies say ------------------------------------------------------------------------------------------

    @rule(
        number=numbers,
        home=agencies,
        sender=agencies,
        person=people,
        categories=some | st.just(ALL),
        days=st.none() | st.integers(1, 9),
        signers=st.sampled_from([(MOTHER, CHILD), (MOTHER,), (CHILD,), ("father", MOTHER)]),
    )
    def grant(
        self,
        number: int,
        home: str,
        sender: str,
        person: str,
        categories: frozenset[str],
        days: int | None,
        signers: tuple[str, ...],
    ) -> None:
        name, now = _consent(person, sender, number), self._later()
        until = now + timedelta(days=days) if days else None
        self.office[home].grants(
            name,
            person,
            sorted(categories),
            sender=sender,
            by=signers,
            until=until,
            key=f"grant {name} {now}",
            payload={"text_version": CANARY, "proof_hash": CANARY},
        )
        told = Declared(home, person, sender, categories, frozenset(signers), now, until)
        self.story.consents.setdefault(name, told)

    @rule(number=numbers, agency=agencies, sender=agencies, person=people, of=people, part=st.none() | some)
    def withdraw(
        self, number: int, agency: str, sender: str, person: str, of: str, part: frozenset[str] | None
    ) -> None:
        name, now = _consent(of, sender, number), self._later()
        scope = orjson.dumps({"categories": sorted(part)}).decode() if part else None
        self.office[agency].withdraws(name, person, scope=scope, key=f"end {name} {now}")
        self.story.withdrawn.setdefault(name, []).append(TakenBack(agency, person, part or frozenset()))

    @rule(custodians=st.sampled_from([(MOTHER,), (MOTHER, "father"), ()]))
    def custody(self, custodians: tuple[str, ...]) -> None:
        self._later()
        self.world.ja.held_by(CHILD, custodians)
        self.story.custodians = frozenset(custodians)

    @rule(person=people)
    def split(self, person: str) -> None:
        self._later()
        self.world.ja.say(
            "IdentitySplit", person, {"refs": [self.world.jc.subject(person)]}, key=f"split {person}"
        )
        self.story.linked[person] = False

    @rule(person=people)
    def link(self, person: str) -> None:
        now = self._later()
        for office in self.office.values():
            office.pairs(person, 1, code=f"{person} {now}")
        self.story.linked[person] = True

    @rule(
        kind=st.sampled_from(sorted(KINDS)),
        person=people,
        on=st.sets(numbers, min_size=1),
        number=numbers,
        older=st.booleans(),
        wider=st.booleans(),
        back=st.booleans(),
    )
    def publish(
        self, kind: str, person: str, on: set[int], number: int, older: bool, wider: bool, back: bool
    ) -> None:
        self._later()
        sender, event_type, name, category = KINDS[kind]
        consents = {_consent(person, sender, which) for which in on}
        self.count += 1
        record, marker = f"{kind} {person} {number}", f"{CANARY} {self.count}"
        past = [one for one in self.story.told.values() if one.record == record]
        version = max([one.version for one in past], default=100) + (-1 if older else 0 if wider else 1)
        publication = 1 + max([one.publication for one in past if one.version == version], default=0)
        office = self.office[sender]
        envelope = office.draft(
            event_type,
            person,
            {name: marker},
            key=record,
            consents=sorted(consents),
            at=NOW,
            version=version,
            publication=publication,
        )
        identity = (envelope.event_id.hex(), publication)
        self.story.told[identity] = Told(
            marker, record, sender, person, category, frozenset(consents), version, publication
        )
        if back:
            self.kept_back.append((sender, envelope))
        else:
            office.send(envelope)

    @precondition(lambda self: self.kept_back)
    @rule(which=st.integers(0, 99))
    def send_what_was_kept_back(self, which: int) -> None:
        agency, envelope = self.kept_back.pop(which % len(self.kept_back))
        self.office[agency].send(envelope)

    @rule(agency=agencies, number=st.integers(0, 999))
    def repeat(self, agency: str, number: int) -> None:
        self.office[agency].repeat(number % len(self.office[agency].sent))

    @rule(agency=agencies, person=people)
    def erase(self, agency: str, person: str) -> None:
        now = self._later()
        self.office[agency].say(
            "ErasureRequested", person, {"norm": "Art. 17 DSGVO"}, key=f"erase {person} {now}"
        )
        self.story.erase(agency, person)
        self.dark.add((agency, person))

    # --- what time and the machine do ---------------------------------------------------------------------------------

    @rule(hours=st.sampled_from([1, 13, 25, 24 * 4, 24 * 10]))
    def wait(self, hours: int) -> None:
        self.world.wait(hours=hours)
        self._ends()

    @rule()
    def run(self) -> None:
        self._ends()
        self.world.run()
        self.quiet = True

    @rule(point=st.sampled_from(POINTS), count=st.integers(1, 3))
    def crash(self, point: str, count: int) -> None:
        self._ends()
        left = count

        def reach(name: str) -> None:
            nonlocal left
            left -= name == point
            if name == point and left == 0:
                raise CrashError

        stage = point.split(".", maxsplit=1)[0]
        with observed(reach):
            try:
                self.world.run()
            except CrashError:
                self.decided_twice |= stage == "admit"
                self.world.host = Embedded(self.world.parts)
                self.world.parts.knowledge.clear()

    @rule(name=st.sampled_from(["joint_case", "consent_register"]))
    def rebuild(self, name: str) -> None:
        assert rebuild(self.world.parts, name).divergence == 0

    @rule()
    def forget(self) -> None:
        """A worker that starts has an empty memory."""
        self.world.parts.knowledge.clear()

    @rule()
    def back_up(self) -> None:
        with self._stopped():
            self.home.save()
        self.saved = True

    @precondition(lambda self: self.saved)
    @rule(store=st.booleans(), keys=st.booleans())
    def restore(self, store: bool, keys: bool) -> None:
        """An older store, older keys or both are put back, beside the log and the ledger, which are not."""
        self._ends()
        with self._stopped():
            self.home.put_back(store=store, keys=keys)
        resume(self.world.parts)
        self.decided_twice = True
        if keys:  # keys made since are lost, and what they sealed with them
            self.dark |= {(agency, person) for agency in ROLES for person in (MOTHER, CHILD)}

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        """Every process ends, and starts again afterwards."""
        now, sent = self.world.clock.now(), {name: office.sent for name, office in self.office.items()}
        self.world.close()
        yield
        self.world = self.home.open(now)
        self.office = {JC: self.world.jc, JA: self.world.ja}
        for name, office in self.office.items():
            office.sent = sent[name]

    # --- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_released_without_a_ground(self) -> None:
        """Every view since the last look was made in one run, at the present moment, with all that was told before."""
        if not hasattr(self, "world"):
            return
        views = [one for agency in ROLES for one in self.world.views(agency)]
        fresh = [one for one in views if one.record.place not in self.looked]
        self.looked |= {one.record.place for one in fresh}
        for one in fresh:
            event("removed" if one.view["removed"] else f"{len(one.parts)} parts")
            for marker in _markers(one):
                event("shown")
                told = next(told for told in self.story.told.values() if told.marker == marker)
                assert self.story.may_show(told, self.world.clock.now())
                assert told.sender != one.view["recipient"]

    @invariant()
    def what_may_be_shown_is_shown(self) -> None:
        """After a run that ended, every agency has what it may have, and no more."""
        if not hasattr(self, "world") or not self.quiet:
            return
        self.quiet = False
        standing = self._standing()
        now = self.world.clock.now()
        for agency, role in ROLES.items():
            last = self.world.last(agency, role)
            shown = _markers(last) if last else set()
            may = {o.marker for o in standing.values() if o.sender != agency and self.story.may_show(o, now)}
            lit = {o.marker for o in standing.values() if (o.sender, o.person) not in self.dark}
            assert shown <= may
            assert may & lit <= shown
            role_of_worker = self.world.open(agency, role)
            opened = {
                str(value)
                for part in role_of_worker.redacted.parts
                if part.sender != agency
                for entry in part.entries
                for value in entry.fields.values()
            }
            assert opened == shown
        assert self.world.rows("dirty") == []

    def _standing(self) -> Mapping[str, Told]:
        """The records in the joint case: those that were admitted, as long as no decision was lost. What admission
        produced before it lost its decision stays there, and may have been decided otherwise since (rule 15)."""
        rows = [(row["event_id"], row["publication"]) for row in self.world.rows("case_row")]
        there = [self.story.told[row] for row in rows]
        assert self.story.erased.isdisjoint(one.marker for one in there)
        if not (self.decided_twice or self.story.erased):
            decided = self.world.rows("decision")
            admitted = [
                (row["event_id"], row["publication"]) for row in decided if row["outcome"] == "admitted"
            ]
            assert self._lit(there) == self._lit(self.story.standing(admitted).values())
        return self.story.standing(rows)

    def _lit(self, records: Iterable[Told]) -> list[str]:
        """Those of whom no key has gone: with the last ground the rows go too."""
        return sorted(one.marker for one in records if (one.sender, one.person) not in self.dark)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        logging.getLogger().removeHandler(self.heard)
        assert verify(self.world.parts, tolerance=0).breaches == []
        texts = [f"{self.world.outcomes}", "".join(self.heard.texts)]
        texts += [
            str(row)
            for table in ("quarantine", "parked", "decision", "held")
            for row in self.world.rows(table)
        ]
        self.world.close()
        assert not [text for text in texts if CANARY in text]
        for file in self.home.folder.rglob("*"):
            assert file.is_dir() or CANARY.encode() not in file.read_bytes(), file.name
        self.home.remove()

    def _later(self) -> datetime:
        self.world.wait(seconds=1)
        return self.world.clock.now()

    def _ends(self) -> None:
        """Who had no ground at some moment may be dark for good."""
        now = self.world.clock.now()
        self.dark |= {(s, p) for s in ROLES for p in (MOTHER, CHILD) if self.story.without_ground(s, p, now)}


def _consent(person: str, sender: str, number: int) -> str:
    return f"{person} {sender} {number}"


class _Listening(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _markers(one: Shown) -> set[str]:
    contents = [part.content for part in one.parts if part.content]
    return {
        str(value)
        for content in contents
        for entry in content["entries"]
        for value in entry["fields"].values()
    }


Stories.TestCase.settings = settings(
    max_examples=STORIES,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
TestStories = Stories.TestCase
