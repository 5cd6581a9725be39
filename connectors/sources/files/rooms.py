"""The drop's four rooms and the ways between them: inbox → processing → done, or → quarantine with a note beside.

Files are moved whole and never changed. In done a file's name begins with its content's, so that none is overwritten.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from cachetools import LRUCache

from connectors.contract import Incident
from connectors.pipeline.state.sqlite_files import prove_writable
from connectors.sources.files.drop_settings import DropSettings
from hub.errors import ConfigurationError, ServiceUnavailable

NOTE = ".why.json"
PLACE = "config.settings.folder"
MARK = 12  # hex digits of a file's digest before its name in done
KNOWN = 10_000  # files whose digest is remembered


def prove_rooms(settings: DropSettings) -> None:
    """That files can be moved through all four rooms; raises ConfigurationError."""
    rooms = [settings.inbox, settings.processing, settings.done, settings.quarantine]
    for room in rooms:
        prove_writable(room, PLACE)
    if len({room.stat().st_dev for room in rooms if room.exists()}) > 1:
        raise ConfigurationError(
            "lies on several disks", place=PLACE, remedy="keep all four folders on one disk"
        )


class Rooms:
    """Raises ServiceUnavailable where a file cannot be moved: the next step tries again."""

    def __init__(self, settings: DropSettings) -> None:
        self._settings = settings
        self._digests: LRUCache[tuple[Path, int, int], str] = LRUCache(KNOWN)

    def waiting(self) -> Mapping[str, Path]:
        """Name → path of what may be complete: what is in processing already, and the inbox's finished files."""
        inbox = (
            path for path in _listed(self._settings.inbox) if not path.name.endswith(self._settings.partial)
        )
        return {path.name: path for path in (*inbox, *_listed(self._settings.processing))}

    def read_before(self, digest: str, name: str) -> Path | None:
        """Where a file that was read lies now."""
        rooms = (self._settings.done / f"{digest[:MARK]}-{name}", self._settings.processing / name)
        there = (path for path in (*rooms, self._settings.inbox / name) if path.exists())
        return next((path for path in there if self.digest(path) == digest), None)

    def process(self, path: Path) -> Path:
        """Into processing."""
        return self._move(path, self._settings.processing / path.name)

    def rejected(self, path: Path) -> None:
        """Out of the way: a person said that it is not to be read. What was read before stays where it is."""
        if path.parent != self._settings.done:
            self._move(path, self._settings.rejected / self._marked(path))

    def done(self, path: Path) -> None:
        """Into done, unless it lies there."""
        if path.parent != self._settings.done:
            self._move(path, self._settings.done / self._marked(path))

    def _marked(self, path: Path) -> str:
        return f"{self.digest(path)[:MARK]}-{path.name}"

    def aside(self, path: Path, incident: Incident) -> None:
        """Into quarantine, with the reason beside."""
        target = self._settings.quarantine / path.name
        self._settings.quarantine.mkdir(exist_ok=True)
        target.with_name(target.name + NOTE).write_text(json.dumps(asdict(incident)), encoding="utf-8")
        self._move(path, target)

    def quarantined(self) -> Iterator[Incident]:
        """One incident for each reason and place, as long as a file of it lies in quarantine."""
        told: dict[tuple[str, str], Incident] = {}
        for note in _listed(self._settings.quarantine, notes=True):
            if note.with_name(note.name.removesuffix(NOTE)).exists():
                incident = Incident(**json.loads(note.read_text(encoding="utf-8")))
                told.setdefault((incident.reason, incident.place), incident)
        yield from told.values()

    def processing(self) -> list[Path]:
        return _listed(self._settings.processing)

    def digest(self, path: Path) -> str:
        """SHA-256 of the file, worked out once while it stays as it is."""
        stat = path.stat()
        mark = (path, stat.st_size, stat.st_mtime_ns)
        if mark not in self._digests:
            with path.open("rb") as file:
                self._digests[mark] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[mark]

    def _move(self, path: Path, target: Path) -> Path:
        if path == target:
            return path
        try:
            target.parent.mkdir(exist_ok=True)
            path.replace(target)
        except OSError as error:
            raise ServiceUnavailable(
                f"cannot be moved ({type(error).__name__})",
                place=f"{target.parent.name}/",
                remedy="check disk and permissions; all four folders must lie on one disk",
            ) from None
        return target


def _listed(room: Path, *, notes: bool = False) -> list[Path]:
    if not room.is_dir():
        return []
    return sorted(path for path in room.iterdir() if path.is_file() and path.name.endswith(NOTE) is notes)
