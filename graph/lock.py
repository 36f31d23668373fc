"""Who plays a run: one process at a time, by a lock that ends with its process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import RunError, RunHeld
from ..memory.run import RunFolder, gone

_GRASPS, _GRASP_S = 4, 0.05
"""How often a lock is tried for, and seconds between."""


def held(folder: RunFolder) -> bool:
    """Whether a process is playing the run now. Nothing is written: whoever asks may only read."""
    try:
        with (folder.path / "run.lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
    except OSError:  # it was never played, or cannot be read by us
        return False


def _no_links(folder: Path) -> None:
    """A run writes to its own files, and whoever resumes one of somebody else's must not write to others of
    theirs through it. No run makes links; the folder itself may be one, for its name is the user's.

    Raises:
        RunError: there is a link, whether what it leads to is there or not.
    """
    places = [str(folder)]
    while places:  # not os.walk: it does not say what a name is, and a long run has tens of thousands
        # A folder that cannot be read, or is gone by now, is somebody else's matter.
        with contextlib.suppress(OSError), os.scandir(places.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    raise RunError(
                        f"{entry.path}: is a link to {os.readlink(entry.path)[:200]!r}, and a run writes to "
                        "its own files alone; put what it leads to in its place, or take it out"
                    )
                if entry.is_dir():
                    places.append(entry.path)


@contextlib.contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold a run for this process; the system lets go when the process ends, however it does.

    No child holds it: one that is started does not have the file, one that is forked closes it.

    Raises:
        RunHeld: another process holds it.
        RunError: something in it is a link to elsewhere.
    """
    _no_links(folder.path)
    with (folder.path / "run.lock").open("a+") as file:
        if not _grasped(file):
            file.seek(0)
            raise RunHeld(f"{folder.path.name} is being played by {_owner(file.read())}")
        file.truncate(0)
        file.write(f"{os.getpid()} {socket.gethostname()}")
        file.flush()
        _HELD.add(file.fileno())
        try:
            yield
        finally:
            _HELD.discard(file.fileno())


def _grasped(file: IO[str]) -> bool:
    """Whether the lock is ours. Whoever asks if a run is `held` has it for a moment, too."""
    for left in reversed(range(_GRASPS)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_GRASP_S if left else 0)
    return False


_HELD: set[int] = set()
"""Descriptors of the locks that this process holds."""


def _let_go() -> None:
    """In a forked child: a lock lasts until the last copy of its descriptor is closed, and a child may
    outlive its parent."""
    while _HELD:
        with contextlib.suppress(OSError):
            # Not closed: the number may be another file's when whoever has it as a file closes it.
            nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            os.dup2(nothing, _HELD.pop(), inheritable=False)
            os.close(nothing)


os.register_at_fork(after_in_child=_let_go)


def _owner(noted: str) -> str:
    """Who holds a run, as its lock says."""
    pid, _, host = noted.partition(" ")
    if not pid.isdecimal():
        return "another process"
    if host and host != socket.gethostname():
        return f"process {pid} on {host}"
    if gone(int(pid)):
        return f"what process {pid} has left behind: that is gone, and a process that it started holds on"
    return f"process {pid}"
