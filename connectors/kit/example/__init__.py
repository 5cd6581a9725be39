"""Source: one JSON object per line, one file per stream, always the present state."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.config.streams import Stream
from connectors.pipeline.state.state import State
from connectors.sources.files.memory import Waiting
from connectors.sources.full_refresh import WholeSource
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError, DataError, ServiceUnavailable
from hub.file_models import FileTable, checked


class Settings(FileTable):
    """`[settings]` of the configuration."""

    folder: str


class StreamSettings(FileTable):
    """What a stream has of its own."""

    file: str


spec = Spec(kind="example", role="source", settings=Settings)


class Lines:
    """The system: replace this by what reads yours."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self._folder, self._files = folder, files

    def check(self) -> None:
        if not self._folder.is_dir():
            raise ConfigurationError("is no folder", place="config.settings.folder", remedy="name the folder")

    def columns(self, stream: str) -> Sequence[str]:
        found = next(self.rows(stream), None)
        return tuple(found[1]) if found else ()

    def rows(self, stream: str) -> Iterator[tuple[str, dict[str, object]]]:
        name = self._files[stream]
        try:
            lines = (self._folder / name).read_bytes().split(b"\n")
        except OSError:
            raise ServiceUnavailable("cannot be read", place=name, remedy="check the folder") from None
        for number, line in enumerate(lines[:-1], 1):
            yield f"{name}:{number}", _object(line, f"{name}:{number}")
        if lines[-1]:
            raise DataError("was cut", reason="truncated", place=name, remedy="export it again")

    def close(self) -> None:
        """Nothing is kept open."""


class Source(WholeSource):
    """The connector: settings in, rows out; all the rest is done already."""

    def __init__(self, config: ConnectorConfig, state: State, key: AgencyKey) -> None:
        folder = config.path(checked(Settings, config.settings, "config.settings").folder)
        files = {name: _file(stream) for name, stream in config.streams.items()}
        super().__init__(config, state, key, Lines(folder, files))


build = Source


def waiting(_: ConnectorConfig, state: State) -> Waiting:
    """Where `hub connect accept` finds what is held."""
    return Waiting(state)


def _file(stream: Stream) -> str:
    return checked(StreamSettings, stream.settings, f"config.streams.{stream.name}").file


def _object(line: bytes, place: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DataError("is no JSON object", reason="unreadable_json", place=place, remedy="export it again")
    return found
