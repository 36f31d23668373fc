"""Child processes with one owner: started in their own session, ended as a tree by id.

A model server or a training job is never started bare. It runs under a guard,
a few lines that hold one end of a pipe to us: when we end for whatever reason,
SIGKILL included, the pipe closes and the guard ends everything below it. Start the
guard in a session of its own, so that what a terminal tells us does not reach it.

Run as `python -m maieutic.processes COMMAND …` this file is that guard.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import psutil

from . import scratch

GRACE_SECONDS = float(os.environ.get("MAIEUTIC_GRACE_SECONDS", "5"))
"""Seconds a process gets to end by itself; the environment decides, so that guards know it, too. Few: a
scheduler that ends us may give us 30 for everything."""


class Running(Protocol):
    """A server or a training job that was started: a tree of processes with one owner."""

    @property
    def alive(self) -> bool: ...

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        ...

    async def wait(self) -> int:
        """Its exit code, once it has ended by itself."""
        ...

    async def line(self) -> bytes:
        """The next line of its standard output, where that was asked for; empty at the end."""
        ...

    async def stop(self) -> None:
        """End it and everything that it started; safe to call twice."""
        ...

    def noted(self) -> list[dict[str, float]]:
        """What identifies its processes, for `end_noted` after a crash of ours."""
        ...


class Launcher(Protocol):
    """How servers and training jobs are started: on this machine (`launch`), or elsewhere one day."""

    async def __call__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], piped: bool = False
    ) -> Running:
        """
        Args:
            log: takes standard error and, where it is not `piped` to us, standard output; added to.
        """
        ...


class Local:
    """A tree of processes on this machine, under a guard."""

    def __init__(self, guard: asyncio.subprocess.Process) -> None:
        self._guard = guard

    @property
    def alive(self) -> bool:
        return self._guard.returncode is None

    @property
    def exit_code(self) -> int | None:
        return self._guard.returncode

    async def wait(self) -> int:
        return await self._guard.wait()

    async def line(self) -> bytes:
        assert self._guard.stdout is not None
        try:
            return await self._guard.stdout.readline()
        except ValueError:
            return b"\n"  # one too long for the buffer is let go

    async def stop(self) -> None:
        if not self.alive:
            return
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        try:
            await asyncio.wait_for(self._guard.wait(), timeout=30)
        except TimeoutError:
            await asyncio.to_thread(end_all, reversed(tree(self._guard.pid)))

    def noted(self) -> list[dict[str, float]]:
        return [
            {"pid": process.pid, "started": process.create_time(), "ticks": ticks(process.pid)}
            for process in tree(self._guard.pid)
        ]


async def launch(
    command: Sequence[str], log: Path, environment: Mapping[str, str], piped: bool = False
) -> Local:
    """Start a command on this machine; see `Launcher`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        guard = await asyncio.create_subprocess_exec(
            *guarded(command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE if piped else file,
            stderr=file,
            env=dict(environment),
            start_new_session=True,
        )
    return Local(guard)


def visible(gpus: Sequence[int]) -> dict[str, str]:
    """The environment in which a process sees these GPUs, counted as `nvidia-smi` counts: left to itself,
    CUDA counts by speed. All that we see where none are named."""
    if not gpus:
        return {}
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))}


def end_noted(noted: Iterable[Mapping[str, float]]) -> None:
    """End the processes that a crash of ours left, where those very ones still run."""
    for entry in noted:
        with contextlib.suppress(psutil.NoSuchProcess):
            if _is_the_same(psutil.Process(int(entry["pid"])), entry):
                end_all(reversed(tree(int(entry["pid"]))))


def _is_the_same(process: psutil.Process, noted: Mapping[str, float]) -> bool:
    """Whether a process is the one that was noted: ids are given again. By the wall clock alone where the
    system tells no other: one that was set meanwhile would say that it is not."""
    now = ticks(process.pid)
    if now and noted.get("ticks"):
        # Of another time since the machine was started, nothing would be there to end.
        return now == noted["ticks"]
    return abs(process.create_time() - noted["started"]) < 1


def ticks(pid: int) -> float:
    """When a process began, in ticks since the machine was started; 0 where the system does not tell."""
    try:
        # Its name stands in brackets, and may hold anything.
        return float(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0.0


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
    temporary, environment = _temporary()
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
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=told_when_we_die(),
        env=environment,
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
    scratch.remove(temporary)
    return code if code >= 0 else 128 - code


def _temporary() -> tuple[Path | None, dict[str, str]]:
    """A temporary folder for a child alone and the environment that names it, since vLLM leaves sockets in
    its own whenever it is ended; no folder where the system's has no room or too long a name."""
    with contextlib.suppress(OSError):
        made = scratch.make()
        if scratch.holds_sockets(made):
            return made, {**os.environ, "TMPDIR": str(made)}
        scratch.remove(made)
    return None, dict(os.environ)


def give_memory_back() -> None:
    """Hand what this process has freed back to the system: glibc keeps it, and a report of a thousand rounds
    leaves more behind than a round needs. Nothing is done where the C library knows no way."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def told_when_we_die() -> Callable[[], object] | None:
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
