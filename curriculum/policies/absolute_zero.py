"""Absolute Zero's learnability: 1 − p where anything was right, 0 where nothing was.

Source: Absolute Zero, arXiv 2505.03335, the proposer's reward. Differs: there it trains the proposer; here
it chooses questions, drawn in proportion to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ..draws import drawn
from ..policy import Asked, Base, Known
from ..signals import Rates, learnability


@dataclass
class AbsoluteZero(Base):
    """
    Options:
        hopeless: pass rates up to this count as nothing right: an estimate is seldom 0 itself.
    """

    hopeless: Annotated[float, Field(ge=0, lt=1)] = 0.02

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        rates = Rates(bank)
        worth = [learnability(rate if rate > self.hopeless else 0.0) for rate in map(rates.of, bank)]
        return drawn(bank, worth, asked.count, asked.rng)
