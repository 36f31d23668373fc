"""Easy to hard by a schedule of probabilities, with every level kept alive.

Of K levels i = 0 … K−1 and S = K(K+1)/2, at time s in [0, 1]:
cosine (default): a = ½(1 + cos πs); p_i = a(K−i)/S + (1−a)(i+1)/S, at least 1/S, scaled to sum to 1.
gaussian: μ = s^m (K−1); q_i ∝ exp(−(i−μ)²/2σ²); p_i = p_min + (1 − K·p_min) q_i, p_min = 1/S.

Source: E2H Reasoner, arXiv 2506.06632 (from its released code; defaults m ½, σ ½). Differs: time is the share
of the rounds that is over; the levels are those of the questions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from ...records import Attempt
from ..policy import Asked, Cell, Lesson
from .arms import Arms


def cosine(levels: int, time: float) -> list[float]:
    """(levels,) probabilities at a time in [0, 1]."""
    total = levels * (levels + 1) / 2
    early = (1 + math.cos(math.pi * time)) / 2
    shares = [(early * (levels - i) + (1 - early) * (i + 1)) / total for i in range(levels)]
    return _scaled([max(share, 1 / total) for share in shares])


def gaussian(levels: int, time: float, power: float, deviation: float) -> list[float]:
    """(levels,) probabilities at a time in [0, 1]."""
    least = 2 / (levels * (levels + 1))
    mean = time**power * (levels - 1)
    bell = _scaled([math.exp(-((i - mean) ** 2) / (2 * deviation**2)) for i in range(levels)])
    return [least + (1 - levels * least) * share for share in bell]


def _scaled(values: Sequence[float]) -> list[float]:
    total = sum(values)
    return [value / total for value in values]


@dataclass
class E2H(Arms):
    """
    Options:
        schedule: `cosine` or `gaussian`.
        power, deviation: of `gaussian`.
    """

    schedule: Literal["cosine", "gaussian"] = "cosine"
    power: Annotated[float, Field(gt=0)] = 0.5
    deviation: Annotated[float, Field(gt=0)] = 0.5

    def weights(self, cells: Sequence[Cell], asked: Asked) -> Mapping[Cell, float]:
        levels = sorted({level for _, level in cells})
        if not levels:
            return {}
        if self.schedule == "cosine":
            shares = cosine(len(levels), asked.progress)
        else:
            shares = gaussian(len(levels), asked.progress, self.power, self.deviation)
        of_level = dict(zip(levels, shares, strict=True))
        width = Counter(level for _, level in cells)
        return {cell: of_level[cell[1]] / width[cell[1]] for cell in cells}

    def plan(self, attempts: Sequence[Attempt], asked: Asked) -> list[Lesson]:
        """For the round in which they are attempted."""
        return super().plan(attempts, replace(asked, round=asked.round + 1))
