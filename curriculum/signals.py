"""What is known of how hard questions are, and the quantities that policies make of it.

Published methods spend fresh rollouts, or a reference model, on knowing every question's pass rate. Here
most questions are new: what a question's skill and level did stands in for what it has not done itself.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from .policy import Cell, Known

UNKNOWN = 0.5
"""Pass rate of a skill and level that nobody has attempted."""


def deviation(rate: float) -> float:
    """√(p(1−p)): standard deviation of a right-or-wrong reward."""
    return math.sqrt(max(0.0, rate * (1 - rate)))


def absolute_advantage(rate: float) -> float:
    """Mean of |r − p| / √(p(1−p)) over the rollouts of a question: 2√(p(1−p)), 0 where all are alike.

    Source: SEC, arXiv 2505.14970; DUMP, 2504.09710 (with GRPO's advantage, 2402.03300).
    """
    return 2 * deviation(rate)


def learnability(rate: float) -> float:
    """1 − p where anything was right, else 0.

    Source: Absolute Zero, arXiv 2505.03335.
    """
    return 1 - rate if rate > 0 else 0.0


def uncertainty(rate: float) -> float:
    """1 − 2·|p − ½|: 1 where half are right.

    Source: R-Zero, arXiv 2508.05004 (paper; its code has min(p, 1 − p), half of it).
    """
    return 1 - 2 * abs(rate - 0.5)


class Rates:
    """Estimates of pass rates: a question's own last attempt, drawn towards its skill and level.

    Posterior mean (right + w·c) / (decided + w), with c the mean pass rate of the skill and level in the
    last round that attempted it, and half of the question's own evidence forgotten with every round since.

    Args:
        weight: w, rollouts that the skill and level count for.
    """

    def __init__(self, bank: Iterable[Known], weight: float = 2.0) -> None:
        self._weight = weight
        newest: dict[Cell, int] = {}
        rates: dict[tuple[Cell, int], list[float]] = defaultdict(list)
        for known in bank:
            if known.last:
                newest[known.cell] = max(newest.get(known.cell, 0), known.last.round)
                rates[known.cell, known.last.round].append(known.last.pass_rate)
        self._newest = newest
        self.cells: dict[Cell, float] = {
            cell: sum(rates[cell, round]) / len(rates[cell, round]) for cell, round in newest.items()
        }

    def cell(self, cell: Cell) -> float:
        """Of a skill and level: its own, else that of the nearest level of the skill, else ½."""
        if cell in self.cells:
            return self.cells[cell]
        near = [
            (abs(level - cell[1]), rate) for (skill, level), rate in self.cells.items() if skill == cell[0]
        ]
        return min(near)[1] if near else UNKNOWN

    def of(self, known: Known) -> float:
        """Of a question."""
        around = self.cell(known.cell)
        if known.last is None:
            return around
        age = self._newest[known.cell] - known.last.round
        seen = known.last.decided * 0.5**age
        return (seen * known.last.pass_rate + self._weight * around) / (seen + self._weight)


def scaled_levels(cells: Iterable[Cell]) -> dict[int, float]:
    """Level → difficulty in [0, 1], lowest 0, highest 1, evenly."""
    levels = sorted({level for _, level in cells})
    return {level: place / max(1, len(levels) - 1) for place, level in enumerate(levels)}


def difficulties(bank: Sequence[Known], cells: Iterable[Cell] = ()) -> list[float]:
    """How hard each question was meant to be, in [0, 1]: by its level; where all have one level, by what
    is known of its pass rate.

    Args:
        cells: where questions may lie that are still to come: the scale is that of all levels.
    """
    levels = scaled_levels([*cells, *(known.cell for known in bank)])
    if len(levels) > 1:
        return [levels[known.question.level] for known in bank]
    rates = Rates(bank)
    return [1 - rates.of(known) for known in bank]
