"""AdaRFT: a target difficulty that follows the mean reward.

T ← clip(T + η·tanh(α(R − β)), 0, 100); a round takes the questions with the smallest |d − T|.

Source: AdaRFT, arXiv 2504.05520 (α 2, β ½, η 50, T from 0). Differs: d is the level's place among the
levels, in place of the pass rate of a reference model on every question; one update a round in place of one
a batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from ...records import Attempt
from ..policy import Asked, Known, Lesson
from ..signals import difficulties, scaled_levels
from .arms import placed
from .scored import Scored

_HARDEST = 100.0


@dataclass
class AdaRFT(Scored):
    """
    Options:
        aim: β, the mean reward that leaves the target where it is.
        sensitivity: α.
        pace: η, the most that the target moves in a round.
        start: T before the first round.
    """

    aim: Annotated[float, Field(ge=0, le=1)] = 0.5
    sensitivity: Annotated[float, Field(gt=0)] = 2.0
    pace: Annotated[float, Field(gt=0)] = 50.0
    start: Annotated[float, Field(ge=0, le=_HARDEST)] = 0.0
    target: float = field(init=False)

    def __post_init__(self) -> None:
        self.target = self.start

    def scores(self, bank: Sequence[Known], asked: Asked) -> Sequence[float]:
        return [-abs(_HARDEST * hard - self.target) for hard in difficulties(bank, asked.cells)]

    def plan(self, attempts: Sequence[Attempt], asked: Asked) -> list[Lesson]:
        """On the levels nearest to the target."""
        away = {
            level: abs(_HARDEST * hard - self.target) for level, hard in scaled_levels(asked.cells).items()
        }
        near = min(away.values(), default=0.0)
        weights = {cell: float(away[cell[1]] <= near) for cell in asked.cells}
        return placed(weights, asked) or super().plan(attempts, asked)

    def update(self, outcomes: Sequence[Known], asked: Asked) -> None:
        rewards = [known.last.pass_rate for known in outcomes if known.last]
        if rewards:
            step = self.pace * math.tanh(self.sensitivity * (sum(rewards) / len(rewards) - self.aim))
            self.target = min(_HARDEST, max(0.0, self.target + step))

    def state_dict(self) -> dict[str, Any]:
        return {"target": self.target}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.target = float(state["target"])

    def metrics(self) -> dict[str, float]:
        return {"target": self.target}
