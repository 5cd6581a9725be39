"""The staging table shows the highest version only, while it may be shown, and the hub is told of each view."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import create_engine, text

from connectors.runtime.pseudonyms import Local, Pseudonyms
from hub.domain.clock import micros
from hub.domain.seal import place, seal
from hub.errors import TopicRecreated
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

    def send(self, version: int, place_: str = "Hafen", *, role: str = "jc_case_manager", minutes: int = 60,
             removed: bool = False, generation: int = 1) -> None:  # fmt: skip
        view_id = version.to_bytes(16, "big")
        ref = KeyRef("view", JC, PERSON, "ja-seestadt")
        key = self.keys.sealing([ref])[ref]
        entry = {"type": "HelpStarted", "id": "r1", "occurred_at": "2026-10-01T00:00:00+02:00",
                 "fields": {"place": place_, "paragraph": "31"}, "marked": ["place"]}  # fmt: skip
        content = orjson.dumps({"entries": [entry], "withheld": ["HP"]})
        bound = place("view", VIEW.fingerprint, view_id, PERSON, "ja-seestadt", key.version)
        part = {
            "subject_ref": PERSON,
            "sender": "ja-seestadt",
            "box": seal(key.cipher, key.version, content, bound),
        }
        view = {
            "view_id": view_id, "recipient": JC, "role": role, "case_ref": CASE, "generation": generation,
            "version": version, "as_of": micros(self.now), "not_after": micros(self.now + timedelta(minutes=minutes)),
            "removed": removed, "parts": [] if removed else [part], "policy_version": "x",
        }  # fmt: skip
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


@pytest.fixture
def views(offices: Any) -> Views:
    found = Views(offices)
    names = Pseudonyms(offices.root / "jobcenter" / "state" / "pseudonyms.sqlite")
    names.add([(CASE, Local("case", "33107BG0000001")), (PERSON, Local("person", "331A055433"))])
    names.close()
    return found


def test_a_view_is_written_in_the_agencys_own_numbers(views: Views) -> None:
    views.send(1)
    assert views.step() == {"shown": 1}
    withheld, paragraph, where = sorted(views.rows(), key=lambda row: row["feld"] != "HP")
    assert (withheld["feld"], withheld["ereignis"], withheld["wert"]) == ("HP", "", None)
    assert (paragraph["wert"], paragraph["bestritten"]) == ("31", 0)
    assert (where["wert"], where["bestritten"], where["fall"], where["person"]) == (
        "Hafen",
        1,
        "33107BG0000001",
        "331A055433",
    )
    assert views.receipts() == ["shown"]


def test_the_highest_version_stands_in_any_order(views: Views) -> None:
    views.send(7, "neu")
    views.send(3, "alt")
    views.send(9, "Leistung", role="jc_benefits")
    assert views.step() == {"shown": 2, "superseded": 1}
    values = {(row["rolle"], row["wert"]) for row in views.rows() if row["feld"] == "place"}
    assert values == {("jc_case_manager", "neu"), ("jc_benefits", "Leistung")}


def test_versions_of_a_restored_hub_rise_all_the_same(views: Views) -> None:
    views.send(7, "vorher")
    views.send(1, "nachher", generation=2)
    views.step()
    assert {row["wert"] for row in views.rows() if row["feld"] == "place"} == {"nachher"}


def test_removed_deletes_and_is_confirmed_and_nothing_older_comes_back(views: Views) -> None:
    views.send(1)
    views.step()
    views.send(3, removed=True, minutes=-5)  # a deletion is never too late
    views.send(2, "spät")
    assert views.step() == {"deleted": 1, "superseded": 1}
    assert views.rows("fallbruecke_sicht") == []
    assert views.receipts() == ["shown", "deleted", "superseded"]


def test_what_came_too_late_is_not_shown(views: Views) -> None:
    views.send(1, minutes=-1)
    assert views.step() == {"late": 1}
    assert views.rows("fallbruecke_sicht") == []


def test_a_dead_sink_shows_nothing_either(views: Views) -> None:
    """The lease ends in the database view itself."""
    views.send(1)
    views.step()
    assert views.rows()
    engine = create_engine(f"sqlite:///{views.offices.root}/jobcenter/uebergabe.sqlite")
    with engine.begin() as connection:
        connection.execute(text("UPDATE fallbruecke_sicht SET gilt_bis = gilt_bis - 3700000000"))
    engine.dispose()
    assert views.rows() == []


def test_a_destroyed_key_shows_nothing(views: Views) -> None:
    views.send(1)
    views.keys.destroy(KeyRef("view", JC, PERSON, "ja-seestadt"))
    assert views.step() == {"shown": 1}
    assert views.rows("fallbruecke_sicht") == []


def test_redelivery_has_no_effect_and_is_confirmed_again(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    views.send(1)

    def die(name: str) -> None:
        if name == "sink.after_apply":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("connectors.staging.sink.fail_point", die)
        with pytest.raises(KeyboardInterrupt):
            views.step()
    assert (len(views.rows()), views.receipts()) == (3, [])
    assert views.step() == {"shown": 1}
    assert (len(views.rows()), views.receipts()) == (3, ["shown"])
    assert views.step() == {}


def test_a_record_that_is_no_view_is_kept_with_its_place(views: Views) -> None:
    views.raw(b"\xc3\x01rubbish")
    views.send(2)
    assert views.step() == {"shown": 1, "unreadable": 1}
    engine = create_engine(f"sqlite:///{views.offices.root}/jobcenter/uebergabe.sqlite")
    with engine.connect() as connection:
        (row,) = connection.execute(text("SELECT ort, grund FROM fallbruecke_unlesbar")).all()
    engine.dispose()
    assert row[0].startswith(f"{topics()['views'].of(JC)}/")


def test_a_recreated_topic_stops_the_sink(views: Views) -> None:
    views.send(1)
    views.step()
    engine = create_engine(f"sqlite:///{views.offices.root}/jobcenter/uebergabe.sqlite")
    with engine.begin() as connection:
        connection.execute(text("UPDATE fallbruecke_stand SET thema_id = 'another'"))
    engine.dispose()
    with pytest.raises(TopicRecreated):
        views.step()
