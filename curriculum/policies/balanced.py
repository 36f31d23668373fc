"""Balanced filter: questions whose pass rate lies in a band around ½.

Source: Online Difficulty Filtering, arXiv 2504.03380: the improvement that a question allows is bounded
below by p(1−p), which is greatest at ½. Differs: pass rates are as far as they are known before the round,
not of the rollouts that are trained on; the paper's thresholds were not to be found, and ¼ to ¾ is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ..policy import Asked, Known
from ..signals import Rates
from .scored import Scored


@dataclass
class Balanced(Scored):
    """
    Options:
        low, high: the band; both ends belong to it.
    """

    low: Annotated[float, Field(ge=0, le=1)] = 0.25
    high: Annotated[float, Field(ge=0, le=1)] = 0.75

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is more than high {self.high}")

    def scores(self, bank: Sequence[Known], asked: Asked) -> Sequence[float]:
        """0 within the band; outside, what is missing to it, so that a round is always full."""
        rates = Rates(bank)
        return [-max(0.0, self.low - rate, rate - self.high) for rate in map(rates.of, bank)]
