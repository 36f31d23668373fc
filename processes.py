"""Child processes with one owner: started in their own session, ended as a tree by id.

A model server or a training job is never started bare. It runs under a guard,
a few lines that hold one end of a pipe to us: when we end for whatever reason,
SIGKILL included, the pipe closes and the guard ends everything below it. Start the
guard in a session of its own, so that what a terminal tells us does not reach it.

Run as `python -m maieutic.processes COMMAND …` this file is that guard.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import psutil

GRACE_SECONDS = float(os.environ.get("MAIEUTIC_GRACE_SECONDS", "8"))
"""Seconds a process gets to end by itself; the environment decides, so that guards know it, too."""


def guarded(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` under a guard; give it a pipe as stdin."""
    return [sys.executable, "-m", "maieutic.processes", *command]


def tree(pid: int) -> list[psutil.Process]:
    """A process and all its descendants, children last; empty when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def end_all(processes: Iterable[psutil.Process], grace: float = GRACE_SECONDS) -> None:
    """Ask processes to end, wait, then kill what is left. Never raises for one already gone."""
    alive = list(processes)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(alive, timeout=grace)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=grace)


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log file, for an error message; says so when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 20_000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return "(no log was written)"
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-count:]) or "(the log is empty)"


def _guard(command: Sequence[str]) -> int:
    """Run a command until it ends or our standard input does; leave nothing of it behind."""
    children: list[subprocess.Popen[bytes]] = []
    told = threading.Event()

    def end(*_: object) -> None:
        told.set()
        for child in children:
            end_all(reversed(tree(child.pid)))

    # Before there is a child, so that no signal finds the guard without its hands on it; and
    # functions, since what is ignored (SIG_IGN) would be ignored in the child, too.
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, lambda *_: None)
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_told_when_we_die()
    )
    children.append(child)
    if told.is_set():
        end()

    def watch_owner() -> None:
        # Nobody writes to this pipe: read returns nothing, and only when the owner is gone.
        while os.read(0, 1024):
            continue
        end()

    threading.Thread(target=watch_owner, daemon=True).start()
    code = child.wait()
    _end_session(child.pid)
    return code if code >= 0 else 128 - code


def _told_when_we_die() -> Callable[[], object] | None:
    """For the child to run first: a guard killed by SIGKILL cannot end it, so the system tells it."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded before the fork
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG
    return partial(libc.prctl, set_parent_death_signal, int(signal.SIGTERM))


def _end_session(session: int) -> None:
    """End what a crashed leader left in its session, by id."""
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == session:
                left.append(process)
    end_all(left)


if __name__ == "__main__":
    sys.exit(_guard(sys.argv[1:]))
