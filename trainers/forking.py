"""The process that has TRL loaded: `python -m maieutic.trainers.forking SOCKET`; see `warm.py`.

One thread, which only waits, so that a fork copies no lock that is held. Nothing is computed here:
torch starts its threads in the children.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from ..processes import end_all, told_when_we_die, tree
from .warm import FORKED

LOADED = ("maieutic.trainers.worker", "maieutic.trainers.dpo", "maieutic.trainers.grpo")
"""With them torch, transformers and TRL; the worker by itself imports none of them before it has a job."""

_LOOK_S = 0.05
"""Seconds between two looks at children that run."""

_ASKS_S = 10.0
"""Seconds to say what is wanted."""

Do = Callable[[str, str], object]
"""Does the job of a file, as a module of ours."""


def serve(listening: socket.socket, do: Do) -> int:
    """Fork a child for each job that is asked for.

    Returns:
        Its exit code, in a child; the parent is ended by its guard.
    """
    children: dict[int, socket.socket] = {}
    while True:
        watched = [listening, *children.values()]
        ready, _, _ = select.select(watched, [], [], _LOOK_S if children else None)
        for pid in [pid for pid, line in children.items() if line in ready]:
            # Nothing more is ever said to us: whoever asked has gone, or wants the child gone.
            end_all(reversed(tree(pid)))
        _tell_ended(children)
        if listening in ready:
            line, _ = listening.accept()
            job = _asked(line)
            if job is None:
                line.close()
                continue
            pid = os.fork()
            if pid == 0:
                _close(listening, line, *children.values())
                return _child(job, do)
            for output in job.outputs:
                os.close(output)
            children[pid] = line


def _tell_ended(children: dict[int, socket.socket]) -> None:
    for pid in list(children):
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # ended and waited for by `end_all`
            ended, status = pid, signal.SIGTERM
        if ended:
            code = os.waitstatus_to_exitcode(status)
            with children.pop(pid) as line:
                _say(line, code if code >= 0 else 128 - code)


def _say(line: socket.socket, code: int) -> None:
    try:
        line.sendall(str(code).encode())
    except OSError:
        return  # whoever asked has gone


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        one.close()


@dataclass(frozen=True, slots=True)
class _Job:
    """What is asked for, and where its output goes."""

    module: str
    file: str
    environment: dict[str, str]
    folder: str
    outputs: tuple[int, int]


def _asked(line: socket.socket) -> _Job | None:
    """What is asked for; None where whoever asked has gone before saying so."""
    line.settimeout(_ASKS_S)
    outputs: list[int] = []
    try:
        _, outputs, _, _ = socket.recv_fds(line, 1, 2)
        with line.makefile("rb") as text:
            said = json.loads(text.readline())
        out, error = outputs
        return _Job(said["module"], said["job"], said["environment"], said["folder"], (out, error))
    except (OSError, ValueError, KeyError, TypeError):
        for output in outputs:
            os.close(output)
        return None


def _child(job: _Job, do: Do) -> int:
    """Become a training process like any other: session, output, environment, folder."""
    os.setsid()
    die_with_parent = told_when_we_die()
    if die_with_parent is not None:
        die_with_parent()
    for mine, theirs in zip((1, 2), job.outputs, strict=True):
        os.dup2(theirs, mine)
        os.close(theirs)
    os.environ.clear()
    os.environ.update(job.environment)
    try:
        os.chdir(job.folder)
        do(job.module, job.file)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main(address: str) -> NoReturn:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(8)
        for module in LOADED:
            importlib.import_module(module)
        gc.collect()
        gc.freeze()  # what is there is shared with the children, for as long as nobody counts it anew
        code = serve(listening, run_module)
    leave(code)


def leave(code: int) -> NoReturn:
    """End a child without taking apart what it shares with its parent: libraries would complain of that
    at length, below what the job itself said last."""
    atexit._run_exitfuncs()  # temporary folders go
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def run_module(module: str, file: str) -> None:
    """As `python -m MODULE FILE` would, in this process."""
    if module not in FORKED:
        raise ValueError(f"{module[:60]!r} is no training process of ours")
    sys.modules.pop(module, None)  # runpy warns of one that is there
    sys.argv = [module, file]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1])
