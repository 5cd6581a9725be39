"""The export folder: which snapshots lie there, which is next, and what is remembered of those that were read."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from connectors.contract import Incident
from connectors.pipeline.state.state import State
from connectors.sources.files.delivery import STREAM, Delivery, Entry
from connectors.sources.files.manifest import Manifest, read_manifest
from connectors.sources.files.memory import NOT_NEWER, Waiting
from connectors.sources.files.settings import FileStream
from connectors.sources.snapshot.config import CsvSettings
from hub.errors import ConfigurationError, DataError, ServiceUnavailable

LAST, TAKEN = "snapshot", "snapshots_taken"


@dataclass(frozen=True, slots=True)
class Last:
    """The snapshot that was read last, to its end."""

    name: str
    digest: str
    as_of: int


class Folders(Waiting):
    """Folders with a manifest, in the order of their as-of date; those without are not finished yet."""

    def __init__(self, settings: CsvSettings, state: State) -> None:
        super().__init__(state)
        self._settings = settings

    @property
    def last(self) -> Last | None:
        found = self._state.meta(LAST)
        return Last(**json.loads(found)) if found else None

    def adopt(self, delivery: Delivery) -> None:
        """This one was read to its end: later ones are compared with it."""
        last = {"name": delivery.name, "digest": delivery.digest, "as_of": delivery.as_of}
        with self._state.transaction():
            self._state.set_meta(LAST, json.dumps(last))
            self._state.set_meta(TAKEN, json.dumps(sorted({*self._taken(), delivery.digest})))
            self.done(delivery)

    def candidates(self, now: datetime) -> tuple[list[Delivery], list[Incident]]:
        """Snapshots newer than the last one in order, those that came too late, and folders that can be none."""
        found: list[Delivery] = []
        late: list[Delivery] = []
        incidents: list[Incident] = []
        last, taken = self.last, self._taken()
        for folder in self._folders():
            try:
                delivery = self._finished(folder, now)
            except DataError as error:
                if last is None or folder.name > last.name:
                    incidents.append(Incident(STREAM, error.reason, error.place, error.remedy))
                continue
            if delivery is None or self.rejected(delivery):
                continue
            if last is None or delivery.as_of > last.as_of:
                found.append(delivery)
            elif delivery.digest not in taken:
                late.append(delivery)
        for delivery in late:
            self.hold(delivery, STREAM, 0.0, NOT_NEWER)
        self.only([delivery.digest for delivery in (*found, *late)])
        incidents += map(_not_newer, late)
        return sorted(found, key=lambda delivery: (delivery.as_of, delivery.name)), incidents

    def _taken(self) -> list[str]:
        """Contents of all snapshots that were read. A state of an older release knew the last one only: whatever lies
        beside it was read before."""
        found, last = self._state.meta(TAKEN), self.last
        if found is not None or last is None:
            return list(json.loads(found or "[]"))
        older = (self._same_or_older(folder, last) for folder in self._folders())
        return sorted({last.digest, *(digest for digest in older if digest)})

    def _same_or_older(self, folder: Path, last: Last) -> str | None:
        try:
            delivery = self._delivery(folder)
        except DataError:
            return None
        return delivery.digest if delivery.as_of < last.as_of else None

    def kept(self) -> Delivery | None:
        """The last snapshot that was read, under whatever name, if it still lies there."""
        last = self.last
        if last is None:
            return None
        folders = [self._settings.folder / last.name, *self._folders()]
        found = (
            self._same(folder, last) for folder in folders if (folder / self._settings.manifest).exists()
        )
        return next((delivery for delivery in found if delivery), None)

    def missing(self) -> str | None:
        return self.last.name if self.last and self.kept() is None else None

    def refuse(self, delivery: Delivery, incident: Incident) -> None:
        """It stays where it is: the folder is the agency's."""

    def check(self) -> None:
        """Raises ConfigurationError when there is no such folder."""
        if not self._settings.folder.is_dir():
            raise ConfigurationError(
                "is no folder", place="config.settings.folder", remedy="name the export folder"
            )

    def _same(self, folder: Path, last: Last) -> Delivery | None:
        try:
            delivery = self._delivery(folder)
        except DataError:
            return None
        return delivery if delivery.digest == last.digest else None

    def _folders(self) -> Iterator[Path]:
        try:
            yield from sorted(entry for entry in self._settings.folder.iterdir() if entry.is_dir())
        except OSError:
            raise ServiceUnavailable(
                "the export folder cannot be read",
                place=self._settings.folder.name,
                remedy="check path and permissions",
            ) from None

    def _finished(self, folder: Path, now: datetime) -> Delivery | None:
        if (folder / self._settings.manifest).exists():
            return self._delivery(folder)
        written = max((entry.stat().st_mtime for entry in folder.iterdir()), default=folder.stat().st_mtime)
        if (now - datetime.fromtimestamp(written, UTC)).total_seconds() > self._settings.grace_minutes * 60:
            raise DataError(
                "has no manifest", reason="manifest_missing", place=folder.name, remedy="export it again"
            )
        return None

    def _delivery(self, folder: Path) -> Delivery:
        manifest = read_manifest(folder, self._settings.manifest, self._settings.dialect)
        files = {stream.name: (_entry(manifest, stream),) for stream in self._settings.files.streams.values()}
        return Delivery(manifest.name, manifest.as_of, files, manifest.digest)


def _entry(manifest: Manifest, stream: FileStream) -> Entry:
    told = manifest.files.get(stream.file)
    place = f"{manifest.name}/{stream.file}"
    if told is None:
        raise DataError(
            "is not in the manifest",
            reason="manifest_wrong",
            place=place,
            remedy="export all files that the configuration names",
        )
    return Entry(manifest.folder / stream.file, place, manifest.as_of, told.rows, told.sha256)


def _not_newer(delivery: Delivery) -> Incident:
    remedy = "no newer than what was read: export it again with a new as_of, or hub connect reject"
    return Incident(STREAM, NOT_NEWER, delivery.name, remedy)
