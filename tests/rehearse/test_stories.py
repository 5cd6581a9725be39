"""Every story of the contract folder, played through the real parts: what each view shows is what the law says."""

from pathlib import Path

import pytest

from hub.rehearse.parse import expects, parse_story
from hub.rehearse.run import rehearsals
from tests.rehearse.conftest import FOLDER

STORIES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_a_story_shows_what_it_expects(file: Path) -> None:
    assert expects(file.read_bytes())
    story = parse_story(file.read_bytes())
    with rehearsals() as play:
        played = play(story)
    missed = [(one.step, one.differs, one.persons, one.withheld) for one in played.answers if one.differs]
    assert not missed
