"""A box that does not open although its key is there is named by whatever meets it, and never left out silently."""

from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import Table, update

from hub.domain.clock import micros
from hub.rights.access import access
from hub.stages.disclose import disclose
from hub.store import subjects
from hub.web.present import present
from projections.consent_register.tables import consent_row
from projections.joint_case.tables import case_row
from schemas import decode_single, encode_single
from tests.support.sinks import Staging
from tests.support.world import FAMILY, JA, JC, MOTHER, World


def _break(world: World, table: Table, event_type: str) -> None:
    """The last byte of every box of these rows is another one, as on a disk that lies."""
    with world.parts.store.transaction() as connection:
        for row in world.rows_in(connection, table.name):
            if row["event_type"] != event_type:
                continue
            schema, envelope = decode_single(row["envelope"])
            boxes = envelope["boxes"]
            envelope["boxes"] = {name: box[:-1] + bytes([box[-1] ^ 1]) for name, box in boxes.items()}
            mine = table.c.event_id == row["event_id"]
            connection.execute(update(table).where(mine).values(envelope=encode_single(schema, envelope)))


def _mark(world: World) -> None:
    with world.parts.store.transaction() as connection:
        key = f"{JC}:{world.jc.key.case(FAMILY)}"
        subjects.mark_dirty(connection, {key}, micros(world.clock.now()))


def _unreadable(world: World, agency: str, role: str) -> list[Any]:
    last = world.last(agency, role)
    assert last
    return [part.content.get("unreadable") for part in last.parts if part.content]


def test_a_view_says_how_many_records_do_not_open(small: World) -> None:
    small.shared()
    assert small.seen(JA, "ja_asd") == ["MeasureStarted"]
    assert _unreadable(small, JA, "ja_asd") == [None]
    _break(small, case_row, "MeasureStarted")
    _mark(small)
    disclose(small.parts)
    assert small.seen(JA, "ja_asd") == []
    assert _unreadable(small, JA, "ja_asd") == [1]
    last = small.last(JA, "ja_asd")
    assert last
    registered = [row for row in small.rows("disclosure") if row["view_id"] == last.view["view_id"].hex()]
    assert registered == []  # nothing was released


def test_a_page_says_it_where_the_role_might_see_the_record(small: World) -> None:
    small.shared()
    _break(small, case_row, "MeasureStarted")
    cards = present(small.open(JA, "ja_asd"), small.parts.agencies).cards
    assert [card.unreadable for card in cards if card.unreadable] == [
        "Ein Eintrag fehlt hier, weil er sich nicht öffnen lässt. Bitte die Fachadministration fragen."
    ]


def test_nobody_learns_of_a_record_that_they_may_not_see(small: World) -> None:
    """The key stays for another category's sake; this record is denied whether it opens or not."""
    small.shared()
    small.jc.grants("c3", MOTHER, ["LS"])
    small.jc.withdraws("c1", MOTHER)
    small.run()
    _break(small, case_row, "MeasureStarted")
    opened = small.open(JA, "ja_asd")
    assert [part for part in opened.redacted.parts if part.sender == JC] == []


def test_access_names_records_and_consents_that_do_not_open(small: World) -> None:
    small.shared()
    subject = f"{JC}:{small.jc.ref(MOTHER)}"
    assert access(small.parts, subject)["unreadable"] == []
    _break(small, case_row, "MeasureStarted")
    found = access(small.parts, subject)
    assert found["unreadable"] == [{"sender": JC, "what": "records", "number": 1}]
    _break(small, consent_row, "ConsentGranted")
    assert {"sender": JC, "what": "consents_and_control_data", "number": 1} in access(small.parts, subject)[
        "unreadable"
    ]


def test_a_staging_table_has_a_row_that_says_it(small: World) -> None:
    small.shared()
    _break(small, case_row, "MeasureStarted")
    _mark(small)
    disclose(small.parts)
    staging = Staging(small.parts, JA, f"sqlite:///{small.data}/uebergabe.sqlite")
    staging.step(small.clock.now())
    said = {(row["rolle"], row["feld"], row["wert"]) for row in staging.rows() if not row["ereignis"]}
    assert ("ja_asd", "nicht_lesbar", "1") in said


@pytest.mark.parametrize("how", ["another box", "no JSON"])
def test_a_sink_says_that_a_part_does_not_open(
    small: World, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.shared()

    def broken(*_: Any) -> bytes:
        if how == "no JSON":
            return b"{"
        raise InvalidTag

    monkeypatch.setattr("connectors.sinks.rows.open_box", broken)
    staging = Staging(small.parts, JA, f"sqlite:///{small.data}/uebergabe.sqlite")
    staging.step(small.clock.now())
    assert {(row["feld"], row["wert"], row["absender"]) for row in staging.rows()} == {
        ("nicht_lesbar", None, JC)
    }
    assert {row["grund"] for row in staging.rows("fallbruecke_unlesbar")} == {"part_unreadable"}


def test_a_sink_says_nothing_of_a_part_whose_key_is_destroyed(small: World) -> None:
    small.shared()
    small.jc.withdraws("c1", MOTHER)
    small.run()
    staging = Staging(small.parts, JA, f"sqlite:///{small.data}/uebergabe.sqlite")
    staging.step(small.clock.now())
    assert [row for row in staging.rows() if row["feld"] == "nicht_lesbar"] == []
