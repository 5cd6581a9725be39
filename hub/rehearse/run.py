"""From a story to what it showed: on files of its own, or on broker and database."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hub.adapters.clocks import ManualClock
from hub.adapters.keys.wrapping import as_text, new_master
from hub.bootstrap import Given, build_parts
from hub.config import Settings, load_settings
from hub.desk.work.steps import WORK_EVENTS
from hub.domain.agencies import Agency, default_agency
from hub.parts import Parts
from hub.rehearse.answer import Answer
from hub.rehearse.play import play
from hub.rehearse.scene import Scene
from hub.rehearse.story import Record, Story, View, WorkAct
from hub.rehearse.work import WorkAnswer
from schemas import event_schema

_SHARED_MEMORY = "/dev/shm"  # noqa: S108  a folder of our own is made in it


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A story that was played to its end."""

    host: str
    answers: Sequence[Answer]
    seconds: float
    work: Sequence[WorkAnswer] = ()

    @property
    def misses(self) -> int:
        return sum(bool(one.differs) for one in self.answers)

    @property
    def hits(self) -> int:
        return sum(one.expected for one in self.answers) - self.misses


Play = Callable[[Story], Rehearsal]


@contextmanager
def rehearsals(host: str = "embedded") -> Iterator[Play]:
    """A way to play one story after the other; each has a hub of its own, and nothing of it is left."""
    if host == "embedded":
        yield lambda story: _timed(host, story, embedded_scene)
        return
    from hub.rehearse.servers import servers

    with servers() as scene:
        yield lambda story: _timed(host, story, scene)


def _timed(
    host: str, story: Story, scene_of: Callable[[Story, Path], AbstractContextManager[Scene]]
) -> Rehearsal:
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="hub-rehearse-", dir=_memory()) as folder,
        scene_of(story, Path(folder)) as scene,
    ):
        told = list(play(story, scene))
    return Rehearsal(
        host,
        [one for one in told if isinstance(one, Answer)],
        round(time.perf_counter() - began, 3),
        [one for one in told if isinstance(one, WorkAnswer)],
    )


def _memory() -> str | None:
    """A folder in memory where the system has one: nothing of a story is to outlive it."""
    return _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None


@contextmanager
def embedded_scene(story: Story, folder: Path) -> Iterator[Scene]:
    """Log, store and keys in files, all stages in this process."""
    master = new_master()
    settings = story_settings(folder, master, host="embedded", partitions=1)
    scene = build_scene(story, folder, master, settings.key_url, lambda given: build_parts(settings, given))
    with closing(scene):
        yield scene


def story_settings(folder: Path, master: bytes, **given: object) -> Settings:
    """Settings that note_changed nothing to the environment but the policy files that tighten the matrix."""
    nothing = {
        "database_url": "",
        "key_database_url": "",
        "kafka_bootstrap": "",
        "clock_file": None,
        "kek_file": None,
    }
    return load_settings(**{**nothing, "data": folder / "hub", "kek": as_text(master), **given})


def build_scene(
    story: Story, folder: Path, master: bytes, key_url: str, build: Callable[[Given], Parts]
) -> Scene:
    """The hub and the story's agencies, before the story begins."""
    clock, agencies = ManualClock(datetime(2000, 1, 1, tzinfo=UTC)), agencies_of(story)
    types = {step.act.type for step in story.steps if isinstance(step.act, Record)}
    if any(isinstance(step.act, WorkAct) for step in story.steps):
        types.update(WORK_EVENTS)
    return Scene(
        folder,
        lambda: build(Given(clock=clock, agencies=agencies)),
        master,
        key_url,
        clock,
        agencies,
        [name for name in types if event_schema(name).topic == "events"],
    )


def agencies_of(story: Story) -> list[Agency]:
    """The agencies with all roles of their kinds. A provider's undertaking (§ 78 SGB X) is on file unless all its own
    workers in the story say that it is not."""
    views = [step.act for step in story.steps if isinstance(step.act, View)]
    said: dict[str, list[bool]] = {}
    for view in views:
        said.setdefault(view.recipient.controller, []).append(view.recipient.undertaking)
    return [
        default_agency(name, kind, undertaking=any(said.get(name, [True])))
        for name, kind in story.agencies.items()
    ]
