"""Whatever comes in whatever order (rotations, newcomers, changes, new numbers, restarts): one name for ever, one
id."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connectors.kit.bench import Bench, Candidate, evening
from connectors.kit.example import build, spec
from connectors.kit.example.trial import Trial
from connectors.pipeline.publish.key_rotation import rotate
from connectors.pipeline.publish.keyring import written
from connectors.pipeline.publish.pseudonyms import Pseudonyms
from connectors.pipeline.run.pipeline import Connector
from hub.domain.identifiers import AgencyKey
from hub.errors import StartAgain

FAMILIES = 2
Actions = list[tuple[str, int]]
actions = st.lists(
    st.tuples(st.sampled_from(["rotate", "new", "change", "renumber", "restart", "step"]), st.integers(0, 9)),
    min_size=4,
    max_size=10,
)


class House:
    """An agency with a connector that runs on, until a rotation or an alias makes it start again."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(Candidate("example", build, spec, Trial), folder / "bench")
        self.people: list[dict[str, str]] = []
        self.numbers: list[list[str]] = []
        self.file = folder / "agency.key"
        self.bench.key = AgencyKey(bytes(32))
        self.bench.own = (self.bench.key,)
        self.file.write_bytes(written(self.bench.own))
        self.made = 0
        self._life = ExitStack()
        self._connector: Connector | None = None
        self.write()

    def write(self) -> None:
        consents = [
            {
                "number": f"C{n}",
                "person": row["number"],
                "family": row["family"],
                "granted": "2026-10-02 09:00:00",
            }
            for n, row in enumerate(self.people)
        ]
        self.bench.write({"people": self.people, "consents": consents}, 0)

    def do(self, action: str, n: int) -> None:
        who = n % len(self.people) if self.people else None
        match action:
            case "rotate":
                self._rotate()
            case "new":
                self._new(n)
            case "change" if who is not None:
                self.people[who]["remark"] += "!"
                self.people[who]["born"] = f"19{10 + len(self.people[who]['remark'])}-02-28"
            case "renumber" if who is not None:
                self._renumber(who)
            case "restart":
                self.end()
        self.write()
        if action == "step":
            self.step()

    def step(self) -> None:
        """A step of the connector that runs; where it must start again, it does."""
        for _ in range(2):
            connector = self._connector or self._start()
            try:
                while (report := self.bench.step(connector, evening(0))).more or report.published:
                    pass
            except StartAgain:
                self.end()
            else:
                return
        raise AssertionError("a fresh life must not be outdated")

    def end(self) -> None:
        self._life.close()
        self._connector = None

    def _start(self) -> Connector:
        self._connector = connector = self._life.enter_context(self.bench.life())
        return connector

    def _rotate(self) -> None:
        self.made += 1
        with closing(Pseudonyms(self.bench.config().pseudonyms)) as table:
            self.bench.own = rotate(self.file, table, lambda: AgencyKey(bytes([self.made]) * 32))

    def _new(self, n: int) -> None:
        count = len(self.people)
        self.numbers.append([f"P{count}"])
        self.people.append(
            {
                "number": f"P{count}",
                "family": f"F{n % FAMILIES}",
                "name": f"Name {count}",
                "born": "1990-02-28",
                "since": "2026-10-01 08:00:00",
                "remark": "",
            }
        )

    def _renumber(self, who: int) -> None:
        """The agency says it before its system does, as it must."""
        new = f"N{len(self.numbers[who])}-{who}"
        self.numbers[who].append(new)
        pairs = [f"{numbers[k]};{numbers[k - 1]}" for numbers in self.numbers for k in range(1, len(numbers))]
        text = "\n".join(["neu;alt", *pairs, ""])
        (self.bench.folder / "system" / "aliases.csv").write_text(text, encoding="utf-8")
        self.bench.raw["connector"]["aliases"] = "aliases.csv"
        self.people[who]["number"] = new
        self.end()


@contextmanager
def house() -> Iterator[House]:
    with TemporaryDirectory() as folder:
        made = House(Path(folder))
        try:
            yield made
        finally:
            made.end()
            made.bench.close()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions)
@example(
    [
        ("new", 0),
        ("step", 0),
        ("rotate", 0),
        ("renumber", 0),
        ("step", 0),
        ("rotate", 0),
        ("change", 0),
        ("new", 0),
    ]
)
def test_one_name_for_ever_and_one_id(actions: Actions) -> None:
    with house() as one:
        for action, n in [("new", 0), *actions, ("step", 0)]:
            one.do(action, n)
        names, ids, consents = defaultdict(set), defaultdict(set), defaultdict(set)
        content = {fact.event_id: fact for fact in one.bench.facts()}
        for envelope in one.bench._envelopes():
            subject, record = envelope["subject_ref"], envelope["record_ref"]
            ids[record, envelope["source_version"]].add(envelope["event_id"])
            if envelope["event_type"] == "ConsentGranted":
                consents[subject].add(record)
            elif (
                envelope["event_type"] == "PersonRegistered"
                and "Name" in content[envelope["event_id"]].content
            ):
                names[content[envelope["event_id"]].content.split("'Name ")[1].split("'")[0]].add(subject)
        assert names.keys() == {str(n) for n in range(len(one.people))}
        assert all(len(found) == 1 for kind in (names, ids, consents) for found in kind.values())
        with closing(Pseudonyms(one.bench.config().pseudonyms)) as table:
            locals_ = [local for _, local in table.all()]
        assert len(locals_) == len(set(locals_))
        assert {n[0] for n in one.numbers} == {
            local.local_id for local in locals_ if local and local.kind == "person"
        }
