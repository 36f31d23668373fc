"""A training's figures in trackio, Weights & Biases or TensorBoard, through TRL's own `report_to`.

transformers calls its trackers while it trains, and whatever they raise would end the job. Here each is
called under guard: one that fails is left out from then on, and what it said is a note of the result.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.integrations import integration_utils

from .jobs import PROJECT, Tracking, TrainingJob


class Guarded(TrainerCallback):  # type: ignore[misc]
    """One of transformers' trackers, which ends no training.

    Args:
        make: gives it; called when a training begins.
        notes: takes what it said when it failed.
    """

    def __init__(self, name: str, make: Callable[[], Any], notes: list[str]) -> None:
        self.name, self._make, self._notes = name, make, notes
        self._tracker: Any = None
        self._failed = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._call("on_train_begin", args, state, control, more)

    def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._call("on_log", args, state, control, more)

    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._call("on_train_end", args, state, control, more)

    def _call(self, event: str, args: Any, state: Any, control: Any, more: dict[str, Any]) -> None:
        if self._failed:
            return
        try:
            if self._tracker is None:
                self._tracker = self._make()
            getattr(self._tracker, event)(args, state, control, **more)
        except Exception as error:  # whatever a tracker and what it stands on raise
            self._failed = True
            self._notes.append(f"{self.name} failed and was left out of it: {_brief(error)}")


def _brief(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


@contextlib.contextmanager
def tracked(job: TrainingJob) -> Iterator[list[str]]:
    """Have every Trainer that is made meanwhile tell the job's trackers, as its arguments ask for.

    Yields:
        Notes, one of each tracker that failed.
    """
    notes: list[str] = []
    if job.tracking is None or not job.tracking.to:
        yield notes
        return
    _environment(job.tracking)
    known = integration_utils.INTEGRATION_TO_CALLBACK
    before = dict(known)
    for name in job.tracking.to:
        known[name] = Guarded(name, _grouped(name, before[name], job.tracking), notes)
    try:
        yield notes
    finally:
        known.update(before)
        _finish(job.tracking)


def _environment(tracking: Tracking) -> None:
    """What trackers read there; what the user has set stays. Nothing leaves the machine by default."""
    logs = Path(os.environ.get("TENSORBOARD_LOGGING_DIR") or Path(tracking.folder) / "tensorboard")
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(logs / tracking.name)
    for name, value in wandb_settings(tracking.folder).items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("WANDB_RUN_GROUP", tracking.run)


def wandb_settings(folder: str) -> dict[str, str]:
    """Weights & Biases as it is where its environment variables say nothing else."""
    return {"WANDB_PROJECT": PROJECT, "WANDB_MODE": "offline", "WANDB_DIR": folder, "WANDB_SILENT": "true"}


def _grouped(name: str, make: Callable[[], Any], tracking: Tracking) -> Callable[[], Any]:
    """A tracker whose runs stand together with those of the same run of ours."""

    def made() -> Any:
        if name == "trackio":
            import trackio

            if not isinstance(trackio.init, functools.partial):
                trackio.init = functools.partial(trackio.init, group=tracking.run, embed=False)
        return make()

    return made


def _finish(tracking: Tracking) -> None:
    """Weights & Biases waits for the end of its process, which a forked one may not come to as others do."""
    if "wandb" in tracking.to:
        with contextlib.suppress(Exception):
            import wandb

            wandb.finish()
