"""The § 8a path on both logs: report, acknowledge, answer; nothing lost, nothing doubled, an alarm in time."""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from hub.adapters.clocks import FileClock
from hub.adapters.log.kafka import KafkaLog
from hub.adapters.log.sqlite import SqliteLog
from hub.danger.config import load_danger_config
from hub.danger.letter import Letter, decode, encode
from hub.danger.watch import Watch
from hub.errors import ConfigurationError, DataError, ServiceUnavailable
from hub.metrics.danger import OVERDUE, DangerCollector
from hub.ports import EventLog, Outgoing, Record
from tests.support.danger import REPORT, Path8a, again, records


@pytest.fixture(params=["sqlite", "kafka"])
def ends(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path8a, EventLog]]:
    """Both offices, and the log between them."""
    name = uuid4().hex[:8]
    if request.param == "kafka":
        bootstrap = request.getfixturevalue("kafka")
        path = Path8a(tmp_path, f'bootstrap = "{bootstrap}"', f"jc-{name}", f"ja-{name}")
        log: EventLog = KafkaLog(bootstrap, clock=FileClock(tmp_path / "clock"))
    else:
        path = Path8a(tmp_path, 'path = "../log.sqlite"')
        log = SqliteLog(tmp_path / "log.sqlite", FileClock(tmp_path / "clock"))
    with closing(log):
        log.create(dict.fromkeys(path.topics, 2))
        yield path, log


@pytest.fixture
def path(tmp_path: Path) -> Iterator[tuple[Path8a, SqliteLog]]:
    """The same on SQLite only, for what does not depend on the log."""
    made = Path8a(tmp_path, 'path = "../log.sqlite"')
    with closing(SqliteLog(tmp_path / "log.sqlite", FileClock(tmp_path / "clock"))) as log:
        log.create(dict.fromkeys(made.topics, 2))
        yield made, log


def test_a_report_its_acknowledgement_and_three_flags(ends: tuple[Path8a, EventLog]) -> None:
    path, log = ends
    sent = path.report()
    assert (sent["state"], sent["marks"]) == ("sent", [])
    (received,) = path.inbox()
    assert received["report_id"] == sent["report_id"]
    assert received["versions"][0]["fields"]["child"] == REPORT["child"]
    path.wait(minutes=2)
    path.say("acknowledge", sent["report_id"])
    (known,) = path.status()["reports"]
    assert (known["acknowledged_at"], known["flags"]) == ("2026-11-22T07:02:00Z", {})
    path.say("answer", sent["report_id"], "--confirmed", "--not-acted")
    path.wait(minutes=1)
    path.say("answer", sent["report_id"], "--confirmed", "--acted", "--still-acting")
    (known,) = path.status()["reports"]
    assert known["flags"] == {"confirmed": True, "acted": True, "still_acting": True}
    again(log, path.topics[0])
    again(log, path.topics[1])
    assert len(path.inbox()) == len(path.inbox()[0]["versions"]) == 1
    assert path.status()["reports"] == [known]


def test_the_same_report_is_one_and_more_about_it_is_added(path: tuple[Path8a, SqliteLog]) -> None:
    ends, log = path
    first = ends.report()
    assert ends.report()["report_id"] == first["report_id"]
    assert len(records(log, ends.topics[0])) == 1
    assert ends.report({**REPORT, "signs": ["Sturz"]})["report_id"] == first["report_id"]
    assert ends.report(REPORT, "--new")["report_id"] != first["report_id"]
    one, other = sorted(ends.inbox(), key=lambda found: len(found["versions"]), reverse=True)
    assert [version["fields"]["signs"] for version in one["versions"]] == [REPORT["signs"], ["Sturz"]]
    assert len(other["versions"]) == 1


def test_what_comes_after_an_acknowledgement_must_be_acknowledged_too(ends: tuple[Path8a, EventLog]) -> None:
    path, log = ends
    watch = Watch(log, {path.jobcenter: "jobcenter", path.office: "youth_welfare"})
    clock = FileClock(path.folder / "clock")
    sent = path.report()
    path.inbox()
    path.say("answer", sent["report_id"], "--confirmed")
    path.wait(minutes=1)
    worse = {**REPORT, "signs": ["bewusstlos"]}
    path.report(worse)
    path.wait(minutes=16)
    (one,) = json.loads(path.call("inbox", path.office, "--json").stdout)["reports"]
    assert (len(one["versions"]), one["acknowledged_at"], one["overdue"]) == (2, None, True)
    assert (path.status(code=1)["overdue"], watch.overdue(clock.now(), 15)) == (True, {path.office: True})
    path.say("acknowledge", sent["report_id"])
    path.say("acknowledge", sent["report_id"])
    assert (path.status()["overdue"], watch.overdue(clock.now(), 15)) == (False, {path.office: False})
    path.report(REPORT)
    path.report(REPORT)
    again(log, path.topics[0])
    told = [version["fields"]["signs"] for version in path.inbox()[0]["versions"]]
    assert told == [REPORT["signs"], worse["signs"], REPORT["signs"]]


def test_the_newest_flags_count_also_when_they_return(path: tuple[Path8a, SqliteLog]) -> None:
    ends, log = path
    sent = ends.report()
    ends.inbox()
    for flag in ("--still-acting", "--not-still-acting", "--not-still-acting", "--still-acting"):
        ends.wait(minutes=1)
        ends.say("answer", sent["report_id"], flag)
    assert len(records(log, ends.topics[1])) == 3
    again(log, ends.topics[1])
    assert ends.status()["reports"][0]["flags"]["still_acting"] is True


def test_without_a_number_the_same_words_are_the_same_report_for_a_day(
    path: tuple[Path8a, SqliteLog],
) -> None:
    ends, _ = path
    first = ends.report(b"Das Kind schreit")
    assert ends.report(b"Das Kind schreit")["report_id"] == first["report_id"]
    ends.wait(days=1)
    assert ends.report(b"Das Kind schreit")["report_id"] != first["report_id"]


def test_a_log_that_is_away_delays_and_says_whom_to_call(path: tuple[Path8a, SqliteLog]) -> None:
    ends, log = path
    ends.configure(ends.jobcenter, "jobcenter", ends.office, "youth_welfare", 'path = "missing/log.sqlite"')
    kept = ends.report(code=75)
    assert (kept["state"], kept["phone"]) == ("kept", "02306 110")
    told = ends.call("report", ends.jobcenter, "-", stdin=json.dumps(REPORT).encode())
    assert "NOCH NICHT ÜBERGEBEN" in told.output
    assert not records(log, ends.topics[0])
    ends.configure(ends.jobcenter, "jobcenter", ends.office, "youth_welfare")
    assert ends.call("run", ends.jobcenter, "--once").exit_code == 0
    assert [found["report_id"] for found in ends.inbox()] == [kept["report_id"]]


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, Exception]:
    """Key of a letter → what the log answers for it."""
    answers: dict[bytes, Exception] = {}
    append = SqliteLog.append

    def answer(self: SqliteLog, topic: str, records: Sequence[Outgoing], *, deadline: float = 30.0) -> None:
        for record in records:
            if record.key in answers:
                raise answers[record.key]
        append(self, topic, records, deadline=deadline)

    monkeypatch.setattr(SqliteLog, "append", answer)
    return answers


def _key_of(ends: Path8a, case: str) -> bytes:
    """The key under which a reporter's letters about a case travel."""
    config = load_danger_config(ends.file(ends.jobcenter))
    return b"d_" + config.keys[-1].mac(b"case", case.encode()).hex().encode()


ANSWERS = [
    (ServiceUnavailable("the partition has no leader"), "not_taken"),
    (DataError("larger than the log accepts", reason="too_large"), "too_large"),
    (DataError("no key", reason="other"), "refused"),
    (ConfigurationError("the broker refuses the records' times"), "refused"),
    (TypeError("not bytes"), "refused"),
]


@pytest.mark.parametrize(("answer", "cause"), ANSWERS, ids=lambda one: str(one)[:12])
def test_a_letter_that_cannot_go_is_named_and_holds_up_no_other(
    path: tuple[Path8a, SqliteLog], refusing: dict[bytes, Exception], answer: Exception, cause: str
) -> None:
    ends, log = path
    refusing[_key_of(ends, "X")] = answer
    old = ends.report({**REPORT, "number": "1", "case": "X"}, code=75)
    others = [ends.report({**REPORT, "number": str(n), "case": f"Y{n}"}) for n in (2, 3)]
    assert [one["state"] for one in others] == ["sent", "sent"]
    assert {one["report_id"] for one in ends.inbox()} == {one["report_id"] for one in others}
    (named,) = ends.status()["refused"]
    assert (named["report_id"], named["cause"], named["tries"] >= 3) == (old["report_id"], cause, True)
    told = ends.call("status", ends.jobcenter).output
    assert "NICHT ÜBERGEBEN" in told
    assert old["report_id"] in told
    ends.wait(minutes=16)
    assert ends.call("run", ends.jobcenter, "--once").exit_code == 1
    refusing.clear()
    ends.call("run", ends.jobcenter, "--once")
    assert old["report_id"] in [one["report_id"] for one in ends.inbox()]
    assert len(records(log, ends.topics[0])) == 3
    assert ends.status(code=1)["refused"] == []


def test_letters_of_one_family_keep_their_order(
    path: tuple[Path8a, SqliteLog], refusing: dict[bytes, Exception]
) -> None:
    ends, _ = path
    refusing[_key_of(ends, "X")] = ServiceUnavailable("the partition has no leader")
    for sign in ("Sturz", "blaue Flecken", "Hunger"):
        ends.report({**REPORT, "signs": [sign], "case": "X"}, code=75)
    ends.report({**REPORT, "number": "other", "case": "Y"})
    refusing.clear()
    ends.report({**REPORT, "number": "third", "case": "Z"})
    (found,) = [one for one in ends.inbox() if len(one["versions"]) > 1]
    assert [version["fields"]["signs"] for version in found["versions"]] == [
        ["Sturz"],
        ["blaue Flecken"],
        ["Hunger"],
    ]


def test_a_damaged_copy_in_the_box_goes_out_and_stops_neither_status_nor_others(
    path: tuple[Path8a, SqliteLog], refusing: dict[bytes, Exception]
) -> None:
    ends, _ = path
    refusing[_key_of(ends, "X")] = ServiceUnavailable("the partition has no leader")
    old = ends.report({**REPORT, "number": "1", "case": "X"}, code=75)
    with closing(sqlite3.connect(ends.folder / ends.jobcenter / "danger.sqlite")) as box, box:
        box.execute("UPDATE outgoing SET value = x'ff00'")
    refusing.clear()
    ends.report({**REPORT, "number": "2", "case": "Y"})
    assert old["report_id"] in [one["report_id"] for one in ends.status()["reports"]]
    marks = sorted(tuple(version["marks"]) for one in ends.inbox() for version in one["versions"])
    assert marks == [(), ("no_letter",)]


def test_an_answer_that_cannot_go_holds_up_no_other(
    path: tuple[Path8a, SqliteLog], refusing: dict[bytes, Exception]
) -> None:
    ends, _ = path
    one, other = (ends.report({**REPORT, "number": n, "case": n}) for n in ("1", "2"))
    ends.inbox()
    refusing[b"d_" + one["report_id"].encode()] = DataError("larger than the log accepts", reason="too_large")
    ends.say("acknowledge", one["report_id"], code=75)
    ends.say("acknowledge", other["report_id"])
    known = {each["report_id"]: each["acknowledged_at"] is not None for each in ends.status()["reports"]}
    assert known == {one["report_id"]: False, other["report_id"]: True}
    (named,) = ends.status(ends.office)["refused"]
    assert (named["report_id"], named["kind"]) == (one["report_id"], "acknowledged")


def test_a_partition_that_cannot_be_read_stops_no_other(
    path: tuple[Path8a, SqliteLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, log = path
    for number in range(8):
        ends.report({**REPORT, "number": str(number), "case": str(number)})
    here = {record.partition for record in records(log, ends.topics[0])}
    assert here == {0, 1}
    read = SqliteLog.read

    def without(
        self: SqliteLog, topic: str, positions: Mapping[int, int], limit: int = 1000
    ) -> Sequence[Record]:
        if 0 in positions:
            raise ServiceUnavailable("the partition has no leader")
        return read(self, topic, positions, limit)

    with monkeypatch.context() as patched:
        patched.setattr(SqliteLog, "read", without)
        assert 0 < len(ends.inbox()) < 8
    assert len(ends.inbox()) == 8


def test_a_step_of_an_office_whose_box_cannot_be_used_sends_and_alarms(
    path: tuple[Path8a, SqliteLog],
) -> None:
    ends, _ = path
    ends.configure(ends.jobcenter, "jobcenter", ends.office, "youth_welfare", extra='folder = "drop"')
    (ends.folder / ends.jobcenter / "danger.sqlite").mkdir()
    drop = ends.folder / ends.jobcenter / "drop"
    drop.mkdir()
    (drop / "a.json").write_bytes(json.dumps(REPORT).encode())
    done = ends.call("run", ends.jobcenter, "--once")
    assert (done.exit_code, list(drop.iterdir()), len(ends.inbox())) == (1, [], 1)


def test_a_box_that_cannot_be_used_stops_no_report(path: tuple[Path8a, SqliteLog]) -> None:
    ends, _ = path
    (ends.folder / ends.jobcenter / "danger.sqlite").mkdir()
    assert ends.report()["state"] == "sent_only"
    assert len(ends.inbox()) == 1
    ends.configure(ends.jobcenter, "jobcenter", ends.office, "youth_welfare", 'path = "missing/log.sqlite"')
    nowhere = ends.call("report", ends.jobcenter, "-", stdin=b"{}")
    assert "CALL NOW: ja-a 02306 110" in str(nowhere.exception)


def test_what_the_intake_cannot_read_stands_in_its_inbox_all_the_same(path: tuple[Path8a, SqliteLog]) -> None:
    ends, log = path
    topic = ends.topics[0]
    ends.report()
    letter = decode(records(log, topic)[0].value)
    assert letter is not None
    log.append(
        topic,
        [
            Outgoing(b"k", b"\xff no letter"),
            Outgoing(b"k", encode(letter._replace(report_id=bytes(16)))),
            Outgoing(b"k", encode(letter._replace(kind="answered"))),
            Outgoing(b"k", encode(letter._replace(recipient="ja-elsewhere"))),
            Outgoing(b"k", encode(letter._replace(report_id=b"1" * 16, sender="jc-forged", at=-(2**63)))),
        ],
    )
    found = [tuple(version["marks"]) for one in ends.inbox() for version in one["versions"]]
    assert sorted(found) == [(), ("no_letter",), ("no_letter",), ("other_sender", "unopened"), ("unopened",)]
    assert "sofort anrufen" in ends.call("inbox", ends.office).output
    for one in ends.inbox():
        ends.say("acknowledge", one["report_id"])
    ends.wait(hours=1)
    assert ends.status(ends.office)["overdue"] is False


def test_a_restored_box_and_a_new_log_double_nothing_and_a_gap_is_shown(
    path: tuple[Path8a, SqliteLog],
) -> None:
    ends, log = path
    file, old = ends.folder / ends.office / "danger.sqlite", ends.folder / "old.sqlite"
    ends.report()
    ends.inbox()
    shutil.copy(file, old)
    ends.report(b"second")
    assert len(ends.inbox()) == 2
    for beside in file.parent.glob("danger.sqlite*"):
        beside.unlink()
    shutil.copy(old, file)
    assert len(ends.inbox()) == 2
    log._writer.execute("DELETE FROM record")
    log._writer.execute('UPDATE extent SET "first" = "end" + 3, "end" = "end" + 3')
    assert sorted(mark for one in ends.inbox() for mark in one["versions"][0]["marks"]) == [
        "gap",
        "gap",
        "no_form",
    ]
    log._writer.execute("UPDATE topic SET topic_id = topic_id || 'x'")
    log._writer.execute('UPDATE extent SET "first" = 0, "end" = 0')
    ends.report(b"third")
    assert len(ends.inbox()) == 5


def test_the_alarm_at_both_ends_and_at_the_hub_between_them(ends: tuple[Path8a, EventLog]) -> None:
    path, log = ends
    watch = Watch(log, {path.jobcenter: "jobcenter", path.office: "youth_welfare"})
    clock = FileClock(path.folder / "clock")
    collector = DangerCollector(lambda: watch.overdue(clock.now(), 15))

    def scraped() -> dict[str, float]:
        (family,) = collector.collect()
        assert family.name == OVERDUE
        return {sample.labels["agency"]: sample.value for sample in family.samples}

    sent = path.report()
    path.wait(minutes=15)
    assert (path.status()["overdue"], path.status(path.office)["overdue"], scraped()) == (
        False,
        False,
        {path.office: 0},
    )
    path.wait(seconds=1)
    assert (path.status(code=1)["overdue"], path.status(path.office, code=1)["overdue"]) == (True, True)
    assert scraped() == {path.office: 1}
    assert path.call("run", path.jobcenter, "--once").exit_code == 1
    assert "02306 110" in path.call("status", path.jobcenter).output
    path.say("acknowledge", sent["report_id"])
    assert (path.status()["overdue"], path.status(path.office)["overdue"], scraped()) == (
        False,
        False,
        {path.office: 0},
    )


def test_only_the_addressed_reporter_learns_the_flags(path: tuple[Path8a, SqliteLog]) -> None:
    ends, log = path
    sent = ends.report()
    ends.inbox()
    ends.say("answer", sent["report_id"], "--confirmed")
    (record,) = records(log, ends.topics[1])
    letter = decode(record.value)
    assert isinstance(letter, Letter)
    assert letter.recipient == ends.jobcenter
    log.append(ends.topics[1], [Outgoing(record.key, encode(letter._replace(recipient="jc-other")))])
    assert len(ends.status()["reports"]) == 1
    assert ends.call("answer", ends.office, sent["report_id"]).exit_code == 1
    assert ends.call("acknowledge", ends.office, "0" * 32).exception is not None


def test_a_dropped_file_is_reported_once_and_leaves_the_folder(path: tuple[Path8a, SqliteLog]) -> None:
    ends, _ = path
    drop = ends.folder / ends.jobcenter / "drop"
    drop.mkdir()
    ends.configure(ends.jobcenter, "jobcenter", ends.office, "youth_welfare", extra='folder = "drop"')
    (drop / "a.json").write_text(json.dumps(REPORT), encoding="utf-8")
    (drop / "b.txt").write_text("Das Kind schreit", encoding="utf-8")
    (drop / "c.part").write_text("noch nicht fertig", encoding="utf-8")
    for _ in range(2):
        assert ends.call("run", ends.jobcenter, "--once").exit_code == 0
    assert [file.name for file in drop.iterdir()] == ["c.part"]
    assert len(ends.inbox()) == 2


def test_letters_go_when_their_time_is_over_and_unacknowledged_ones_stay(
    path: tuple[Path8a, SqliteLog],
) -> None:
    ends, _ = path
    done, open_ = ends.report(), ends.report(b"never acknowledged")
    ends.inbox()
    ends.say("acknowledge", done["report_id"])
    ends.status()
    ends.wait(days=3651)
    for side in (ends.jobcenter, ends.office):
        assert json.loads(ends.call("forget", side, "--json").stdout) == {
            "due": [done["report_id"]],
            "deleted": False,
        }
        assert ends.call("forget", side, "--yes").exit_code == 0
        assert json.loads(ends.call("forget", side, "--json").stdout)["due"] == []
    assert [one["report_id"] for one in ends.inbox()] == [open_["report_id"]]
    assert [one["report_id"] for one in ends.status(code=1)["reports"]] == [open_["report_id"]]
