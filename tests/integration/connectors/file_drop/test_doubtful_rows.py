"""Rows of which nobody can tell which record they are: each waits with its line, all others go on."""

from collections.abc import Callable
from typing import Any

import pytest

from connectors.contract import Batch, Row
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.mapping.mapper import Mapper
from connectors.pipeline.state.faults import of_rows
from connectors.sources.files.encoding import BOM
from tests.integration.connectors.file_drop.house import KEY, NOW, STREAM, Build, House
from tests.support.delivery import one_delivery

HEAD = "nr;name;geboren;akte\n"
ANNA, BEN, IDA = "1;Anna;07.06.2015;A1\n", "2;Ben;01.02.1990;A1\n", "3;Ida;01.02.1991;A1\n"
BO = BEN.replace("Ben", "Bo")
DATED = 'complete = "rename"\nas_of = "_(\\\\d{8})\\\\."\nvanish_limit = 1.0\n'
NAMED = STREAM.replace('type = "SubjectRecorded"', 'type = "PersonRegistered"').replace(
    'birth_date = "geboren"', 'names = "name"\nbirth_date = "geboren"'
)


def outcome(house: House, day: int, text: str) -> dict[str, Any]:
    """What a delivery says: name of each person who is sent, and reason and line of each row that waits."""
    house.put(f"personen_202611{day}.csv", text)
    return told(house)


def told(house: House) -> dict[str, Any]:
    incidents = list(house.source.refresh(NOW))
    mapper, sent, held, gone = Mapper.of(house.config, KEY), [], [], 0
    for batch in house.source.read(["people"], 2):
        for row in batch.rows:
            found = list(mapper.events(row, {}))
            sent += [one.payload["names"] for one in found if isinstance(one, MappedEvent)]
            held += [(row.place.rpartition(":")[2], one.reason) for one in found if isinstance(one, Unmapped)]
            gone += row.gone
        settle(house, batch.rows, mapper)
    house.source.finished()
    return {"sent": sorted(sent), "held": held, "gone": gone, "incidents": [one.reason for one in incidents]}


def settle(house: House, rows: Any, mapper: Mapper) -> None:
    """As the runtime does: what waits stays in quarantine and is read again."""
    faults = [one for row in rows for one in mapper.events(row, {}) if isinstance(one, Unmapped)]
    entries = of_rows(Batch("people", rows), faults, house.state.key_hash)
    waiting = {one.key for one in entries}
    hashed = {row.key: house.state.key_hash(row.key) for row in rows}
    with house.state.transaction():
        house.state.release("people", [key for key in hashed.values() if key not in waiting])
        house.state.quarantine(entries)
        house.state.advance("people", rows, None, {key for key, name in hashed.items() if name in waiting})


def waits(house: House) -> list[str]:
    return sorted(one.reason for one in house.state.quarantined() if one.stream == "people")


@pytest.fixture
def house(built: Build) -> House:
    return built(DATED, NAMED)


@pytest.mark.parametrize("bad", ["2;Ben;01.02.1990\n", "2;Ben;Bo;01.02.1990;A1\n", "2\n"])
def test_a_row_of_other_columns_waits_alone(house: House, bad: str) -> None:
    found = outcome(house, 10, HEAD + ANNA + bad + IDA)
    assert found == {"sent": ["Anna", "Ida"], "held": [("3", "bad_row")], "gone": 0, "incidents": []}
    assert outcome(house, 11, HEAD + ANNA + bad + IDA)["sent"] == []
    assert outcome(house, 12, HEAD + ANNA + BEN + IDA)["sent"] == ["Ben"]
    assert waits(house) == []


@pytest.fixture(params=["utf-8", "utf-8-sig", "utf-16"])
def marked(request: pytest.FixtureRequest, built: Build) -> Callable[[str], dict[str, Any]]:
    """What a delivery says whose encoding has byte order marks."""
    house = built(DATED, NAMED)
    config = house.folder / "source.toml"
    text = config.read_text(encoding="utf-8").replace('"cp1252"', f'"{request.param}"')
    config.write_text(text, encoding="utf-8")
    house.restart()

    def delivered(text: str) -> dict[str, Any]:
        house.put("personen_20261110.csv", text.encode(request.param))
        return told(house)

    return delivered


def test_a_mark_before_a_cell_is_a_character_of_the_cell(marked: Callable[[str], dict[str, Any]]) -> None:
    found = marked(HEAD + ANNA + f"{BOM}{BEN}" + IDA)
    assert found == {"sent": ["Anna", "Ben", "Ida"], "held": [], "gone": 0, "incidents": []}


def test_a_row_whose_mark_stands_before_a_quote_waits_alone(marked: Callable[[str], dict[str, Any]]) -> None:
    found = marked(HEAD + ANNA + f'{BOM}"2";Ben;01.02.1990;A1\n' + IDA)
    assert found == {"sent": ["Anna", "Ida"], "held": [("3", "bad_row")], "gone": 0, "incidents": []}


@pytest.mark.parametrize(
    "behind",
    [
        f"{BOM}{HEAD}",
        f'{BOM}"nr";"name";"geboren";"akte"\n',
        f"{BOM}geboren;name;nr;akte\n",
        f"{BOM}Amt\n{HEAD}",
    ],
    ids=["same", "quoted", "other columns", "a line before it"],
)
def test_files_one_behind_the_other_are_refused(marked: Callable[[str], dict[str, Any]], behind: str) -> None:
    found = marked(HEAD + ANNA + behind + BEN)
    assert found == {"sent": [], "held": [], "gone": 0, "incidents": ["wrong_encoding"]}


def test_nobody_vanishes_while_a_row_has_no_key(house: House) -> None:
    outcome(house, 10, HEAD + ANNA + BEN + IDA)
    broken = outcome(house, 11, HEAD + ANNA + "2;Ben;01.02.1990\n")
    assert (broken["held"], broken["gone"]) == ([("3", "bad_row")], 0)
    house.restart()
    assert outcome(house, 12, HEAD + ANNA + BEN)["gone"] == 2  # Ida, and the row that waited
    assert waits(house) == []


def test_a_row_without_a_key_hides_nobody_either(house: House) -> None:
    outcome(house, 10, HEAD + ANNA + BEN)
    assert outcome(house, 11, HEAD + ANNA + BEN.replace("2", "", 1))["gone"] == 0
    assert outcome(house, 12, HEAD + ANNA)["gone"] == 2


def test_a_file_of_other_columns_is_refused(house: House) -> None:
    many = "".join(f"{n};N;01.02.1990;A;\n" for n in range(11))
    assert outcome(house, 10, HEAD + many)["incidents"] == ["wrong_columns"]


def test_a_repeated_row_says_nothing(house: House) -> None:
    found = outcome(house, 10, HEAD + ANNA + BEN + ANNA + BEN)
    assert found == {"sent": ["Anna", "Ben"], "held": [], "gone": 0, "incidents": []}
    assert outcome(house, 11, HEAD + ANNA + BEN + ANNA)["sent"] == []
    assert len(list(house.source.subjects(["1"]))) <= 2


def test_rows_that_contradict_each_other_wait_both(house: House) -> None:
    found = outcome(house, 10, HEAD + ANNA + BEN + BO + IDA + BEN)
    assert found["sent"] == ["Anna", "Ida"]
    assert found["held"] == [("3", "duplicate_key"), ("4", "duplicate_key")]
    assert waits(house) == ["duplicate_key", "duplicate_key"]
    assert outcome(house, 11, HEAD + ANNA + BO + IDA)["sent"] == ["Bo"]
    assert waits(house) == []


def test_what_was_said_before_stays_while_rows_contradict_each_other(house: House) -> None:
    outcome(house, 10, HEAD + ANNA + BEN)
    assert outcome(house, 11, HEAD + ANNA + BEN + BO)["gone"] == 0
    house.restart()
    assert {row.key for row in house.source.control(["people"]).rows if not row.fault} == {"1"}
    assert outcome(house, 12, HEAD + ANNA + BEN)["sent"] == []
    assert waits(house) == []


def test_one_key_for_many_rows_is_no_key(house: House) -> None:
    many = "".join(f"1;N{n};01.02.1990;A\n" for n in range(11))
    assert outcome(house, 10, HEAD + many)["incidents"] == ["duplicate_key"]


def test_a_withdrawal_that_contradicts_another_takes_effect(built: Build) -> None:
    stream = STREAM.replace('type = "SubjectRecorded"', 'type = "ConsentWithdrawn"').replace(
        'birth_date = "geboren"', 'consent_id = "name"'
    )
    house = built(DATED, stream)
    house.put("personen_20261110.csv", HEAD + BEN + BO)
    rows: list[Row] = one_delivery(house.source, house.state, NOW)[0]
    found = [one for row in rows for one in Mapper.of(house.config, KEY).events(row, {})]
    said = [one for one in found if isinstance(one, MappedEvent)]
    assert sorted(one.payload["consent_id"] for one in said) == ["Ben", "Bo"]
    assert len({one.record_ref for one in said}) == 2
    assert [one.reason for one in found if isinstance(one, Unmapped)] == ["duplicate_key"] * 2


def test_changes_that_contradict_each_other_wait_until_a_later_file(built: Build) -> None:
    house = built(DATED, NAMED.replace('key = "nr"', 'key = "nr"\nchanges = true'))
    assert outcome(house, 10, HEAD + ANNA + BEN)["sent"] == ["Anna", "Ben"]
    assert outcome(house, 11, HEAD + BEN + BO)["held"] == [("2", "duplicate_key"), ("3", "duplicate_key")]
    assert outcome(house, 12, HEAD + IDA)["sent"] == ["Ida"]
    assert {row.key for row in house.source.control(["people"]).rows if not row.fault} == {"1", "3"}
    assert outcome(house, 13, HEAD + BO)["sent"] == ["Bo"]
    assert {row.key for row in house.source.control(["people"]).rows if not row.fault} == {"1", "2", "3"}
