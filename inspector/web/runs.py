"""The runs of a folder as the pages see them: found by name, read through an index, kept up to date.

Nothing is ever written into a run's folder, and its lock is not taken: a request changes no state.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil
from pydantic import ValidationError

from ...config import RunConfig, load
from ...errors import MaieuticError, RunError, printable
from ...memory.run import GRID, RunFolder
from ...records import OVER, RunReport
from ..index import Index

_OPEN = 6
"""Indexes that are kept open."""
_REMEMBERED = 64
"""Results of a run that are kept."""
_AGAIN_S = 0.5
"""New parts are looked for so often at most. Open pages are told of them every second (`events.py`)."""
_STARTING_NS = 120_000_000_000
"""A run whose folder is so new may not have got to its lock yet."""
_FIRST_S, _LATER_S = 1.5, 0.1
"""What a page waits for parts to be taken in; where it takes longer, it shows what is there."""

T = TypeVar("T")


class Run:
    """One run folder: what is small is read anew when its file changed, the rest asked of the index."""

    def __init__(self, key: str, folder: RunFolder, cache: Path | None) -> None:
        self.key, self.folder, self._cache = key, folder, cache
        self._index: Index | None = None
        self._syncing: threading.Thread | None = None
        self._lock = threading.Lock()
        self._looked: float | None = None
        """When parts were last looked for."""
        self._report: tuple[int, RunReport | None] = (-1, None)
        self._config: tuple[int, RunConfig | None] = (-1, None)
        self._known: dict[tuple[object, ...], tuple[int, Any]] = {}
        self._taken = 0
        """Grows when the index takes something in."""
        self.trouble = ""
        """Why the records could not be read, where they could not."""

    @property
    def name(self) -> str:
        return self.folder.path.name

    @property
    def index(self) -> Index:
        with self._lock:
            if self._index is None:
                self._index = Index(self.folder, self._cache)
            return self._index

    @property
    def indexing(self) -> bool:
        """Whether parts are being taken in, so that a page shows less than there is."""
        return self._syncing is not None and self._syncing.is_alive()

    def rows(self, statement: str, given: Sequence[object] = ()) -> list[dict[str, Any]]:
        return self.index.rows(statement, given)

    def remembered(self, what: tuple[object, ...], make: Callable[[], T]) -> T:
        """What was worked out before from the records that the index still has; else worked out now."""
        known = self._known.get(what)
        if known is None or known[0] != self._taken:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[what] = (self._taken, make())
        return known[1]

    def heldout(self, round: int) -> float | None:
        try:
            return self.index.heldout(round)
        except RunError:  # a damaged file takes its figure from a page, and no more
            return None

    def catch_up(self) -> None:
        """Have what is new taken in by a thread of its own, and wait for it a little."""
        index, now = self.index, time.monotonic()
        with self._lock:
            first = self._looked is None
            if not self.indexing and (self._looked is None or now - self._looked > _AGAIN_S):
                self._looked = now
                self._syncing = threading.Thread(target=self._sync, args=(index,), daemon=True)
                self._syncing.start()
            syncing = self._syncing
        if syncing is not None:
            syncing.join(_FIRST_S if first else _LATER_S)

    def _sync(self, index: Index) -> None:
        try:
            self._taken += index.sync()
            self.trouble = ""
        except Exception as error:  # of the folder, the cache or the disk: the page says it
            self.trouble = f"Records cannot be read now: {printable(' '.join(str(error).split()))[:300]}"

    def close(self) -> None:
        """Close the index; parts that are being taken in are left to the next time."""
        with self._lock:
            if self._index is not None:
                self._index.close()
            if self._syncing is not None:
                self._syncing.join()
            self._index, self._looked, self.trouble = None, None, ""

    def report(self) -> RunReport | None:
        """None before the first evaluation, and where it cannot be read."""
        at = changed(self.folder.report)
        if at != self._report[0]:
            try:
                found = RunReport.model_validate_json(self.folder.report.read_bytes())
            except (ValidationError, OSError):
                found = None
            self._report = (at, found)
        return self._report[1]

    def config(self) -> RunConfig | None:
        """None where another version wrote what this one cannot read."""
        at = changed(self.folder.config)
        if at != self._config[0]:
            try:
                self._config = (at, load(self.folder.config))
            except (MaieuticError, OSError):
                self._config = (at, None)
        return self._config[1]

    @property
    def written(self) -> int:
        """When its configuration was, in nanoseconds; 0 where the run is gone by now."""
        return changed(self.folder.config)

    @property
    def status(self) -> str:
        report = self.report()
        if report is not None and (report.status == "waiting for review" or report.status in OVER):
            return report.status
        if self.playing():
            return "running"
        begun = time.time_ns() - self.written < _STARTING_NS
        return "starting" if begun and not (self.folder.path / "run.lock").exists() else "stopped"

    def playing(self) -> bool:
        """Whether the process that noted itself in the lock still lives. The lock itself is not tried:
        for that moment nobody could resume the run."""
        lock = self.folder.path / "run.lock"
        try:
            pid, _, host = lock.read_text().partition(" ")
            if host not in ("", socket.gethostname()):
                return False
            owner = psutil.Process(int(pid))
            return owner.is_running() and owner.create_time() <= lock.stat().st_mtime + 1
        except (OSError, ValueError, psutil.Error):
            return False

    def pulse(self) -> tuple[object, ...]:
        """Changes when the run has got on."""
        last = list(self.folder.rounds())[-1:]
        kinds = [self.folder.round(round) for round in last]
        kinds += [kind for round in kinds for kind in _folders(round)]
        newest = max((changed(kind) for kind in kinds), default=0)
        return self.status, changed(self.folder.report), newest


class Runs:
    """All runs below a folder, those of comparisons among them."""

    def __init__(self, path: Path, cache: Path | None = None) -> None:
        self.path, self._cache = path, cache
        self._known: dict[str, Run] = {}
        self._opened: OrderedDict[str, Run] = OrderedDict()
        self._asking = Counter[str]()
        """Requests that read a run just now."""
        self.ending = False
        """The server is to end: open pages are told nothing more."""
        self._lock = threading.Lock()

    def keys(self) -> list[str]:
        """Names of runs; those of a comparison have its name before theirs."""
        return sorted(self._found())

    def comparisons(self) -> list[str]:
        return sorted(folder.name for folder in _folders(self.path) if os.path.exists(folder / GRID))

    def all(self) -> list[Run]:
        return [self._run(key, path) for key, path in sorted(self._found().items())]

    def find(self, key: str) -> Run | None:
        """The run of that name; what a name says is compared with what is there, and never made a path."""
        path = self._found().get(key)
        return None if path is None else self._run(key, path)

    @contextlib.contextmanager
    def opened(self, run: Run) -> Iterator[Run]:
        """Have a run's index open, as new as can be had at once; it is not closed before the block ends."""
        with self._lock:
            self._asking[run.key] += 1
            self._opened[run.key] = run
            self._opened.move_to_end(run.key)
            others = self._opened.values()
            idle = [other for other in others if not (other.indexing or self._asking[other.key])]
            for other in idle[: max(0, len(self._opened) - _OPEN)]:
                self._opened.pop(other.key).close()
        try:
            run.catch_up()
            yield run
        finally:
            with self._lock:
                self._asking[run.key] -= 1

    def close(self) -> None:
        with self._lock:
            for run in self._opened.values():
                run.close()
            self._opened.clear()

    def _run(self, key: str, path: Path) -> Run:
        with self._lock:
            if key not in self._known:
                self._known[key] = Run(key, RunFolder(path), self._cache)
            return self._known[key]

    def _found(self) -> dict[str, Path]:
        found = {}
        for folder in _folders(self.path):
            if os.path.exists(folder / "run.yaml"):
                found[folder.name] = folder
            elif os.path.exists(folder / GRID):
                inner = (one for one in _folders(folder) if os.path.exists(one / "run.yaml"))
                found.update({f"{folder.name}/{one.name}": one for one in inner})
        return found


def _folders(path: Path) -> Iterator[Path]:
    """Those with a name that maieutic could have given: another one might not be text, or turn a page
    around. What cannot be looked into is passed over."""
    try:
        names = os.listdir(path)
    except OSError:
        return
    for name in names:
        if not name.startswith(".") and name.isprintable() and os.path.isdir(path / name):
            yield path / name


def changed(path: Path) -> int:
    """Time of the last change; 0 where it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
