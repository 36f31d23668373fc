"""Training processes that need not load their libraries first: forked from one that has.

Torch, transformers and TRL take longer to import than a small job takes to train. On a CPU a run, or
a whole grid of runs, keeps one process that has them loaded (`forking.py`) and forks a child for each
job. A job starts as any other does, under its guard, as a few lines (`asking.py`) that hand their
output and environment to that process, and end when the child does; where it cannot be reached, they
become the training process themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import scratch
from ..processes import Launcher, Running, launch
from ..serving.command import has_gpu

FORKED = ("maieutic.trainers.worker", "maieutic.trainers.angles")
"""Modules of training processes, run as `python -m MODULE FILE`."""


def possible() -> bool:
    """Whether jobs may be forked: never where they would use a GPU, whose driver does not survive it."""
    return sys.platform == "linux" and not has_gpu()


class Warm:
    """A launcher (`processes.Launcher`) that starts training jobs so, and all else as it is.

    Used as an async context manager, its process is gone when the block ends.

    Args:
        log: takes what the process that forks has to say.
    """

    def __init__(self, log: Path, launcher: Launcher = launch) -> None:
        self._log, self._launcher = log, launcher
        self._folder: Path | None = None
        self._running: Running | None = None

    async def __aenter__(self) -> Warm:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def __call__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], piped: bool = False
    ) -> Running:
        started = list(command)
        if started[1:2] == ["-m"] and started[2] in FORKED:
            started[2:2] = ["maieutic.trainers.asking", str(await self.begin())]
        return await self._launcher(started, log, environment, piped)

    async def begin(self) -> Path:
        """Have the process loading, where none is; gives the socket that it listens on."""
        if self._folder is None or self._running is None or not self._running.alive:
            await self.stop()
            # Short, for a socket's path is; and ours alone, for whoever connects has code run.
            self._folder = scratch.make()
            command = [sys.executable, "-m", "maieutic.trainers.forking", str(self._folder / "socket")]
            self._running = await self._launcher(command, self._log, os.environ)
            await self._listening()
        return self._folder / "socket"

    async def _listening(self) -> None:
        """It listens before it loads. Where it does not, jobs load for themselves: nothing is lost."""
        assert self._folder is not None and self._running is not None
        for _ in range(200):
            if (self._folder / "socket").exists() or not self._running.alive:
                return
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End it and every job that it forked; safe to call twice."""
        running, self._running = self._running, None
        folder, self._folder = self._folder, None
        if running is not None:
            with contextlib.suppress(OSError):
                await running.stop()
        scratch.remove(folder)
