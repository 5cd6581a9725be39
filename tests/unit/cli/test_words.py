import pytest

from hub.cli.connect.words import ago, counted


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "noch nie"),
        (-3, "vor 0 s"),
        (119, "vor 119 s"),
        (120, "vor 2 min"),
        (7199, "vor 119 min"),
        (7200, "vor 2 h"),
        (172_800, "vor 2 Tagen"),
    ],
)
def test_the_largest_unit_of_which_there_are_two(seconds: int | None, said: str) -> None:
    assert ago(seconds) == said


def test_what_was_not_done_is_not_said() -> None:
    assert counted({"read": 3, "unchanged": 0, "new_word": 1}) == "3 gelesen, 1 new_word"
    assert counted({"read": 0}) == "nichts"
