"""Files that a command writes for the person who calls it: new ones, and for this account alone."""

import errno
import os
from pathlib import Path

from hub.errors import NoInput, UsageError


def write_new(path: Path, content: bytes) -> None:
    """A new file with this content, readable by its owner only from the first byte on.

    Raises UsageError where something has this name already: a key or an answer is never overwritten; and NoInput where
    nothing can be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError("file already exists", place=path.name, remedy="choose another path") from None
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _unwritable(path, error) from None


def write(path: Path, content: bytes) -> None:
    """This content in the file's place, readable by its owner only where it is new. Raises NoInput."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> NoInput:
    why = errno.errorcode.get(error.errno or 0, type(error).__name__)
    return NoInput(
        f"cannot be written ({why})", place=path.name or str(path), remedy="name a writable folder"
    )
