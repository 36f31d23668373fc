"""The mean of a training's last weights in place of the last ones.

Source: How Learning Rate Decay Wastes Your Best Data (a constant rate, and weights averaged at the end, in
place of a decay). Differs: snapshots of one training of a round, some steps apart, not checkpoints of a
pre-training.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from ..config import AveragingConfig

Weights = dict[str, Tensor]


class Averaging(TrainerCallback):  # type: ignore[misc]
    """Keeps snapshots of what is trained, in host memory, and puts their mean in its place at the end."""

    def __init__(self, config: AveragingConfig) -> None:
        self.config = config
        self.snapshots: deque[Weights] = deque(maxlen=config.last if config.kind == "mean" else 1)

    def state_dict(self) -> dict[str, Any]:
        return {"snapshots": list(self.snapshots)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.snapshots.clear()
        self.snapshots.extend(state["snapshots"])

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.snapshots.clear()

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step % self.config.every and state.global_step != state.max_steps:
            return
        now = {name: weight.detach().float().cpu().clone() for name, weight in _trained(model).items()}
        if self.config.kind == "ema" and self.snapshots:
            kept, decay = self.snapshots[-1], self.config.decay
            now = {name: decay * kept[name] + (1 - decay) * weight for name, weight in now.items()}
        self.snapshots.append(now)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if not self.snapshots:
            return
        for name, weight in _trained(model).items():
            mean = sum(kept[name] for kept in self.snapshots) / len(self.snapshots)
            weight.copy_(torch.as_tensor(mean))
        self.snapshots.clear()


def _trained(model: Any) -> Weights:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
