"""A row becomes exactly the events that the configuration says, under names that say nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Row, Unreadable
from connectors.pipeline.config.connector import parse_config
from connectors.pipeline.mapping.lookups import LookupIndex
from connectors.pipeline.mapping.mapped import MappedEvent, Unmapped
from connectors.pipeline.mapping.mapper import Mapper
from connectors.pipeline.publish.pseudonyms import spoken_of
from hub.domain.clock import moment
from hub.domain.identifiers import AgencyKey, KeyRing
from hub.errors import ConfigurationError

KEY = AgencyKey(b"k" * 32)
HELP = {
    "type": "HelpStarted",
    "subject": "P",
    "case": "F",
    "occurred_at": "VON",
    "valid_to": "BIS",
    "entrusted_by": "VERTRAUT",
    "source_203": "ARZT",
    "fields": {"paragraph": "PAR", "place": "ORT"},
}
MARCH = 1_772_704_800_000_000  # 2026-03-05T10:00:00Z
CELLS = {
    "ID": "7",
    "P": "0012",
    "F": "9",
    "VON": "01.10.2026",
    "BIS": "31.12.9999",
    "VERTRAUT": "",
    "ARZT": "nein",
    "PAR": "31",
    "ORT": "Lünen",
    "FREITEXT": "geheim",
}


def mapper(*events: dict[str, Any], **stream: Any) -> Mapper:
    raw = {
        "agency": {"id": "ja", "kind": "youth_welfare"},
        "connector": {"kind": "x", "state": "s", "pseudonyms": "p"},
        "defaults": {
            "date": "%d.%m.%Y",
            "true": ["ja"],
            "false": ["nein"],
            "open_end": ["31.12.9999"],
            "empty": ["\\N"],
        },
        "lookups": {
            "akten": {"stream": "s", "key": "P", "columns": ["F"]},
            "orte": {"stream": "t", "key": "P", "columns": ["F"]},
        },
        "streams": {"s": {"key": "ID", "events": list(events), **stream}, "t": {"key": "ID"}},
    }
    config = parse_config(raw, Path())
    return Mapper(KEY, "youth_welfare", config.streams)


def row(version: int = 5, **cells: Any) -> Row:
    return Row("s", "7", "datei.csv:3", CELLS | cells, version)


def one(found: Any) -> Any:
    (event,) = found
    return event


def test_an_event_is_typed_labelled_and_pseudonymous() -> None:
    event = one(mapper(HELP).events(row(), {}))
    assert isinstance(event, MappedEvent)
    assert event.payload == {"paragraph": "31", "place": "Lünen"}
    assert event.categories == {"paragraph": "HS", "place": "HS"}
    assert event.record_ref == KEY.record_ref("s", "7", "HelpStarted", KEY.person("0012"))
    assert (event.subject_ref, event.case_ref) == (KEY.person("0012"), KEY.case("9"))
    assert moment(event.occurred_at).isoformat() == "2026-09-30T22:00:00+00:00"
    assert event.valid_to is None
    assert "0012" not in repr(event)
    assert "Lünen" not in repr(event)
    assert "geheim" not in repr(event.payload)


def test_versions_of_a_row_are_versions_of_one_record() -> None:
    mapping = mapper(HELP)
    first, second = one(mapping.events(row(5), {})), one(mapping.events(row(6, ORT="Unna"), {}))
    assert first.record_ref == second.record_ref
    assert (first.source_version, second.source_version) == (5, 6)


def test_entrusted_data_are_all_a65() -> None:
    event = one(mapper(HELP).events(row(VERTRAUT="0013"), {}))
    assert set(event.categories.values()) == {"A65"}
    assert event.entrusted_by == KEY.person("0013")


def test_whom_an_event_mentions_keeps_the_name_too() -> None:
    new, stands = AgencyKey(b"n" * 32), set[str]()
    mapping = mapper(HELP)
    first = one(mapping.events(row(VERTRAUT="0013"), {}))
    stands |= spoken_of([first]).keys()
    assert stands == {KEY.person("0012"), KEY.case("9"), KEY.person("0013")}
    after = replace(mapping, key=KeyRing((new, KEY), stands.__contains__))
    again = one(after.events(row(VERTRAUT="0013"), {}))
    assert (again.entrusted_by, again.record_ref, again.event_id) == (
        first.entrusted_by,
        first.record_ref,
        first.event_id,
    )
    newcomer = one(after.events(row(P="0014"), {}))
    assert (newcomer.subject_ref, newcomer.case_ref) == (new.person("0014"), KEY.case("9"))
    assert newcomer.record_ref == new.record_ref("s", "7", "HelpStarted", new.person("0014"))


def test_a_diagnosis_raises_the_record() -> None:
    assert set(one(mapper(HELP).events(row(PAR="35a"), {})).categories.values()) == {"G9"}


@pytest.mark.parametrize(
    ("cells", "reason", "column"),
    [
        ({"PAR": "99"}, "code_not_in_list", "PAR"),
        ({"VON": "gestern"}, "unreadable_value", "VON"),
        ({"VON": ""}, "value_missing", "VON"),
        ({"P": ""}, "subject_missing", "P"),
        ({"F": " "}, "case_missing", "F"),
        ({"P": "\\N"}, "subject_missing", "P"),
        ({"F": "\\N"}, "case_missing", "F"),
        ({"ARZT": "weiß nicht"}, "unreadable_value", "ARZT"),
    ],
)
def test_what_cannot_be_read_waits(cells: dict[str, Any], reason: str, column: str) -> None:
    found = one(mapper(HELP).events(row(**cells), {}))
    assert isinstance(found, Unmapped)
    assert (found.reason, found.column, found.place) == (reason, column, "datei.csv:3")
    assert found.remedy


CONSENT = {
    "type": "ConsentGranted",
    "subject": "P",
    "case": "F",
    "occurred_at": "VON",
    "fields": {
        "id": "ENR",
        "sender": "VONWEM",
        "recipients": "AN",
        "purposes": "WOZU",
        "categories": "WAS",
        "granted_at": "VON",
    },
}
GIVEN = {"ENR": "7", "VONWEM": "ja-a", "AN": "jc-a", "WOZU": "joint_case_management", "WAS": "HS,ID"}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({}, None),
        ({"WAS": "HS,XX"}, "unknown_category"),
        ({"WOZU": "joint_case_managment"}, "unknown_purpose"),
        ({"AN": "jc-a,jc-b"}, "unknown_recipient"),
        ({"VONWEM": "ja-b"}, "unknown_sender"),
    ],
)
def test_a_consent_in_unknown_words_waits(cells: dict[str, Any], reason: str | None) -> None:
    known = replace(mapper(CONSENT), agencies=frozenset({"ja-a", "jc-a"}))
    found = one(known.events(row(**(GIVEN | cells)), {}))
    assert (found.reason if isinstance(found, Unmapped) else None) == reason
    if isinstance(found, Unmapped):
        assert found.column in cells, "the column of the export, not the field of the event"
        assert "docs/reference/codes.md" in found.remedy


def with_codes(event: dict[str, Any], codes: dict[str, Any]) -> Mapper:
    raw = {
        "agency": {"id": "ja-a", "kind": "youth_welfare"},
        "connector": {"kind": "x", "state": "s", "pseudonyms": "p"},
        "codes": {"own": codes},
        "defaults": {"date": "%d.%m.%Y"},
        "streams": {"s": {"key": "ID", "events": [event]}},
    }
    return replace(Mapper.of(parse_config(raw, Path()), KEY), agencies=frozenset({"ja-a", "jc-a"}))


def coded(field: str, column: str) -> dict[str, Any]:
    consent: dict[str, Any] = {**CONSENT}
    return {**consent, "fields": {**consent["fields"], field: {"column": column, "codes": "own"}}}


def test_one_word_of_the_agency_may_stand_for_several_codes() -> None:
    known = with_codes(coded("categories", "WAS"), {"alles": ["EG", "TM"], "hilfen": "HS"})
    cells: dict[str, Any] = GIVEN | {"WAS": "hilfen,alles"}
    said = one(known.events(row(**cells), {}))
    assert said.payload["categories"] == ["HS", "EG", "TM"]


def test_a_word_in_no_code_table_is_told_with_the_codes_that_may_stand_there() -> None:
    cells: dict[str, Any] = {**GIVEN}
    held = one(with_codes(coded("categories", "WAS"), {"x": "HS"}).events(row(**cells), {}))
    assert (held.reason, held.column) == ("unknown_code", "WAS")
    assert "A65, B68, BT" in held.remedy
    assert "docs/reference/codes.md" in held.remedy


def test_a_field_of_one_value_takes_no_list_of_codes() -> None:
    with pytest.raises(ConfigurationError, match="takes one value"):
        with_codes(coded("sender", "VONWEM"), {"alle": ["ja-a", "ja-b"]})


def test_a_held_row_is_held_whole() -> None:
    joined = {
        "type": "MemberJoined",
        "subject": "P",
        "case": "F",
        "occurred_at": "VON",
        "fields": {"from": "VON"},
    }
    found = one(mapper(HELP, joined).events(row(PAR="99"), {}))
    assert (type(found), found.event_type) == (Unmapped, "HelpStarted")
    assert len(list(mapper(HELP, joined).events(row(), {}))) == 2


def test_what_narrows_is_said_of_a_held_row_too() -> None:
    withdrawn = {
        "type": "ConsentWithdrawn",
        "subject": "P",
        "case": "F",
        "occurred_at": "VON",
        "fields": {"consent_id": "ID"},
    }
    held, said = mapper(HELP, withdrawn).events(row(PAR="99"), {})
    assert isinstance(held, Unmapped)
    assert isinstance(said, MappedEvent)
    assert said.schema.event_type == "ConsentWithdrawn"


def test_conditions_choose() -> None:
    ended = HELP | {"type": "HelpEnded", "when": [{"column": "BIS", "not_in": ["31.12.9999", ""]}]}
    assert list(mapper(ended).events(row(), {})) == []
    assert one(mapper(ended).events(row(BIS="01.11.2026"), {})).schema.event_type == "HelpEnded"


@pytest.mark.parametrize(
    ("raw", "written"), [(True, "true"), (True, "1"), (False, "False"), (1, "1"), ("J ", "J")]
)
def test_a_truth_value_is_told_in_several_ways(raw: object, written: str) -> None:
    chosen = HELP | {"when": [{"column": "WEG", "in": [written]}]}
    assert len(list(mapper(chosen).events(row(WEG=raw), {}))) == 1
    without = HELP | {"when": [{"column": "WEG", "not_in": [written]}]}
    assert list(mapper(without).events(row(WEG=raw), {})) == []


def test_a_condition_reads_no_bytes() -> None:
    found = one(mapper(HELP | {"when": [{"column": "WEG", "not_in": ["J"]}]}).events(row(WEG=b"J"), {}))
    assert (found.reason, found.column) == ("unreadable_value", "WEG")


def test_a_case_that_a_lookup_does_not_know_is_no_case() -> None:
    mapping = HELP | {"case": {"lookup": "akten", "by": "P", "column": "F"}}
    cases = {"akten": {"0012": [{"F": "\\N"}, {"F": "10"}], "\\N": [{"F": "11"}]}}
    assert one(mapper(mapping).events(row(), cases)).case_ref == KEY.case("10")
    assert list(mapper(mapping).events(row(P="0013"), cases)) == []


def test_a_person_of_two_cases_has_the_record_in_both() -> None:
    mapping = HELP | {"case": {"lookup": "akten", "by": "P", "column": "F"}}
    cases = {"akten": {"0012": [{"F": "9"}, {"F": "10"}, {"F": "9"}]}}
    first, second = mapper(mapping).events(row(), cases)
    assert isinstance(first, MappedEvent)
    assert isinstance(second, MappedEvent)
    assert {first.case_ref, second.case_ref} == {KEY.case("9"), KEY.case("10")}
    assert first.record_ref != second.record_ref
    assert list(mapper(mapping).events(row(), {})) == []  # in no case: not our concern


def test_a_vanished_row_says_only_what_the_mapping_says() -> None:
    gone = row()._replace(gone=True)
    assert list(mapper(HELP).events(gone, {})) == []
    vanish = {
        "type": "HelpEnded",
        "subject": "P",
        "case": "F",
        "occurred_at": "@version",
        "fields": {"paragraph": "PAR", "end_code": {"constant": "50"}},
    }
    event = one(mapper(HELP, on_vanish=vanish).events(gone._replace(version=1_795_000_000_000_000), {}))
    assert (event.schema.event_type, event.payload["end_code"], event.occurred_at) == (
        "HelpEnded",
        "50",
        1_795_000_000_000_000,
    )


@pytest.mark.parametrize(
    ("told", "at"),
    [({"version": MARCH}, MARCH), ({"version": MARCH + 7, "changed": MARCH}, MARCH)],
)
def test_the_version_is_the_rows_own_time(told: dict[str, Any], at: int) -> None:
    event = one(mapper(HELP | {"occurred_at": "@version"}).events(row()._replace(**told), {}))
    assert event.occurred_at == at


@pytest.mark.parametrize("told", [{"timeless": True}, {"version": 0}, {"changed": 0}])
def test_a_version_that_says_no_time_holds_its_row(told: dict[str, Any]) -> None:
    held = one(mapper(HELP | {"occurred_at": "@version"}).events(row()._replace(**told), {}))
    assert isinstance(held, Unmapped)
    assert (held.reason, held.column) == ("version_says_no_time", "@version")
    assert isinstance(one(mapper(HELP).events(row()._replace(**told), {})), MappedEvent)


def test_a_version_whose_hour_never_comes_holds_its_row_and_one_that_comes_twice_is_told() -> None:
    mapping = mapper(HELP | {"occurred_at": "@version"})
    held = one(mapping.events(row()._replace(version=MARCH, hour="never"), {}))
    assert (held.reason, held.column) == ("no_such_hour", "@version")
    assert one(mapping.events(row()._replace(version=MARCH, hour="twice"), {})).twice == ("@version",)
    assert one(mapper(HELP).events(row()._replace(hour="never"), {})).twice == ()


def test_a_scope_that_cannot_be_read_withdraws_everything() -> None:
    withdrawn = {
        "type": "ConsentWithdrawn",
        "subject": "P",
        "case": "F",
        "occurred_at": "VON",
        "fields": {"consent_id": "ID", "scope": {"flags": {"categories": "ORT"}, "codes": "k"}},
    }
    raw = mapper(HELP)
    config = parse_config(
        {
            "agency": {"id": "ja", "kind": "youth_welfare"},
            "connector": {"kind": "x", "state": "s", "pseudonyms": "p"},
            "defaults": {"date": "%d.%m.%Y"},
            "codes": {"k": {"hilfen": "HS"}},
            "streams": {"s": {"key": "ID", "events": [withdrawn]}},
        },
        Path(),
    )
    mapping = Mapper(raw.key, raw.agency_kind, config.streams)
    assert one(mapping.events(row(ORT="hilfen"), {})).payload["scope"] == {"categories": ["HS"]}
    assert "scope" not in one(mapping.events(row(ORT="unbekannt"), {})).payload


def test_lookups_follow_their_rows() -> None:
    index = LookupIndex(
        parse_config(
            {
                "agency": {"id": "ja", "kind": "youth_welfare"},
                "connector": {"kind": "x", "state": "s", "pseudonyms": "p"},
                "lookups": {"akten": {"stream": "s", "key": "P", "columns": ["F"]}},
                "streams": {"s": {"key": "ID"}},
            },
            Path(),
        ).lookups
    )
    assert index.take([row()], complete=False) == {"0012"}
    assert index.take([row()], complete=False) == frozenset()
    assert index.take([row(F="10")], complete=False) == {"0012"}
    assert index.tables["akten"]["0012"] == [{"F": "10"}]
    index.take([row()._replace(gone=True)], complete=False)
    assert index.tables["akten"]["0012"] == []


@pytest.mark.parametrize(
    ("condition", "word", "held"),
    [
        ({"not_in": ["gesperrt"]}, "Gesperrt", True),
        ({"not_in": ["gesperrt"]}, "ge\u00adsperrt", True),
        ({"not_in": ["gesperrt"]}, "offen", False),
        ({"not_in": ["ja"]}, "vielleicht", True),
        ({"not_in": ["ja"]}, "nein", False),
        ({"not_in": ["g"], "known": ["o"]}, "x", True),
        ({"not_in": ["g"], "known": ["o"]}, "o", False),
        ({"in": ["A"]}, "a", True),
        ({"in": ["A"]}, "B", False),
    ],
)
def test_an_exclusion_passes_over_no_word_that_it_does_not_know(
    condition: dict[str, Any], word: str, held: bool
) -> None:
    found = list(mapper(HELP | {"when": [{"column": "WEG", **condition}]}).events(row(WEG=word), {}))
    assert any(isinstance(each, Unmapped) and each.reason == "unknown_word" for each in found) is held


def test_a_birth_date_ahead_is_none() -> None:
    person = {
        "type": "PersonRegistered",
        "subject": "P",
        "case": "F",
        "occurred_at": "VON",
        "fields": {"names": "ORT", "birth_date": "GEB"},
    }
    assert isinstance(one(mapper(person).events(row(GEB="01.02.1990"), {})), MappedEvent)
    for day in ("01.02.2031", "01.01.0001", "04/1990", "1.2.1990"):
        found = one(mapper(person).events(row(GEB=day), {}))
        assert (type(found), found.column) == (Unmapped, "GEB")


@pytest.mark.parametrize(
    "value",
    [
        {"column": "ORT", "factor": 0.01},
        {"column": "ORT", "split": ";"},
        {"columns": ["ORT", "PAR"]},
        {"constant": "x", "codes": "k"},
        {"column": "ORT", "date": "%m/%Y", "out": "%d.%m.%Y"},
    ],
)
def test_a_key_that_says_nothing_of_a_kind_is_refused_at_load(value: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        mapper(HELP | {"fields": {"place": value}})


PLACE = {"lookup": "orte", "by": "P", "column": "F"}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "lookup_missing"),
        (["Unna"], "Unna"),
        (["Unna", "Unna"], "Unna"),
        (["Unna", "Lünen"], "lookup_ambiguous"),
        (["Unna", None], "lookup_ambiguous"),
        ([None], None),
        (["\\N"], None),
        (["Mül\x7fler"], "beyond_limits"),
        ([b"Unna"], "unreadable_value"),
        ([Unreadable("is broken", "mend it", "unreadable_row")], "unreadable_row"),
    ],
)
@pytest.mark.parametrize("default", [None, "nirgends"])
def test_a_field_may_stand_in_another_stream(found: list[Any], said: Any, default: Any) -> None:
    value = PLACE if default is None else {**PLACE, "default": default}
    mapping = mapper(HELP | {"fields": {"paragraph": "PAR", "place": value}})
    event = one(mapping.events(row(), {"orte": {"0012": [{"F": each} for each in found]}}))
    if default and said in (None, "lookup_missing"):
        said = default
    if isinstance(event, Unmapped):
        assert (event.reason, event.column) == (said, "orte[P].F")
        assert event.place == "datei.csv:3"
        assert event.remedy
    else:
        assert event.payload.get("place") == said


def test_a_row_that_names_no_row_of_the_other_stream_leaves_the_value_unknown() -> None:
    value = {"lookup": "orte", "by": "BIS", "column": "F"}
    mapping = mapper(HELP | {"fields": {"paragraph": "PAR", "place": value}})
    assert one(mapping.events(row(BIS=""), {})).payload == {"paragraph": "31"}
    strange = one(mapping.events(row(BIS="1,23E+11"), {}))
    assert (strange.reason, strange.column) == ("unreadable_value", "orte[BIS].F")


def test_a_person_a_time_and_a_circumstance_may_stand_in_another_stream() -> None:
    mapping = mapper(
        HELP | {"entrusted_by": PLACE, "occurred_at": {**PLACE, "date": "%Y"}, "valid_to": PLACE}
    )
    event = one(mapping.events(row(), {"orte": {"0012": [{"F": "2026"}]}}))
    assert isinstance(event, Unmapped), "2026 is no day of valid_to"
    mapping = mapper(HELP | {"entrusted_by": PLACE, "occurred_at": {**PLACE, "date": "%Y"}})
    event = one(mapping.events(row(), {"orte": {"0012": [{"F": "2026"}]}}))
    assert event.entrusted_by == KEY.person("2026")
    assert moment(event.occurred_at).isoformat() == "2025-12-31T23:00:00+00:00"


def test_a_part_of_the_key_names_the_record_and_not_the_row() -> None:
    mapping = mapper(HELP, key=["ID", PLACE])
    assert mapping.streams["s"].key == ("ID", "P")
    found = {"orte": {"0012": [{"F": " 00\u200b88 "}]}}
    event = one(mapping.events(row(), found))
    assert event.record_ref == KEY.record_ref("s", "7\x1f0088", "HelpStarted", KEY.person("0012"))
    assert event.row_key == "7"
    for cells, reason in (
        ([], "lookup_missing"),
        ([{"F": ""}], "key_missing"),
        ([{"F": "4711.0"}], "unreadable_value"),
    ):
        held = one(mapping.events(row(), {"orte": {"0012": cells}}))
        assert (held.reason, held.column) == (reason, "orte[P].F")


def first_held(kind: str, number: object) -> Unmapped:
    found = next(replace(mapper(HELP), kind=kind).events(row(P=number), {}))
    assert isinstance(found, Unmapped)
    return found


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("sql", "make a text of it in a query"),
        ("sql_outbox", "write it into the outbox as text"),
        ("rest", "have the interface give it as text"),
        ("xml", "export it as text"),
        ("snapshot_csv", "export it as text"),
        ("own_kind", "export it as text"),
    ],
)
@pytest.mark.parametrize("number", [b"4711", "4,711E+11", 4711.5])
def test_a_remedy_is_told_in_the_words_of_the_kind_of_source(kind: str, words: str, number: object) -> None:
    found = first_held(kind, number)
    assert (found.reason, found.column, found.remedy.split(": ")[1]) == ("unreadable_value", "P", words)


@pytest.mark.parametrize("kind", ["sql", "rest", "xml"])
def test_a_list_for_one_value_has_a_remedy_that_every_source_can_take(kind: str) -> None:
    found = first_held(kind, ["1", "2"])
    assert found.remedy.endswith("leave one value there, or map it to a field that takes several")
