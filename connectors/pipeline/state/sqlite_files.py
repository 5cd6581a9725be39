"""The agency's own small SQLite files: opened durable, and held by one process at a time where they must be."""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from hub.errors import ConfigurationError, NoInput, ServiceUnavailable, TryAgain
from hub.failpoints import fail_point

PRAGMAS = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA secure_delete=ON")
"""What is deleted is overwritten: a file that an erasure emptied says nothing either."""


def open_file(path: Path, *schema: str) -> sqlite3.Connection:
    """Open the file with these tables, or make it for this account alone; raises ServiceUnavailable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, timeout=30)
        for statement in (*PRAGMAS, *schema):
            connection.execute(statement)
        connection.commit()
    except (OSError, sqlite3.Error) as error:
        raise ServiceUnavailable(
            f"cannot be opened ({type(error).__name__})", place=path.name, remedy="check disk and permissions"
        ) from None
    return connection


def unwritten(state: Path, error: sqlite3.OperationalError | OSError) -> ServiceUnavailable:
    """What a file that takes no more means: a full disk, one that is read-only now, or a broken one. A file's own name
    is not told where it may be an export's."""
    if isinstance(error, OSError):
        place, cause = "a file beside the source", errno.errorcode.get(error.errno or 0, type(error).__name__)
    else:
        place, cause = state.name, error.sqlite_errorname
    return ServiceUnavailable(
        f"cannot be read or written ({cause})",
        place=place,
        remedy="make room on the disk, check owner and permissions; nothing was lost",
    )


def prove_writable(path: Path, place: str) -> None:
    """That this file or folder can be written, or made; raises ConfigurationError. A file without a name, gone at once,
    is the proof: rights that the mode shows are not all there are (mounts, quotas, sandboxes)."""
    nearest = next(one for one in (path, *path.resolve().parents) if one.exists())
    try:
        if nearest.is_file():
            nearest.open("r+b").close()
            nearest = nearest.parent if nearest == path else nearest
        TemporaryFile(dir=nearest).close()
    except OSError as error:
        raise ConfigurationError(
            f"{nearest.name}: cannot be written ({type(error).__name__})",
            place=place,
            remedy="give it to the connector's account; in a sandbox, name it there too",
        ) from None


def replace_file(path: Path, content: bytes, like: Path | None = None) -> None:
    """Put this in the file's place, whole or not at all; raises ServiceUnavailable. It belongs to whom it belonged
    to, and is for its owner alone; or owner, group and mode are those of the file `like`, but never for everybody."""
    path = path.resolve()
    part = path.with_name(f"{path.name}.new")
    try:
        model = like or path
        there = model.stat() if model.exists() else None
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            if there:
                _give(file.fileno(), there, group=like is not None)
            os.fchmod(file.fileno(), there.st_mode & 0o770 if like and there else 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fail_point("file.before_replace")
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ServiceUnavailable(
            f"cannot be written ({type(error).__name__})",
            place=path.name,
            remedy="check disk, owner and permissions",
        ) from None


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """One process at a time replaces files of this folder; raises TryAgain, or NoInput where there is none."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        raise NoInput("is no folder", place=folder.name, remedy="make it, or correct the path") from None
    try:
        if not _locked(handle, fcntl.LOCK_EX):
            raise TryAgain(
                "another process is writing here", place=folder.name, remedy="wait until it has ended"
            )
        yield
    finally:
        os.close(handle)


def _give(handle: int, like: os.stat_result, *, group: bool) -> None:
    """To the same owner, and where others of the group are to read it, to the same group."""
    made = os.fstat(handle)
    if made.st_uid != like.st_uid or (group and made.st_gid != like.st_gid):
        os.fchown(handle, like.st_uid, like.st_gid)


def _sync_folder(folder: Path) -> None:
    """A new name is on the disk only with the folder that holds it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lease(path: Path) -> IO[str]:
    """Hold `path` for this process; raises TryAgain when another connector has it. Close the result to let go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("a+", encoding="ascii")
    if not _locked(handle.fileno(), fcntl.LOCK_EX):
        handle.close()
        raise TryAgain(
            "another connector is running on this state", place=path.name, remedy="stop the other one first"
        )
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def lease_of(state: Path) -> Path:
    """The file that the process which runs on this state holds."""
    return state.with_suffix(state.suffix + ".lock")


def holder(path: Path) -> int | None:
    """The number of the process that holds `path`, 0 where it is not known; None when nobody does."""
    if not path.exists():
        return None
    with path.open(encoding="ascii") as handle:
        if _locked(handle.fileno(), fcntl.LOCK_SH):
            return None
        told = handle.read().strip()
    return int(told) if told.isdigit() else 0


def _locked(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
