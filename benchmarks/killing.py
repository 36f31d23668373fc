"""A process of a run that kills itself with SIGKILL at a place that is named beforehand.

For `chaos.py` and its tests: whoever plays a run calls `arm` first, in its own process. The product
knows nothing of this. A place is a line of text, said each time that the run comes by:

    write rounds/0001/pairs/pairs-0000.parquet      the new file lies beside its place
    written rounds/0001/pairs/pairs-0000.parquet    and has been renamed into it
    node pair begins, node pair ends                and the graph has not noted it yet
    checkpoint begins, checkpoint ends              the graph's own database
    chroma upsert begins, chroma upsert ends
    launch begins, launch ends                      a server, or a training job
    swap begins, swap ends                          of a server's weights
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import psutil


@dataclass
class Killer:
    """
    Args:
        at: the process dies at the so-manieth place that matches; 0 for never.
        place: what a place must look like, as file names are matched.
        tree: everything that the process has started is killed with it.
        trace: takes the places that were passed, one a line.
    """

    at: int = 0
    place: str = "*"
    tree: bool = False
    trace: Path | None = None
    _passed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, place: str) -> None:
        with self._lock:
            if self.trace is not None:
                with self.trace.open("a") as file:
                    file.write(f"{place}\n")
            if fnmatch(place, self.place):
                self._passed += 1
                if self._passed == self.at:
                    kill(os.getpid(), self.tree)


def kill(pid: int, tree: bool) -> list[psutil.Process]:
    """SIGKILL for a process, and with it, where that is wanted, for all that it has started.

    Returns:
        What was below it.
    """
    try:
        process = psutil.Process(pid)
        below = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    if tree:
        # What is stopped starts nothing more while its children are counted.
        if pid != os.getpid():
            process.suspend()
            below = process.children(recursive=True)
        for child in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    os.kill(pid, signal.SIGKILL)
    return below


def arm(killer: Killer, run: Path, tally: Path | None = None) -> None:
    """Have this process say where it is, from now on.

    Args:
        run: the run's folder; files are named from there on.
        tally: takes a line for each answer that came, whether or not anything came of it.
    """
    _files(killer, run)
    _nodes(killer)
    _memory(killer)
    _processes(killer)
    if tally is not None:
        _answers(tally)


def _answers(tally: Path) -> None:
    from maieutic.serving.client import Completions

    plain = Completions.once

    @functools.wraps(plain)
    async def counted(self: Any, request: Any, seconds: float) -> Any:
        reply = await plain(self, request, seconds)
        with tally.open("a") as file:
            file.write(f"{request.role} {len(reply.completions)} {reply.call.completion_tokens}\n")
        return reply

    Completions.once = counted  # type: ignore[method-assign]


def _files(killer: Killer, run: Path) -> None:
    def renaming(rename: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(rename)
        def renamed(source: Any, target: Any, **options: Any) -> None:
            place = os.path.relpath(target, run)
            killer(f"write {place}")
            rename(source, target, **options)
            killer(f"written {place}")

        return renamed

    os.replace, os.rename = renaming(os.replace), renaming(os.rename)


def _nodes(killer: Killer) -> None:
    from maieutic.graph import build

    def passed(name: str, node: Any) -> Any:
        async def run_it(room: Any, state: Any) -> Any:
            killer(f"node {name} begins")
            changes = await node(room, state)
            killer(f"node {name} ends")
            return changes

        return run_it

    build.NODES.update({name: passed(name, node) for name, node in build.NODES.items()})


def _memory(killer: Killer) -> None:
    from chromadb import Collection
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    for name in ("upsert", "update", "delete"):
        _said(killer, Collection, name, f"chroma {name}")
    _awaited(killer, AsyncSqliteSaver, "aput", "checkpoint")


def _processes(killer: Killer) -> None:
    from maieutic.serving import server
    from maieutic.trainers import jobs

    _awaited(killer, server.VllmServer, "swap", "swap")
    _awaited(killer, server.VllmServer, "start", "launch server")
    _awaited(killer, jobs, "run_job", "job")
    from maieutic.graph import train

    train.run_job = jobs.run_job  # it has the name already


def _said(killer: Killer, owner: Any, name: str, place: str) -> None:
    plain = getattr(owner, name)

    @functools.wraps(plain)
    def passed(*given: Any, **options: Any) -> Any:
        killer(f"{place} begins")
        result = plain(*given, **options)
        killer(f"{place} ends")
        return result

    setattr(owner, name, passed)


def _awaited(killer: Killer, owner: Any, name: str, place: str) -> None:
    plain = getattr(owner, name)

    @functools.wraps(plain)
    async def passed(*given: Any, **options: Any) -> Any:
        killer(f"{place} begins")
        result = await plain(*given, **options)
        killer(f"{place} ends")
        return result

    setattr(owner, name, passed)
