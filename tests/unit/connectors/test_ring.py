"""Which key names whom, and which files and tables do not belong together."""

from base64 import b64encode
from pathlib import Path

import pytest

from connectors.pipeline.publish.keyring import (
    agency_keys,
    check,
    fingerprints,
    naming,
    naming_to_look,
    unfinished,
    written,
)
from connectors.pipeline.publish.pseudonyms import Local, Pseudonyms
from connectors.pipeline.run.pipeline import secret_of
from hub.domain.identifiers import AgencyKey, AgencyKeys, KeyRing
from hub.errors import ConfigurationError, StartAgain

FIRST, SECOND, THIRD = (AgencyKey(letter * 32) for letter in (b"1", b"2", b"3"))


@pytest.fixture
def table(tmp_path: Path) -> Pseudonyms:
    return Pseudonyms(tmp_path / "pseudonyms.sqlite")


def named(table: Pseudonyms, *keys: AgencyKey) -> None:
    """The keys that the agency's rotations have marked, the first one first."""
    for number, key in enumerate(keys, 1):
        table.mark(key.fingerprint, number)


def test_who_stands_in_the_table_keeps_the_name_and_others_get_the_newest() -> None:
    stands = {FIRST.person("a"), SECOND.person("b"), FIRST.case("f")}
    ring = KeyRing((THIRD, SECOND, FIRST), stands.__contains__)
    assert [ring.person(one) for one in "abc"] == [FIRST.person("a"), SECOND.person("b"), THIRD.person("c")]
    assert [ring.case(one) for one in "fa"] == [FIRST.case("f"), THIRD.case("a")]
    assert ring.persons("a") == (THIRD.person("a"), SECOND.person("a"), FIRST.person("a"))
    assert ring.row_hash(b"row") == FIRST.row_hash(b"row")


def test_secrets_are_in_no_repr() -> None:
    ring = KeyRing((SECOND, FIRST), lambda ref: False)
    assert all(
        key.secret.decode() not in repr(part) for part in (ring, FIRST, SECOND) for key in (FIRST, SECOND)
    )


def test_the_file_holds_one_key_to_a_line_the_newest_first(tmp_path: Path) -> None:
    file = tmp_path / "agency.key"
    file.write_bytes(b64encode(FIRST.secret))
    assert agency_keys(file) == (FIRST,)
    file.write_bytes(written((SECOND, FIRST)))
    assert agency_keys(file) == (SECOND, FIRST)
    with pytest.raises(ConfigurationError):
        secret_of(file, "keys.kek_file")


@pytest.mark.parametrize(
    "content", [b"", b"short\n", written((FIRST,)) + b"short\n", written((FIRST, FIRST))]
)
def test_faulty_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "agency.key"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError):
        agency_keys(file)


@pytest.mark.parametrize(
    ("keys", "marked"),
    [
        ((SECOND, FIRST), ()),  # the table was lost
        ((FIRST,), (FIRST, SECOND)),  # an older key file
        ((SECOND,), (FIRST,)),  # another key
        ((SECOND,), (FIRST, SECOND)),  # the older key was dropped
        ((SECOND, FIRST), (FIRST,)),  # an older table
    ],
)
def test_what_does_not_belong_together_is_refused(
    table: Pseudonyms, keys: AgencyKeys, marked: AgencyKeys
) -> None:
    named(table, *marked)
    for look in (naming, naming_to_look):
        with pytest.raises(ConfigurationError) as error:
            look(keys, table)
        assert error.value.remedy
    assert [mark.fingerprint for mark in table.marked()] == [*reversed(fingerprints(marked))]


def test_a_rotation_that_was_begun_is_told_from_an_older_table(table: Pseudonyms) -> None:
    named(table, FIRST)
    table.begin(THIRD.fingerprint, 2)
    table.begin(SECOND.fingerprint, 2)
    assert unfinished((SECOND, FIRST), table)
    assert not unfinished((THIRD, FIRST), table)
    with pytest.raises(ConfigurationError, match="begun"):
        check((SECOND, FIRST), table)
    check((FIRST,), table)
    table.mark(SECOND.fingerprint, 2)
    check((SECOND, FIRST), table)
    assert table.begun() is None


def test_a_table_without_a_mark_tells_by_its_names_whose_it_is(table: Pseudonyms) -> None:
    table.add({FIRST.case("f"): Local("case", "f")})
    with pytest.raises(ConfigurationError, match="another key"):
        naming((SECOND,), table)
    assert table.marked() == ()
    assert naming((FIRST,), table) == FIRST


def test_several_keys_without_a_table_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        naming_to_look((SECOND, FIRST), None)
    assert naming_to_look((FIRST,), None) == FIRST


def test_the_first_key_marks_a_new_table_once(table: Pseudonyms) -> None:
    naming((FIRST,), table)
    with pytest.raises(ConfigurationError):
        naming((SECOND,), table)
    assert [mark.fingerprint for mark in table.marked()] == [FIRST.fingerprint]


def test_a_process_that_holds_the_old_keys_names_nobody_more(tmp_path: Path, table: Pseudonyms) -> None:
    naming((FIRST,), table)
    table.add({FIRST.person("a"): Local("person", "a")})
    beside = Pseudonyms(tmp_path / "pseudonyms.sqlite")
    beside.mark(SECOND.fingerprint, 2)
    with pytest.raises(StartAgain):
        table.add({FIRST.person("b"): Local("person", "b")})
    ring = naming((SECOND, FIRST), beside)
    assert (ring.person("a"), ring.person("b")) == (FIRST.person("a"), SECOND.person("b"))


def test_who_is_known_no_more_comes_back_under_the_same_name(table: Pseudonyms) -> None:
    ref = FIRST.person("a")
    table.add({ref: Local("person", "a")})
    table.remove(ref)
    assert (table.stands(ref), dict(table.local([ref])), dict(table.all())) == (True, {}, {ref: None})
    named(table, FIRST, SECOND)
    assert naming((SECOND, FIRST), table).person("a") == ref
    table.add({ref: Local("person", "a")})
    assert table.local([ref]) == {ref: Local("person", "a")}
