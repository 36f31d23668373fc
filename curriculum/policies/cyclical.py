"""Cyclical curriculum: the size of a round falls and rises, and what is easy comes more often.

The share of the data in a round goes sp → ep → sp …: n ← min(n/α, ep) up, n ← max(n·α, sp) down. Questions
are drawn without replacement by p_i = (1/loss_i) / Σ (1/loss).

Source: Cyclical Curriculum Learning, arXiv 2202.05531 (sp 0.25, ep 1, α 0.5). Differs: loss is −ln of the
pass rate as far as it is known, of the Solver as it is, in place of that of a model trained without a
curriculum; the share is one of the questions of a round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ..draws import drawn
from ..policy import Asked, Base, Known
from ..signals import Rates

_LEAST = 0.01
"""Of a pass rate and of a loss, so that neither is infinitely hard or easy."""


@dataclass
class Cyclical(Base):
    """
    Options:
        least, most: sp and ep.
        pace: α.
    """

    least: Annotated[float, Field(gt=0, le=1)] = 0.25
    most: Annotated[float, Field(gt=0, le=1)] = 1.0
    pace: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def __post_init__(self) -> None:
        if self.least > self.most:
            raise ValueError(f"least {self.least} is more than most {self.most}")

    def share(self, round: int) -> float:
        """Of a round, counted from 1."""
        share, rising = self.least, True
        for _ in range(round - 1):
            share = min(share / self.pace, self.most) if rising else max(share * self.pace, self.least)
            rising = share < self.most if rising else share <= self.least
        return share

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        rates = Rates(bank)
        ease = [1 / max(_LEAST, -math.log(max(_LEAST, rates.of(known)))) for known in bank]
        return drawn(bank, ease, max(1, round(self.share(asked.round) * asked.count)), asked.rng)
