"""GAIN-RL: questions ordered by how narrowly their hidden states point, and a window that moves along them.

Sorted once by angle concentration, highest (easiest) first; place i is drawn with p(i) ∝ exp(−½((i−μ)/σ)²),
without replacement; μ ← μ + clip(n·tanh(α(R − β)) + n·tanh(α·C), 0, 1000), R the mean reward and C the mean
concentration of what was drawn.

Source: GAIN-RL, arXiv 2506.02281, from its released code (σ 1000, n 500, α 2, β ½; C the mean cosine within
a question plus that between it and the system prompt; its code counts the latter eight times, see
`trainers/angles.py`). Differs: the bank grows, and new questions take their places in the order; one update
a round in place of one a batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from ..draws import drawn
from ..policy import Asked, Base, Known

_MOST_STEP = 1000.0

_LEAST = 1e-300
"""Of a weight: far from the centre they vanish, and what was never attempted still comes first."""


@dataclass
class GainRL(Base):
    """
    Options:
        width: σ, in questions.
        pace: n, in questions.
        sensitivity: α.
        aim: β.
    """

    width: Annotated[float, Field(ge=0.01)] = 1000.0
    pace: Annotated[float, Field(ge=0)] = 500.0
    sensitivity: Annotated[float, Field(gt=0)] = 2.0
    aim: Annotated[float, Field(ge=0, le=1)] = 0.5
    centre: float = field(default=0.0, init=False)

    @property
    def measures(self) -> str:
        return "angles"

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        order = sorted(bank, key=lambda k: (-asked.signal.get(k.question.id, 0.0), k.question.id))
        weights = [math.exp(-0.5 * ((place - self.centre) / self.width) ** 2) for place in range(len(order))]
        # What was attempted stays where it is in the order, and is not drawn again while others are left.
        open_weights = [max(w, _LEAST) * (k.last is None) for w, k in zip(weights, order, strict=True)]
        return drawn(order, open_weights, asked.count, asked.rng)

    def update(self, outcomes: Sequence[Known], asked: Asked) -> None:
        rewards = [known.last.pass_rate for known in outcomes if known.last]
        angles = [asked.signal[k.question.id] for k in outcomes if k.question.id in asked.signal]
        if not rewards:
            return
        reward = sum(rewards) / len(rewards)
        narrow = sum(angles) / len(angles) if angles else 0.0
        step = math.tanh(self.sensitivity * (reward - self.aim)) + math.tanh(self.sensitivity * narrow)
        self.centre += min(_MOST_STEP, max(0.0, self.pace * step))

    def state_dict(self) -> dict[str, Any]:
        return {"centre": self.centre}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.centre = float(state["centre"])

    def metrics(self) -> dict[str, float]:
        return {"centre": self.centre}
