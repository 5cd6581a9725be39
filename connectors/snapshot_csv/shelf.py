"""The export folder: which snapshots lie there, which is next, and what is remembered of those that were read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from connectors.runtime.ports import Held, Incident
from connectors.runtime.state import State
from connectors.snapshot_csv.config import CsvSettings
from connectors.snapshot_csv.manifest import Manifest, read_manifest
from hub.errors import DataError, ServiceUnavailable

STREAM = "snapshot"
LAST, HELD, ACCEPTED = "snapshot", "held", "accepted"


@dataclass(frozen=True, slots=True)
class Last:
    """The snapshot that was read last, to its end."""

    name: str
    digest: str
    as_of: int


class Shelf:
    """Folders with a manifest, in the order of their as-of date; those without are not finished yet."""

    def __init__(self, settings: CsvSettings, state: State) -> None:
        self._settings, self._state = settings, state

    @property
    def last(self) -> Last | None:
        found = self._state.meta(LAST)
        return Last(**json.loads(found)) if found else None

    def adopt(self, manifest: Manifest) -> None:
        """This one was read to its end: later ones are compared with it."""
        last = {"name": manifest.name, "digest": manifest.digest, "as_of": manifest.as_of}
        with self._state.transaction():
            self._state.set_meta(LAST, json.dumps(last))
            self._state.drop_meta(HELD)
            self._state.drop_meta(ACCEPTED)

    def candidates(self, now: datetime) -> tuple[list[Manifest], list[Incident]]:
        """Snapshots newer than the last one in order, and folders that can be none."""
        found: list[Manifest] = []
        incidents: list[Incident] = []
        last = self.last
        for folder in self._folders():
            try:
                manifest = self._manifest(folder, now)
            except DataError as error:
                if last is None or folder.name > last.name:
                    incidents.append(Incident(STREAM, error.reason, error.place, error.remedy))
                continue
            if manifest and (last is None or manifest.as_of > last.as_of):
                found.append(manifest)
            elif manifest and last and manifest.as_of == last.as_of and manifest.digest != last.digest:
                incidents.append(_not_newer(manifest))
        return sorted(found, key=lambda manifest: (manifest.as_of, manifest.name)), incidents

    def kept(self) -> Manifest | None:
        """The last snapshot that was read, under whatever name, if it still lies there."""
        last = self.last
        if last is None:
            return None
        folders = [self._settings.folder / last.name, *self._folders()]
        found = (
            self._same(folder, last) for folder in folders if (folder / self._settings.manifest).exists()
        )
        return next((manifest for manifest in found if manifest), None)

    def _same(self, folder: Path, last: Last) -> Manifest | None:
        try:
            manifest = read_manifest(folder, self._settings.manifest, self._settings.dialect)
        except DataError:
            return None
        return manifest if manifest.digest == last.digest else None

    def hold(self, manifest: Manifest, stream: str, share: float) -> None:
        """Too many keys vanished: a person must say whether that is true."""
        with self._state.transaction():
            self._state.set_meta(HELD, json.dumps([manifest.name, stream, share, manifest.digest]))

    def held(self) -> Held | None:
        found = self._state.meta(HELD)
        return Held(*json.loads(found)[:3]) if found else None

    def accept(self) -> Held | None:
        """Confirm what is held, and nothing that comes later."""
        found, held = self._state.meta(HELD), self.held()
        if found:
            with self._state.transaction():
                self._state.set_meta(ACCEPTED, json.loads(found)[3])
        return held

    def accepted(self, manifest: Manifest) -> bool:
        return self._state.meta(ACCEPTED) == manifest.digest

    def _folders(self) -> Iterator[Path]:
        try:
            yield from sorted(entry for entry in self._settings.folder.iterdir() if entry.is_dir())
        except OSError:
            raise ServiceUnavailable(
                "the export folder cannot be read",
                place=self._settings.folder.name,
                remedy="check path and permissions",
            ) from None

    def _manifest(self, folder: Path, now: datetime) -> Manifest | None:
        if (folder / self._settings.manifest).exists():
            return read_manifest(folder, self._settings.manifest, self._settings.dialect)
        written = max((entry.stat().st_mtime for entry in folder.iterdir()), default=folder.stat().st_mtime)
        if (now - datetime.fromtimestamp(written, UTC)).total_seconds() > self._settings.grace_minutes * 60:
            raise DataError(
                "has no manifest", reason="manifest_missing", place=folder.name, remedy="export it again"
            )
        return None


def _not_newer(manifest: Manifest) -> Incident:
    return Incident(
        STREAM,
        "as_of_not_newer",
        manifest.name,
        "two snapshots of one day differ: export it with a new as_of",
    )
