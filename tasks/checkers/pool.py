"""Checking in worker processes that are killed and replaced when they hang or crash.

Each check has a hard limit on its processor time: an alarm whose default action ends the worker,
so it holds inside C code and when the process that owns the worker is gone. A worker that waits
in place of computing has four times as long by the clock. Its memory is limited, too. What was
being checked when a worker died is `undecided`; nothing is lost, and findings come back in the
order of what was asked.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import multiprocessing
import os
import resource
import signal
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType

from ...errors import MissingPart
from ...records import Question
from .finding import Checker, Finding

Item = tuple[Question, str]

_AT_ONCE = 16
"""Items given to a worker together: fewer leave it waiting, more are moved when it dies."""

_WAITING = 4
"""How many times its processor time a check may take by the clock: other programs run, too."""

_GRACE = 5.0
"""Seconds beyond all limits after which a worker that no alarm ended is killed."""

_START_S = 120.0
"""Seconds for a worker to start and import what it needs."""

_FALSE_STARTS = 3
"""Workers that may die before they are ready; then the checker cannot work here."""


class CheckerPool:
    """
    Args:
        checker: decides; sent to the workers by pickle, so a plain object of ours.
        workers: processes; by default one for each core that this process may use.
        seconds: limit of one check's processor time.
        memory: bytes that a worker may hold.
    """

    def __init__(
        self,
        checker: Checker,
        workers: int | None = None,
        seconds: float = 5.0,
        memory: int = 2 << 30,
    ) -> None:
        self.checker, self.seconds, self.memory = checker, seconds, memory
        self.patience = _patience(checker, seconds)
        self.size = workers or len(os.sched_getaffinity(0))
        self.deaths = 0
        self._false_starts = 0
        self._workers: list[_Worker] = []

    def __enter__(self) -> CheckerPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def summary(self) -> str:
        """Nothing: each finding says what there is to say."""
        return ""

    def close(self) -> None:
        """End every worker; safe to call twice."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def check(self, items: Sequence[Item]) -> list[Finding]:
        """A finding for each item, in their order; what is plain is decided here at once."""
        found = [self.checker.quick(question, completion) for question, completion in items]
        hard = [place for place, finding in enumerate(found) if finding is None]
        for place, finding in zip(hard, self._decided([items[place] for place in hard]), strict=True):
            found[place] = finding
        return [finding for finding in found if finding is not None]

    def _decided(self, items: Sequence[Item]) -> list[Finding]:
        findings: dict[int, Finding] = {}
        waiting = deque(enumerate(items))
        while len(findings) < len(items):
            self._hand_out(waiting)
            busy = {worker.pipe: worker for worker in self._workers if worker.given or not worker.ready}
            starting = any(not worker.ready for worker in busy.values())
            limit = max(_START_S if starting else 0.0, self.patience + _GRACE)
            ready = wait(list(busy), timeout=limit)
            for pipe in ready or list(busy):
                if ready:
                    self._collect(busy[pipe], findings, waiting)  # type: ignore[index]
                else:
                    self._bury(busy[pipe], findings, waiting)  # type: ignore[index]
        return [findings[place] for place in range(len(items))]

    def _hand_out(self, waiting: deque[tuple[int, Item]]) -> None:
        wanted = min(self.size, (len(waiting) + _AT_ONCE - 1) // _AT_ONCE)
        idle = sum(not worker.given for worker in self._workers)
        for _ in range(min(self.size - len(self._workers), wanted - idle)):
            self._workers.append(_Worker(self.checker, self.seconds, self.memory))
        for worker in self._workers:
            if waiting and worker.ready and not worker.given:
                worker.give([waiting.popleft() for _ in range(min(_AT_ONCE, len(waiting)))])

    def _collect(
        self, worker: _Worker, findings: dict[int, Finding], waiting: deque[tuple[int, Item]]
    ) -> None:
        try:
            said = worker.pipe.recv()
        except (EOFError, OSError):
            self._bury(worker, findings, waiting)
            return
        if not worker.ready:
            worker.ready, self._false_starts = True, 0
            return
        place, _ = worker.given[0]
        if not (isinstance(said, tuple) and len(said) == 2 and said[0] == place):
            # A checker that wrote into our pipe: nothing that comes through it can be trusted.
            self._bury(worker, findings, waiting)
            return
        worker.given.popleft()
        findings[place] = said[1]

    def _bury(self, worker: _Worker, findings: dict[int, Finding], waiting: deque[tuple[int, Item]]) -> None:
        """What it was at is undecided; what it had not begun goes to others."""
        worker.end()
        self._workers.remove(worker)
        if not worker.ready:
            self._false_starts += 1
            if self._false_starts == _FALSE_STARTS:
                raise MissingPart(
                    f"{_FALSE_STARTS} processes of the checker {type(self.checker).__name__} ended before "
                    "they were ready; what they printed is above. `make setup` installs what checkers need"
                )
            return
        place, _ = worker.given.popleft()
        late = worker.process.exitcode in (-signal.SIGPROF, -signal.SIGALRM)
        reason = f"took more than {self.seconds:g} s" if late else "the checker crashed"
        findings[place] = Finding("undecided", None, reason)
        waiting.extendleft(reversed(worker.given))
        self.deaths += 1


@dataclass
class _Worker:
    checker: Checker
    seconds: float
    memory: int
    given: deque[tuple[int, Item]] = field(default_factory=deque)
    """What it has not answered yet, the one it is at first."""
    ready: bool = False
    pipe: Connection = field(init=False)
    process: BaseProcess = field(init=False)

    def __post_init__(self) -> None:
        # Not forked: this process may have threads, and a fork copies their locks as they are.
        context = multiprocessing.get_context("forkserver")
        # Imported once by the server that workers are forked from, where that has not begun yet.
        context.set_forkserver_preload([type(self.checker).__module__, *self.checker.needs])
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(theirs, self.checker, self.seconds, self.memory), daemon=True
        )
        self.process.start()
        theirs.close()

    def give(self, items: Iterable[tuple[int, Item]]) -> None:
        self.given.extend(items)
        self.pipe.send(list(self.given))

    def end(self) -> None:
        """A worker at rest ends when its pipe is closed; another is killed; what it forked, too."""
        self.pipe.close()
        self.process.join(timeout=0.2)
        if self.process.exitcode is None:
            self.process.kill()
        if self.process.pid is not None:
            # Not there when it forked nothing, or died before it had a group of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()


def _patience(checker: Checker, seconds: float) -> float:
    """Seconds by the clock for one check: a checker that waits for others may say how long."""
    return float(getattr(checker, "patience", _WAITING * seconds))


def _work(pipe: Connection, checker: Checker, seconds: float, memory: int) -> None:
    """A worker's life: a finding for each item as soon as it is there."""
    os.setpgid(0, 0)
    me = os.getpid()
    for alarm in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(alarm, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.WARNING)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for module in checker.needs:
        importlib.import_module(module)
    # Our owner may close the pipe, or be gone: then there is nobody to work for.
    with contextlib.suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            for place, (question, completion) in pipe.recv():
                signal.setitimer(signal.ITIMER_PROF, seconds)
                signal.setitimer(signal.ITIMER_REAL, _patience(checker, seconds))
                finding = checker.slow(question, completion)
                if os.getpid() != me:
                    os._exit(0)  # What a checker forked: one alone answers through the pipe.
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.setitimer(signal.ITIMER_REAL, 0)
                pipe.send((place, finding))
