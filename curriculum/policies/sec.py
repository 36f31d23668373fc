"""Self-Evolving Curriculum: a bandit over skills and levels, paid by the size of advantages.

r(c) = mean |Â| over the rollouts of arm c; Q ← α·r + (1−α)·Q, from 0; p(c) ∝ exp(Q(c)/τ).

Source: SEC, arXiv 2505.14970 (α 0.5; τ 1.0, 0.4 and 0.2 in its runs). Differs: one update a round in place
of one a batch. Its code has arms that were not drawn lose a share α of their value (`decay`); the equation
reads as if they kept it, which is the default here. |Â| is 0 of what is mastered and of what is hopeless
alike: the method cannot tell them apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from ..draws import softmax
from ..policy import Asked, Cell, Known
from ..signals import absolute_advantage
from ..state import from_cells, to_cells
from .arms import Arms


@dataclass
class SEC(Arms):
    """
    Options:
        rate: α.
        temperature: τ.
        decay: whether arms that were not drawn are updated with a reward of 0.
    """

    rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    temperature: Annotated[float, Field(gt=0)] = 0.4
    decay: bool = False
    values: dict[Cell, float] = field(default_factory=dict, init=False)

    def weights(self, cells: Sequence[Cell], asked: Asked) -> Mapping[Cell, float]:
        chances = softmax([self.values.get(cell, 0.0) for cell in cells], self.temperature)
        return dict(zip(cells, chances, strict=True))

    def update(self, outcomes: Sequence[Known], asked: Asked) -> None:
        rewards: dict[Cell, list[float]] = defaultdict(list)
        for known in outcomes:
            if known.last:
                rewards[known.cell].append(absolute_advantage(known.last.pass_rate))
        paid = {cell: sum(each) / len(each) for cell, each in rewards.items()}
        if self.decay:
            paid = dict.fromkeys(self.values, 0.0) | paid
        for cell, reward in paid.items():
            self.values[cell] = self.rate * reward + (1 - self.rate) * self.values.get(cell, 0.0)

    def state_dict(self) -> dict[str, Any]:
        return {"values": from_cells(self.values)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.values = to_cells(state["values"])

    def metrics(self) -> dict[str, float]:
        return {f"value/{key}": value for key, value in from_cells(self.values).items()}
