"""DUMP: upper confidence bounds on the size of advantages, by skill and level.

UCB_j = L_j + √(2·ln(n + 1) / (n_j + 1)), L_j = mean |Â| of the last 300 rollouts of j, n_j all of its
rollouts so far, n = Σ n_j; w = softmax(UCB / τ). Equal weights at the start.

Source: DUMP, arXiv 2504.09710 (window 300, τ 0.1). Differs: one update a round in place of one a batch. The
Beta counters of its code enter nothing there, and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from ..draws import softmax
from ..policy import Asked, Cell, Known
from ..signals import deviation
from ..state import from_cells, to_cells
from .arms import Arms


@dataclass
class DUMP(Arms):
    """
    Options:
        window: rollouts of an arm that are remembered.
        temperature: τ.
    """

    window: Annotated[int, Field(ge=1, le=100_000)] = 300
    temperature: Annotated[float, Field(gt=0)] = 0.1
    seen: dict[Cell, int] = field(default_factory=dict, init=False)
    recent: dict[Cell, list[float]] = field(default_factory=dict, init=False)

    def bounds(self, cells: Sequence[Cell]) -> list[float]:
        """(cells,) upper confidence bounds."""
        total = sum(self.seen.values())
        bounds = []
        for cell in cells:
            recent = self.recent.get(cell, [])
            mean = sum(recent) / len(recent) if recent else 0.0
            bounds.append(mean + math.sqrt(2 * math.log(total + 1) / (self.seen.get(cell, 0) + 1)))
        return bounds

    def weights(self, cells: Sequence[Cell], asked: Asked) -> Mapping[Cell, float]:
        return dict(zip(cells, softmax(self.bounds(cells), self.temperature), strict=True))

    def update(self, outcomes: Sequence[Known], asked: Asked) -> None:
        for known in outcomes:
            if known.last is None:
                continue
            rate, spread = known.last.pass_rate, deviation(known.last.pass_rate)
            right, wrong = known.last.right, known.last.decided - known.last.right
            sizes = (
                [(1 - rate) / spread] * right + [rate / spread] * wrong if spread else [0.0] * (right + wrong)
            )
            kept = self.recent.get(known.cell, []) + sizes
            self.recent[known.cell] = kept[-self.window :]
            self.seen[known.cell] = self.seen.get(known.cell, 0) + len(sizes)

    def state_dict(self) -> dict[str, Any]:
        return {"seen": from_cells(self.seen), "recent": from_cells(self.recent)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen, self.recent = to_cells(state["seen"]), to_cells(state["recent"])

    def metrics(self) -> dict[str, float]:
        cells = sorted(self.seen)
        return dict(zip((f"bound/{s}/{lv}" for s, lv in cells), self.bounds(cells), strict=True))
