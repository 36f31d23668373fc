"""A training that is cut short goes on from its last checkpoint: the same weights, on a CPU to the bit.

Written every `training.checkpoint_s` seconds: what transformers goes on from (weights as safetensors,
optimiser, schedule, random numbers, the trainer's own state), and what it knows nothing of: the guards'
first look, snapshots to be averaged, completions that were sampled and are not used up. All of it is
loaded without running what it says: tensors, numbers and texts, nothing else.

`watching` (guards.py) puts a `Keeping` into every Trainer of a job; an objective calls `fit(trainer)` in
the place of `trainer.train()`. One that does not starts over.
"""

from __future__ import annotations

import contextlib
import pickle  # nosec B403
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers.trainer
from safetensors import SafetensorError
from transformers import TrainerCallback

from . import checkpoints
from .jobs import TrainingJob
from .models import not_finite, save

State = dict[str, Any]

_OURS = "ours.pt"
_SHARE = 0.05
"""Of the time, that checkpoints may take: where they take long, they are further apart."""


def fit(trainer: Any) -> None:
    """Train, from where the job was cut short where it was; in the place of `trainer.train()`."""
    keeping = _keeping()
    if keeping is None:
        trainer.train()
    else:
        keeping.fit(trainer)


def hand_on(trainer: Any, folder: Path, about: State) -> None:
    """Keep the weights of a trainer that is through, where the job has another one after it.

    Args:
        about: plain values, for `handed_on`.
    """
    keeping = _keeping()
    if keeping is None:
        save(trainer.model, folder)
    else:
        keeping.hand_on(trainer, folder, about)


def handed_on(folder: Path) -> State | None:
    """What `hand_on` was told before the job was cut short; None where that trainer has to train."""
    keeping = _keeping()
    return None if keeping is None else keeping.handed_on(folder)


def _keeping() -> Keeping | None:
    there = transformers.trainer.DEFAULT_CALLBACKS
    return next((one for one in there if isinstance(one, Keeping)), None)


class Keeping(TrainerCallback):  # type: ignore[misc]
    """Writes checkpoints of a job's trainers, one after the other, and has them go on.

    Args:
        pieces: by name, what else has a state: `state_dict` and `load_state_dict`, of tensors and plain
            values.
        stop: called with the reason where a training must not go on.
    """

    def __init__(self, job: TrainingJob, pieces: Mapping[str, Any], stop: Any) -> None:
        self.job, self.pieces, self._stop = job, pieces, stop
        self.notes: list[str] = []
        """What is to be said of checkpoints, for the job's result."""
        self._folder = Path(f"{job.output}.trainer")
        self._key = checkpoints.key(job)
        self._place = 0
        self._every, self._last, self._begun = job.checkpoint_s, time.monotonic(), time.monotonic()
        self._before = 0.0
        self._told = False
        self._trainer: Any = None
        self._state: State | None = None
        for left in self._folder.glob(".*"):
            shutil.rmtree(left, ignore_errors=True)
        self._found = checkpoints.newest(self._folder, self._key, "checkpoint-*", self.notes)

    @property
    def seconds_before(self) -> float:
        """Seconds of training before the checkpoint that it went on from."""
        return self._before

    def fit(self, trainer: Any) -> None:
        self._trainer = trainer
        start = self._start()
        # Where transformers would write its own kind of checkpoint, for `should_save`.
        trainer._save_checkpoint = lambda *_: self._write()
        self._last = time.monotonic()
        with self._hearing():
            trainer.train(resume_from_checkpoint=start)
        self._place += 1

    def _start(self) -> str | None:
        """The checkpoint that this trainer goes on from, its own state ready for `on_train_begin`."""
        if self._found is None or self._found[1]["place"] != self._place:
            return None
        (folder, about), self._found = self._found, None
        if about["sampled"] and about["parts"] != self.job.parts:
            self.notes.append(f"{folder.name} has completions for larger batches, and was not taken")
            return None
        state = self._loaded(folder)
        if state is None:
            return None
        self._state = state
        self._trainer.epochs_before = int(about["epoch"])
        self.notes.append(f"was cut short, and went on from step {about['step']} of {about['steps']}")
        return str(folder)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._state is not None:
            self._load(self._state)  # what others forgot as they began
            _load_trainer(self._trainer, self._state["trainer"])
            self._state = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step < state.max_steps and (self._told or self.due(state.global_step)):
            control.should_save = True

    def due(self, step: int) -> bool:
        return time.monotonic() - self._last >= self._every

    def _write(self) -> None:
        """A checkpoint; without room for one the training goes on as it is."""
        trainer, started = self._trainer, time.monotonic()
        if trainer.control.should_training_stop:
            return  # a guard stopped it: there is nothing to go on from
        if broken := not_finite(trainer.model):
            self._stop(broken)
            trainer.control.should_training_stop = True
            return
        at = trainer.state
        step = at.global_step
        place = self._folder / f"checkpoint-{self._place:02d}-{step:08d}"
        about = {
            "place": self._place, "step": step, "steps": at.max_steps, "epoch": at.epoch,
            "parts": self.job.parts, "sampled": hasattr(trainer, "sampled_state"),
        }  # fmt: skip
        with self._noting(), self._sealed(place, about) as beside:
            save(trainer.accelerator.unwrap_model(trainer.model), beside)
            trainer._save_optimizer_and_scheduler(str(beside))
            trainer._save_scaler(str(beside))
            trainer._save_rng_state(str(beside))
            at.save_to_json(str(beside / "trainer_state.json"))
            torch.save(self._own() | {"trainer": _state_of(trainer)}, beside / _OURS)
        if place.exists():
            self._forget(place)
        self._last = time.monotonic()
        self._every = max(self.job.checkpoint_s, (self._last - started) / _SHARE)
        if self._told:
            raise SystemExit(128 + signal.SIGTERM)

    def hand_on(self, trainer: Any, folder: Path, about: State) -> None:
        """See the function of that name; what cannot be written here is an error, for it is needed."""
        with self._sealed(folder, about) as beside:
            save(trainer.model, beside)
            torch.save(self._own(), beside / _OURS)
        self._forget(None)

    def handed_on(self, folder: Path) -> State | None:
        if not folder.exists():
            return None
        found = checkpoints.newest(folder.parent, self._key, folder.name, self.notes)
        state = None if found is None else self._loaded(folder)
        if found is None or state is None:
            self._found = None  # it came after this
            return None
        self._place += 1
        return found[1]

    def _own(self) -> State:
        seconds = self._before + time.monotonic() - self._begun
        return {"seconds": seconds} | {name: piece.state_dict() for name, piece in self.pieces.items()}

    def _load(self, state: State) -> None:
        self._before = state["seconds"]
        for name, piece in self.pieces.items():
            piece.load_state_dict(state[name])

    def _loaded(self, folder: Path) -> State | None:
        try:
            state: State = torch.load(folder / _OURS, weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            self.notes.append(f"{folder.name} cannot be read ({_brief(error)}), and was thrown away")
            shutil.rmtree(folder, ignore_errors=True)
            return None
        # Now, too: guards have their first look before the first step, and must know that they had it.
        self._load(state)
        return state

    @contextlib.contextmanager
    def _sealed(self, place: Path, about: State) -> Iterator[Path]:
        beside = place.with_name(f".{place.name}")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        try:
            yield beside
            checkpoints.seal(beside, place, self._key, about)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:
            said = f"no checkpoint could be written ({_brief(error)}); it went on without"
            if said not in self.notes:
                self.notes.append(said)

    def _forget(self, but: Path | None) -> None:
        for old in self._folder.glob("checkpoint-*"):
            if old != but:
                shutil.rmtree(old, ignore_errors=True)

    @contextlib.contextmanager
    def _hearing(self) -> Iterator[None]:
        """Told to end, write a checkpoint after the step that is being done, and end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def hear(*_: object) -> None:
            self._told = True

        before = signal.signal(signal.SIGTERM, hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


def _state_of(trainer: Any) -> State:
    """What a TRL trainer knows beside what transformers saves of it."""
    sampled = trainer.sampled_state() if hasattr(trainer, "sampled_state") else {}
    metrics = getattr(trainer, "_metrics", {})
    return {
        "loss": trainer._tr_loss,
        "logged": trainer._globalstep_last_logged,
        "tokens": getattr(trainer, "_total_train_tokens", 0),
        "metrics": {mode: {name: list(seen) for name, seen in of.items()} for mode, of in metrics.items()},
        "sampled": sampled,
    }


def _load_trainer(trainer: Any, state: State) -> None:
    trainer._tr_loss = state["loss"].to(trainer.args.device)
    trainer._globalstep_last_logged = state["logged"]
    trainer._total_train_tokens = state["tokens"]
    for mode, figures in state["metrics"].items():
        trainer._metrics[mode].update(figures)
    if state["sampled"]:
        trainer.load_sampled_state(state["sampled"])


def _brief(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
