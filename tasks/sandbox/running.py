"""One program in the sandbox, watched from outside: time, output, memory of the whole tree."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

import psutil

from ...processes import tree
from .inside import READY

Status = Literal["ended", "time", "memory", "output", "disk", "failed"]

INSIDE = Path(__file__).with_name("inside.py").read_text(encoding="utf-8")
_START_S = 30.0
"""Seconds for a sandbox to be ready; containers are slow to start."""

_LOOK_S = 0.2
"""Seconds between two looks at the memory of the tree."""

_MADE_UP_USERS = 0x70000000
"""First of the user ids that no system gives out; root's sandboxes each run as one of them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use; bytes where nothing else is said."""

    seconds: float = 5.0
    """Of processor time, each process."""
    memory: int = 256 << 20
    """Address space of each process; all processes together may hold twice as much."""
    processes: int = 16
    """Threads count, too."""
    open_files: int = 64
    disk: int = 32 << 20
    """In /tmp and, half as much, in /dev/shm; no file may be larger than half of it."""
    files: int = 10_000
    """Files on that disk: each takes memory, even an empty one."""
    output: int = 1 << 20
    """On standard output, and on standard error."""

    @property
    def wall(self) -> float:
        """Seconds by the clock: other programs run, too."""
        return 3 * self.seconds

    def resources(self) -> dict[str, int]:
        """For setrlimit."""
        return {
            "CPU": int(self.seconds + 0.999) + 1,
            "AS": self.memory,
            "NPROC": self.processes,
            "NOFILE": self.open_files,
            "FSIZE": self.disk // 2,
            "CORE": 0,
            "MEMLOCK": 0,
            "MSGQUEUE": 0,
            "SIGPENDING": 256,
        }


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended, and what it printed.

    `ended` by itself, by an error or a signal; `failed` is the sandbox, never the program;
    everything else names the limit that the program exceeded.
    """

    status: Status
    code: int = 0
    """As a shell tells it: 128 + n for the signal n."""
    stdout: bytes = b""
    stderr: bytes = b""
    why: str = ""


class Sandbox(Protocol):
    """A working way to run `INSIDE` with nothing around it."""

    @property
    def name(self) -> str:
        """For people: program and version."""

    @property
    def counts_processes(self) -> bool:
        """Whether it limits the processes itself, so that setrlimit need not."""

    def started(self, limits: Limits) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """The process with its three pipes; when the block is left, nothing of its tree lives."""


def run(sandbox: Sandbox, task: Mapping[str, object], limits: Limits) -> Ran:
    """Do a task of `inside.py` in the sandbox; never raises for what the program does."""
    resources = limits.resources()
    if sandbox.counts_processes:
        del resources["NPROC"]
    whole = {**task, "limits": resources, "uid": _MADE_UP_USERS + os.getpid()}
    try:
        with sandbox.started(limits) as process:
            return _Watch(process, json.dumps(whole).encode(), limits).result()
    except OSError as error:
        return Ran("failed", why=f"{type(error).__name__}: {error}")


class _Watch:
    """Feeds a process and collects what it prints, until it ends or exceeds a limit."""

    def __init__(self, process: subprocess.Popen[bytes], task: bytes, limits: Limits) -> None:
        self.process, self.limits, self.left = process, limits, memoryview(task)
        self.printed: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.ready = False
        self.deadline = time.monotonic() + _START_S
        self.look = time.monotonic() + _LOOK_S

    def result(self) -> Ran:
        """What became of it; the block that started it ends what is left."""
        exceeded = self._exceeded()
        code = None
        if exceeded is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(timeout=max(1.0, self.deadline - time.monotonic()))
        stdout, stderr = bytes(self.printed["stdout"]), bytes(self.printed["stderr"])
        if not self.ready:
            said = stderr.decode("utf-8", "replace").strip().splitlines()
            return Ran("failed", why=(said[-1] if said else f"not ready, status {code}")[:300])
        stdout = stdout[len(READY) :]
        if exceeded is not None or code is None:
            return Ran(exceeded or "time", stdout=stdout, stderr=stderr)
        if code < 0:
            return Ran("failed", why=f"ended by signal {-code} from outside")
        late = code == 128 + signal.SIGXCPU
        return Ran("time" if late else "ended", code, stdout, stderr)

    def _exceeded(self) -> Status | None:
        """Until both outputs are at their end: then the tree is gone, since it holds them open."""
        with selectors.DefaultSelector() as selector:
            for name, pipe in self._pipes().items():
                os.set_blocking(pipe.fileno(), False)
                event = selectors.EVENT_WRITE if name == "stdin" else selectors.EVENT_READ
                selector.register(pipe, event, name)
            while any(key.data != "stdin" for key in selector.get_map().values()):
                now = time.monotonic()
                if now >= self.deadline:
                    return "time"
                for key, _ in selector.select(max(0.0, min(self.deadline, self.look) - now)):
                    status = self._moved(selector, key)
                    if status is not None:
                        return status
                if time.monotonic() >= self.look:
                    status = self._of_the_tree()
                    if status is not None:
                        return status
                    self.look = time.monotonic() + _LOOK_S
        return None

    def _pipes(self) -> dict[str, IO[bytes]]:
        pipes = {"stdin": self.process.stdin, "stdout": self.process.stdout, "stderr": self.process.stderr}
        return {name: pipe for name, pipe in pipes.items() if pipe is not None}

    def _moved(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> Status | None:
        if key.data == "stdin":
            try:
                self.left = self.left[os.write(key.fd, self.left[:65536]) :]
            except OSError:  # it does not read: it has ended
                self.left = self.left[:0]
            if not self.left:
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
            return None
        data = os.read(key.fd, 65536)
        if not data:
            selector.unregister(key.fileobj)
        printed = self.printed[key.data]
        printed += data
        if not self.ready and self.printed["stdout"].startswith(READY):
            self.ready, self.deadline = True, time.monotonic() + self.limits.wall
        return "output" if len(printed) > self.limits.output + len(READY) else None

    def _of_the_tree(self) -> Status | None:
        """What no limit of a single process counts; nothing to see in a container's client."""
        below = tree(self.process.pid)[1:]
        held = 0
        for process in below:
            with contextlib.suppress(psutil.Error, OSError):
                memory = process.memory_info()
                held += memory.rss - memory.shared
        if held > 2 * self.limits.memory:
            return "memory"
        for folder in ("tmp", "dev/shm") if below else ():
            with contextlib.suppress(OSError):
                disk = os.statvfs(f"/proc/{below[-1].pid}/root/{folder}")
                if disk.f_files - disk.f_ffree > self.limits.files and _is_own(below[-1].pid):
                    return "disk"
        return None


def _is_own(pid: int) -> bool:
    """Whether a process has a root of its own by now: before that its /tmp is the host's."""
    with contextlib.suppress(OSError):
        return os.stat(f"/proc/{pid}/root").st_dev != os.stat("/").st_dev
    return False
