"""Item response theory: train on what lies at or below the Solver's present ability.

1PL: P(right) = σ(θ − b). A round takes the questions with θ + lower ≤ b ≤ θ + upper; where these are too
few, the easiest of the rest. With a target probability p, b ≤ θ + ln(1/p − 1) takes the place of the upper
end.

Source: PUDF, arXiv 2408.05326 (lower −∞, upper 0; ability raised by 0.1 where it has not grown in 2
rounds). Differs: the crowd that difficulties are fitted to is the Solver itself in its rounds, and items
are skills at levels, because most questions are attempted once; what nobody attempted is expected to lie 1
above the level below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from ...records import Attempt
from .. import irt
from ..policy import Asked, Cell, Known, Lesson
from ..state import from_cells, to_cells
from .arms import placed
from .scored import Scored

_STEP = 1.0
_STAGNANT, _LIFT = 2, 0.1
"""Rounds without growth from which the ability counts for more, and by how much with each."""

_SAME = 1e-6
_MOST_ROUNDS = 50
"""Rounds whose outcomes are kept: the state must not grow for ever."""


@dataclass
class IRT(Scored):
    """
    Options:
        lower, upper: the band around the ability.
        target: a probability of being right that takes the place of `upper`; 0 for none.
    """

    lower: float = float("-inf")
    upper: float = 0.0
    target: Annotated[float, Field(ge=0, lt=1)] = 0.0
    history: list[dict[str, list[int]]] = field(default_factory=list, init=False)
    difficulty: dict[Cell, float] = field(default_factory=dict, init=False)
    ability: float = field(default=0.0, init=False)
    stagnant: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not self.target and self.lower > self.upper:
            raise ValueError(f"lower {self.lower:g} is more than upper {self.upper:g}")

    def _bounds(self) -> tuple[float, float]:
        upper = math.log(1 / self.target - 1) if self.target else self.upper
        return self.ability + self.lower, self.ability + upper

    def _hard(self, cell: Cell) -> float:
        """The difficulty of a skill at a level: as fitted, or counted up or down from the nearest that is."""
        if cell in self.difficulty:
            return self.difficulty[cell]
        near = [(abs(lv - cell[1]), lv, b) for (skill, lv), b in self.difficulty.items() if skill == cell[0]]
        if not near:
            return _STEP * (cell[1] - 1)
        _, level, hard = min(near)
        return hard + _STEP * (cell[1] - level)

    def scores(self, bank: Sequence[Known], asked: Asked) -> Sequence[float]:
        """All within the band alike; of the rest the easiest first."""
        return [self._worth(known.cell) for known in bank]

    def _worth(self, cell: Cell) -> float:
        low, high = self._bounds()
        hard = self._hard(cell)
        return 1e9 if low <= hard <= high else -hard

    def plan(self, attempts: Sequence[Attempt], asked: Asked) -> list[Lesson]:
        """Within the band, too; where no level is, on the easiest."""
        worths = {cell: self._worth(cell) for cell in asked.cells}
        best = max(worths.values(), default=0.0)
        weights = {cell: float(worth == best) for cell, worth in worths.items()}
        return placed(weights, asked) or super().plan(attempts, asked)

    def update(self, outcomes: Sequence[Known], asked: Asked) -> None:
        counts: dict[Cell, list[int]] = {}
        for known in outcomes:
            if known.last:
                right, tried = counts.setdefault(known.cell, [0, 0])
                counts[known.cell] = [right + known.last.right, tried + known.last.decided]
        if not counts:
            return
        self.history = [*self.history, from_cells(counts)][-_MOST_ROUNDS:]
        self._fit()

    def _fit(self) -> None:
        rounds = [to_cells(counts) for counts in self.history]
        cells = sorted({cell for counts in rounds for cell in counts})
        place = {cell: index for index, cell in enumerate(cells)}
        rows = [
            (who, place[cell], *counts) for who, each in enumerate(rounds) for cell, counts in each.items()
        ]
        who, what, right, tried = (list(column) for column in zip(*rows, strict=True))
        abilities, hard = irt.fitted(
            who, what, right, tried, prior=[_STEP * (level - 1) for _, level in cells]
        )
        grown = len(abilities) < 2 or abilities[-1] > abilities[-2] + _SAME
        self.stagnant = 0 if grown else self.stagnant + 1
        self.ability = float(abilities[-1]) + _LIFT * max(0, self.stagnant - _STAGNANT + 1)
        self.difficulty = {cell: float(b) for cell, b in zip(cells, hard, strict=True)}

    def state_dict(self) -> dict[str, Any]:
        return {
            "history": self.history,
            "difficulty": from_cells(self.difficulty),
            "ability": self.ability,
            "stagnant": self.stagnant,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.history, self.difficulty = list(state["history"]), to_cells(state["difficulty"])
        self.ability, self.stagnant = float(state["ability"]), int(state["stagnant"])

    def metrics(self) -> dict[str, float]:
        return {"ability": self.ability}
