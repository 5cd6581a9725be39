"""What vanished is said to have ended; when it is there again the end is taken back and it is said anew."""

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.kit.bench import Bench, Candidate, families
from connectors.sources.drop import build as drop_build
from connectors.sources.drop import spec as drop_spec
from connectors.sources.drop.trial import Trial as DropTrial
from connectors.sources.snapshot import build, spec
from connectors.sources.snapshot.trial import Trial
from connectors.sources.sql import build as sql_build
from connectors.sources.sql import spec as sql_spec
from connectors.sources.sql.trial import Trial as SqlTrial
from connectors.sources.xml import build as xml_build
from connectors.sources.xml import spec as xml_spec
from connectors.sources.xml.trial import Trial as XmlTrial

CANDIDATES = (
    Candidate("snapshot_csv", build, spec, Trial),
    Candidate("file_drop", drop_build, drop_spec, DropTrial),
    Candidate("sql", sql_build, sql_spec, SqlTrial),
)
FILES = (*CANDIDATES[:2], Candidate("xml", xml_build, xml_spec, XmlTrial))
GONE: dict[str, Any] = {
    "type": "PersonChanged",
    "subject": "number",
    "case": "family",
    "occurred_at": "@version",
    "fields": {"names": {"constant": "gone"}},
}
RECORDED: dict[str, Any] = {
    "type": "SubjectRecorded",
    "subject": "person",
    "case": "family",
    "occurred_at": "granted",
    "fields": {"birth_date": {"constant": date(1990, 2, 28)}, "capable": {"constant": True}},
}
"""Who signs stays known, whoever vanishes."""


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_what_returns_is_said_again(candidate: Candidate, tmp_path: Path) -> None:
    with closing(Bench(candidate, tmp_path / "bench")) as bench:
        people, consents = (bench.raw["streams"][name] for name in ("people", "consents"))
        people["on_vanish"], people["events"] = GONE, people["events"][1:]
        consents["events"].append(RECORDED)
        everybody, fewer = families(40), families(40)
        (returning,) = [row for row in fewer["people"] if row["number"] == "P0000002"]
        fewer["people"].remove(returning)
        bench.write(everybody, 0)
        bench.all(0)
        bench.write(fewer, 1)
        before = bench.sent()
        bench.all(1)
        assert sorted(bench.newest(before).values()) == [("PersonChanged", "[('names', 'gone')]")]
        everybody["people"].append({**everybody["people"][1], "number": "P0000099"})
        bench.write(everybody, 2)
        before = bench.sent()
        bench.all(2)
        said = dict(bench.newest(before).values())
        assert said["PersonChanged"] == "[]", "the end is taken back"
        assert returning["name"] in said["PersonRegistered"]
        assert sum(report.events for report in bench.all(2)) == 0
        fewer["people"].append({**everybody["people"][1], "number": "P0000098"})
        bench.write(fewer, 3)
        before = bench.sent()
        bench.all(3)
        assert sorted(bench.newest(before).values()) == [("PersonChanged", "[('names', 'gone')]")]


@pytest.mark.parametrize("candidate", FILES, ids=lambda candidate: candidate.name)
def test_a_state_that_came_back_while_another_one_waited_is_read(
    candidate: Candidate, tmp_path: Path
) -> None:
    """The connector was away for a day: today the delivery holds what was read last, and yesterday it did not."""
    with closing(Bench(candidate, tmp_path / "bench")) as bench:
        people, consents = (bench.raw["streams"][name] for name in ("people", "consents"))
        people["on_vanish"], people["events"] = GONE, people["events"][1:]
        consents["events"].append(RECORDED)
        everybody, fewer = families(40), families(40)
        (coming,) = [row for row in fewer["people"] if row["number"] == "P0000002"]
        fewer["people"].remove(coming)
        bench.write(fewer, 0)
        bench.all(0)
        bench.write(everybody, 1)
        bench.write(fewer, 2)
        bench.all(2)
        told = [one for one in bench.newest().values() if one[0] == "PersonChanged"]
        assert told == [("PersonChanged", "[('names', 'gone')]")]
