"""The pairing code: whatever is misread by one character, or by two that changed places, is noticed."""

import secrets

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.identifiers import pairing_digest
from hub.domain.pairing import ALPHABET, LENGTH, new_code, read_code


def _code_of(letters: list[str]) -> str:
    left = list(letters)
    return new_code(lambda _: left.pop())


CODES = st.lists(st.sampled_from(ALPHABET), min_size=LENGTH - 1, max_size=LENGTH - 1).map(_code_of)


def test_a_code_looks_like_one() -> None:
    code = new_code(secrets.choice)
    assert [len(group) for group in code.split("-")] == [4, 4, 4, 4]
    assert not set(code) & set("0O1ILUQ")
    assert read_code(code) == code
    assert new_code(secrets.choice) != code


@given(CODES)
def test_blanks_hyphens_and_case_do_not_count(code: str) -> None:
    typed = f" {code.lower().replace('-', ' ')} "
    assert read_code(typed) == code
    assert pairing_digest(b"k" * 32, typed) == pairing_digest(b"k" * 32, code)


@given(CODES, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET + "0O1ILUQ?Ä"))
def test_one_wrong_character_is_noticed(code: str, place: int, wrong: str) -> None:
    plain = code.replace("-", "")
    typed = plain[:place] + wrong + plain[place + 1 :]
    assert (read_code(typed) == code) == (typed == plain)
    assert read_code(typed) in (code, None)


@given(CODES, st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_two_exchanged_characters_are_noticed(code: str, one: int, other: int) -> None:
    letters = list(code.replace("-", ""))
    letters[one], letters[other] = letters[other], letters[one]
    assert read_code("".join(letters)) in (code, None)
    assert (read_code("".join(letters)) == code) == ("".join(letters) == code.replace("-", ""))


@given(st.text(max_size=20))
def test_anything_else_is_no_code(typed: str) -> None:
    read = read_code(typed)
    assert read is None or len(read) == LENGTH + 3
