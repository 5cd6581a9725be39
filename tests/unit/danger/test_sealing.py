"""A letter opens with its recipient's key, at its place, and in no other way; whatever bytes come, none is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.danger.letter import Letter, decode, encode
from hub.danger.sealing import PrivateKey, PublicKey, decoded, new_private_key

LETTER = Letter(bytes(16), "reported", "jc-a", "ja-a", 1_790_000_000_000_000, 0, b"k" * 8)


def test_only_the_recipient_opens_it() -> None:
    key, other = new_private_key(), new_private_key()
    box = key.public.seal(b"said", LETTER.header)
    assert key.open(box, LETTER.header) == b"said"
    assert other.open(box, LETTER.header) is None
    assert key.public.seal(b"said", LETTER.header) != box


@pytest.mark.parametrize(
    "changed",
    [
        {"report_id": bytes(15) + b"1"},
        {"kind": "answered"},
        {"sender": "jc-b"},
        {"recipient": "ja-b"},
        {"at": 1},
        {"up_to": 1},
        {"key_id": b"x" * 8},
    ],
)
def test_a_box_cannot_be_moved_or_redated(changed: dict[str, object]) -> None:
    key = new_private_key()
    box = key.public.seal(b"said", LETTER.header)
    assert key.open(box, LETTER._replace(**changed).header) is None  # type: ignore[arg-type]


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error(data: bytes) -> None:
    assert PrivateKey(bytes(range(32))).open(data, b"") is None
    assert decode(data) is None


def test_a_letter_is_told_by_id_and_kind_only() -> None:
    letter = LETTER._replace(box=b"sealed")
    assert decode(encode(letter)) == letter
    assert repr(letter) == f"Letter(reported {bytes(16).hex()})"
    assert "secret" not in repr(new_private_key())


@pytest.mark.parametrize("text", ["", "x", "AAAA", "ü" * 44])
def test_what_is_no_key(text: str) -> None:
    assert decoded(text) is None


def test_a_key_for_which_nothing_can_be_kept_secret_is_refused() -> None:
    assert not PublicKey(bytes(32)).usable
    assert new_private_key().public.usable
