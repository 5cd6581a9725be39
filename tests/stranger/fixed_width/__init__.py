"""A stranger's connector, made from docs/how-to/eigener-connector.md alone: fixed columns, as old hosts export them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from connectors.contract import Spec
from connectors.pipeline.config.connector import ConnectorConfig
from connectors.pipeline.state.state import State
from connectors.sources.full_refresh import WholeSource
from hub.domain.identifiers import AgencyKey
from hub.errors import ConfigurationError, DataError, ServiceUnavailable
from hub.file_models import FileTable, checked


class Settings(FileTable):
    file: str
    encoding: str = "cp1252"


class StreamSettings(FileTable):
    mark: str
    layout: dict[str, list[int]]


spec = Spec(kind="fixed_width", role="source", settings=Settings)

Layout = Mapping[str, tuple[int, int]]


class FixedWidth:
    """One file holds all: the first two signs of a line name its stream, `layout` says where a column stands."""

    def __init__(
        self, file: Path, encoding: str, marks: Mapping[str, str], layouts: Mapping[str, Layout]
    ) -> None:
        self._file, self._encoding, self._marks, self._layouts = file, encoding, marks, layouts

    def check(self) -> None:
        if not self._file.is_file():
            raise ConfigurationError("is no file", place="config.settings.file", remedy="name the export")

    def columns(self, stream: str) -> Sequence[str]:
        return tuple(self._layouts[stream])

    def rows(self, stream: str) -> Iterator[tuple[str, dict[str, object]]]:
        layout = self._layouts[stream]
        width = max(end for _, end in layout.values())
        for number, line in self._lines():
            if not line.startswith(self._marks[stream]):
                continue
            place = f"{self._file.name}:{number}"
            if len(line) != width or "\0" in line:
                raise DataError("is no such line", reason="wrong_line", place=place, remedy="export it again")
            yield place, {name: line[start:end].rstrip() for name, (start, end) in layout.items()}

    def close(self) -> None:
        pass

    def _lines(self) -> Iterator[tuple[int, str]]:
        try:
            with self._file.open(encoding=self._encoding, errors="strict", newline="\n") as file:
                for number, line in enumerate(file, 1):
                    yield number, line.removesuffix("\n")
        except OSError:
            raise ServiceUnavailable(
                "cannot be read", place=self._file.name, remedy="look for the export"
            ) from None
        except UnicodeDecodeError:
            raise DataError(
                f"not {self._encoding}",
                reason="wrong_encoding",
                place=self._file.name,
                remedy="export it again",
            ) from None


class Source(WholeSource):
    def __init__(self, config: ConnectorConfig, state: State, key: AgencyKey) -> None:
        settings = checked(Settings, config.settings, "config.settings")
        file, encoding = config.path(settings.file), settings.encoding
        marks, layouts = dict[str, str](), dict[str, Layout]()
        for name, stream in config.streams.items():
            own = checked(StreamSettings, stream.settings, f"config.streams.{name}")
            marks[name] = own.mark
            layouts[name] = {column: (start, end) for column, (start, end) in own.layout.items()}
        super().__init__(config, state, key, FixedWidth(file, encoding, marks, layouts))


build = Source
