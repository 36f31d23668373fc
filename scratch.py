"""Folders in the system's temporary one that go with the process that they were made by.

A process holds a lock on each that it made, and a lock goes when its owner does, whatever ends it: what one
that was killed has left is so told from what one at work still needs, in another container, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

_PREFIX = "maieutic-scratch-"
_LONGEST_SOCKET = 100
"""Bytes of a Unix socket's path, with some to spare: systems take 103 to 107."""
_YOUNG_S = 60
"""Seconds that a folder is left alone for, since there is a moment between making it and locking it."""
_held: dict[Path, int] = {}


def make() -> Path:
    """A new folder, this process's alone; what killed ones have left is removed on the way.

    Raises:
        OSError: there can be none, for want of room say, or of locks.
    """
    remove_left(Path(tempfile.gettempdir()))
    made = Path(tempfile.mkdtemp(prefix=_PREFIX))
    _held[made] = os.open(made, os.O_RDONLY)
    try:
        fcntl.flock(_held[made], fcntl.LOCK_EX)
    except OSError:
        remove(made)
        raise
    return made


def holds_sockets(folder: Path) -> bool:
    """Whether paths of sockets in it, named by a UUID as vLLM's are, stay as short as they must."""
    return len(os.fsencode(folder)) + 1 + 36 <= _LONGEST_SOCKET


def remove(folder: Path | None) -> None:
    """Remove one that was made, if any was; what cannot be removed stays."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(_held.pop(folder))


def remove_left(temporary: Path) -> None:
    """Remove what processes of ours that were killed have left in a temporary folder."""
    for left in temporary.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.lstat().st_mtime < _YOUNG_S or left.lstat().st_uid != os.getuid():
                continue
            folder = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(folder)
