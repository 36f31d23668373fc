"""Figures of the rounds in trackio, Weights & Biases or TensorBoard; see `report_to` of the configuration.

Each tracker works on a thread of its own: none can hold up a round, and one that fails is left out with a
note. Trainings tell theirs themselves (`trainers/tracking.py`).
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from ..config import RunConfig
from ..errors import MissingPart
from ..memory.run import RunFolder
from ..records import RoundReport, RunReport
from ..trainers.jobs import PROJECT

Figures = dict[str, float]
Note = Callable[[str], None]

_PATIENCE_S, _STOPPED_S = 15.0, 2.0
"""Seconds for trackers to send what they have when a run ends, and when it is stopped."""
_LOOKED_S = 0.05


def check_trackers(names: Sequence[str]) -> None:
    """
    Raises:
        MissingPart: the package of one is not installed.
    """
    missing = [name for name in names if not _installed(name)]
    if missing:
        raise MissingPart(
            f"report_to: {', '.join(missing)} is not installed in this Python; "
            f"`pip install {' '.join(missing)}`, or leave it out"
        )


def _installed(name: str) -> bool:
    """A folder of that name on the path, such as the one that wandb writes to, is no package."""
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None


class Tracker(Protocol):
    """Takes the figures of rounds."""

    def tell(self, round: int, figures: Figures) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in the run folder, beside those of its trainings; without torch."""

    def __init__(self, folder: RunFolder, run: str) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        logs = os.environ.get("TENSORBOARD_LOGGING_DIR") or str(folder.path / "tensorboard")
        self._file = EventFileWriter(os.path.join(logs, "rounds"))

    def tell(self, round: int, figures: Figures) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
        self._file.add_event(Event(wall_time=time.time(), step=round, summary=Summary(value=values)))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Trackio:
    """Local, unless trackio's environment variables name a Space or a server."""

    def __init__(self, folder: RunFolder, run: str) -> None:
        import trackio

        quiet = {"embed": False, "auto_log_cpu": False, "auto_log_gpu": False}
        self._run = trackio.init(project=PROJECT, name=f"{run}-rounds", group=run, resume="allow", **quiet)

    def tell(self, round: int, figures: Figures) -> None:
        self._run.log(figures, step=round)

    def close(self) -> None:
        self._run.finish()


class Wandb:
    """Offline in the run folder, unless WANDB_MODE says otherwise."""

    def __init__(self, folder: RunFolder, run: str) -> None:
        import wandb

        told = os.environ.get
        self._run = wandb.init(
            project=told("WANDB_PROJECT") or PROJECT,
            name=f"{run}-rounds",
            group=told("WANDB_RUN_GROUP") or run,
            dir=told("WANDB_DIR") or str(folder.path),
            mode=told("WANDB_MODE") or "offline",
            reinit="create_new",
            settings=wandb.Settings(silent=True),
        )

    def tell(self, round: int, figures: Figures) -> None:
        self._run.log({"round": round, **figures})

    def close(self) -> None:
        self._run.finish()


TRACKERS: dict[str, Callable[[RunFolder, str], Tracker]] = {
    "tensorboard": TensorBoard,
    "trackio": Trackio,
    "wandb": Wandb,
}


class Teller(threading.Thread):
    """One tracker at work. It dies with the process, whatever it waits for."""

    def __init__(self, name: str, make: Callable[[], Tracker]) -> None:
        super().__init__(name=f"tracker-{name}", daemon=True)
        self.tracker, self._make = name, make
        self.wanted: queue.SimpleQueue[tuple[int, Figures] | None] = queue.SimpleQueue()
        self.failed = ""

    def run(self) -> None:
        try:
            tracker = self._make()
            while (told := self.wanted.get()) is not None:
                tracker.tell(*told)
            tracker.close()
        except Exception as error:  # whatever a tracker and what it stands on raise
            self.failed = " ".join(f"{type(error).__name__}: {error}".split())[:300]


class Tracking:
    """All trackers of a run.

    Args:
        note: hears once of each that fails.
    """

    def __init__(self, tellers: Sequence[Teller], note: Note) -> None:
        self._tellers, self._note = list(tellers), note
        for teller in self._tellers:
            teller.start()

    def tell(self, report: RunReport) -> None:
        """The last round of a report, or what was measured before any."""
        self._hear()
        round, figures = last_round(report)
        for teller in self._tellers:
            teller.wanted.put((round, figures))

    async def close(self, patience: float = _PATIENCE_S) -> None:
        """
        Args:
            patience: seconds that all together may still take; a signal may cut them short.
        """
        for teller in self._tellers:
            teller.wanted.put(None)
        end = time.monotonic() + patience
        while any(teller.is_alive() for teller in self._tellers) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(_LOOKED_S)  # a join would hear no signal
        for teller in self._tellers:
            if teller.is_alive():
                teller.failed = f"not done after {patience:g} s"
        self._hear()

    def _hear(self) -> None:
        failed = [teller for teller in self._tellers if teller.failed]
        for teller in failed:
            self._note(f"report_to: {teller.tracker} failed and hears no more: {teller.failed}")
        self._tellers = [teller for teller in self._tellers if teller not in failed]


@asynccontextmanager
async def tracked(config: RunConfig, folder: RunFolder, note: Note) -> AsyncIterator[Tracking]:
    """The trackers that a configuration names, for as long as a run is played."""

    def teller(name: str) -> Teller:
        return Teller(name, lambda: TRACKERS[name](folder, folder.path.resolve().name))

    tracking = Tracking([teller(name) for name in config.report_to], note)
    try:
        yield tracking
    except BaseException:
        await tracking.close(_STOPPED_S)
        raise
    await tracking.close()


def last_round(report: RunReport) -> tuple[int, Figures]:
    """Number and figures of the last round; of round 0 the held-out accuracy alone."""
    if report.rounds:
        return report.rounds[-1].round, figures_of(report.rounds[-1])
    return 0, {"heldout/accuracy": report.baseline.accuracy} if report.baseline else {}


def figures_of(entry: RoundReport) -> Figures:
    """A round's figures by names with a `/`, which trackers take for groups. Rates of a skill are the mean
    over its levels."""
    parts: dict[str, dict[str, Any]] = {
        "heldout": {"accuracy": entry.heldout.accuracy, **entry.heldout.by_skill},
        "validation": {"accuracy": entry.validation.accuracy, **entry.validation.by_skill},
        "gate": {"promoted": entry.promoted, **entry.gate.model_dump()},
        "zones": entry.zones.model_dump(),
        "pass_rate": _by_skill(entry.pass_rates),
        "questions": entry.questions.model_dump(exclude={"refused"}),
        "generator": entry.generator.model_dump(),
        "rollouts": entry.rollouts.model_dump(),
        "seconds": entry.seconds | {"total": sum(entry.seconds.values()), "swap": entry.swap_seconds},
        "train": {"examples": entry.train.examples, **entry.train.metrics},
        "policy": entry.policy,
    }
    for role, calls in entry.calls.items():
        parts[f"calls/{role}"] = calls.model_dump(exclude={"failed", "passed"})
    if entry.diversity is not None:
        parts["diversity"] = entry.diversity.model_dump()
    return {
        f"{part}/{name}": float(value)
        for part, values in parts.items()
        for name, value in values.items()
        if value is not None
    }


def _by_skill(cells: dict[str, float]) -> Figures:
    rates: dict[str, list[float]] = {}
    for cell, rate in cells.items():
        rates.setdefault(cell.rpartition("/")[0], []).append(rate)
    return {skill: sum(each) / len(each) for skill, each in rates.items()}
