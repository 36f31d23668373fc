"""What watches a training: looks at a few of its rows, and stops it where it goes wrong.

`watching` puts its callbacks into every Trainer of this process, whoever makes it, so that an objective
of the user's is watched as ours are.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import transformers.trainer
from transformers import PreTrainedTokenizerBase, TrainerCallback

from .averaging import Averaging
from .jobs import TrainingJob
from .models import before, not_finite
from .probe import Figures, Probe
from .resuming import Keeping


class Watch(TrainerCallback):  # type: ignore[misc]
    """Tells steps done as JSON lines on standard output, and asks the trainer to stop where it must."""

    def __init__(self, job: TrainingJob, rows: Sequence[Mapping[str, Any]], tokenizer: Any) -> None:
        self.job, self.guards = job, job.guards
        self.probe = Probe(rows, tokenizer, job, self.guards.rows) if self.guards else None
        self.stopped = ""
        self.first: Figures = {}
        self.last: Figures = {}
        self.steps = 0
        """Of the trainers that are through: a job may have several."""
        self.keeping: Keeping | None = None

    def state_dict(self) -> dict[str, Any]:
        start = None if self.probe is None else self.probe.start
        return {"first": self.first, "last": self.last, "steps": self.steps, "start": start}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.first, self.last, self.steps = state["first"], state["last"], state["steps"]
        if self.probe is not None:
            self.probe.start = state["start"]

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if self.probe is not None and not self.first:
            self.first = self.last = self.probe.look(model)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        step, over = state.global_step, state.global_step == state.max_steps
        if step % 4 == 0 or over:
            told = {"step": self.steps + step, "of": self.steps + state.max_steps}
            with contextlib.suppress(BrokenPipeError):  # whoever wanted to know has gone
                print(json.dumps(told), flush=True)
        if self.guards is not None and step % self.guards.every == 0 and not over:
            self.look(model)
        if self.stopped:
            control.should_training_stop = True

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        for name in ("loss", "grad_norm"):
            value = (logs or {}).get(name)
            if isinstance(value, int | float) and not math.isfinite(value):
                self.stop(f"{name} is not finite: lower the learning rate")
        if self.stopped:
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.steps += state.global_step

    def finish(self, model: Any) -> None:
        """The last look, at what an objective gave back, whether a Trainer made it or not."""
        if broken := not_finite(model):
            self.stop(broken)
        if self.probe is None:
            return
        if not self.first:
            with before(self.job, model) as start:
                self.first = self.probe.look(start)
        self.look(model)

    def look(self, model: Any) -> None:
        assert self.probe is not None and self.guards is not None
        self.last = now = self.probe.look(model)
        broken = [name for name, value in now.items() if not math.isfinite(value)]
        if broken:
            self.stop(f"{broken[0]} is not finite: lower the learning rate")
        fall = self.first.get("guard/chosen", 0.0) - now.get("guard/chosen", 0.0)
        if self.guards.chosen_fall and self.probe.collapses and fall > self.guards.chosen_fall:
            self.stop(
                f"what is to be learned became less likely by {fall:.2f} nats a token, more than "
                f"training.guards.chosen_fall ({self.guards.chosen_fall:g}): lower the learning rate, or "
                "raise the weight of the likelihood"
            )
        moved = now.get("guard/kl", 0.0)
        if self.guards.divergence and moved > self.guards.divergence:
            self.stop(
                f"the model moved by {moved:.2f} nats a token, more than training.guards.divergence "
                f"({self.guards.divergence:g}): lower the learning rate"
            )

    def stop(self, reason: str) -> None:
        self.stopped = self.stopped or reason

    @property
    def figures(self) -> Figures:
        """The last look's figures, and as `first/…` those before training."""
        return {f"first/{name}": value for name, value in self.first.items()} | self.last


@contextlib.contextmanager
def watching(
    job: TrainingJob, rows: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase
) -> Iterator[Watch]:
    """Watch every Trainer that is made meanwhile, average its weights and keep checkpoints of it where the
    job says so."""
    watch = Watch(job, rows, tokenizer)
    callbacks: list[Any] = [watch]
    pieces: dict[str, Any] = {"watch": watch}
    if job.averaging.kind != "none":
        pieces["averaging"] = Averaging(job.averaging)
        callbacks.append(pieces["averaging"])
    if job.checkpoint_s:
        watch.keeping = Keeping(job, pieces, watch.stop)
        callbacks.append(watch.keeping)
    defaults = transformers.trainer.DEFAULT_CALLBACKS
    defaults.extend(callbacks)
    try:
        yield watch
    finally:
        for callback in callbacks:
            defaults.remove(callback)
