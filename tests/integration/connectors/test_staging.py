"""The staging table shows the highest version only, while it may be shown, and the hub is told of each view."""

from typing import Any

import pytest
from sqlalchemy import create_engine, text

from hub.errors import TopicRecreated
from hub.failpoints import observed
from hub.ports import KeyRef
from schemas import topics
from tests.integration.connectors.views import JC, PERSON, Views


@pytest.fixture
def views(offices: Any) -> Views:
    return Views(offices)


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

    with observed(die), pytest.raises(KeyboardInterrupt):
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
