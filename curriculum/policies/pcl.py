"""Prompt Curriculum Learning: of many candidates, those that a value model puts nearest to a pass rate of ½.

k·m candidates are drawn, and the m with the smallest |V(x) − τ| are kept.

Source: PCL, arXiv 2510.01135 (τ ½, k 4). Differs: V is a ridge regression on question embeddings
(`curriculum/values.py`) in place of a language model; candidates are what the bank holds, where it has
fewer than k·m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ..draws import highest
from ..policy import Asked, Known
from .valued import Valued


@dataclass
class PCL(Valued):
    """
    Options:
        target: τ.
        candidates: k, for each question that is kept.
    """

    target: Annotated[float, Field(ge=0, le=1)] = 0.5
    candidates: Annotated[float, Field(ge=1)] = 4.0

    def scores(self, bank: Sequence[Known], asked: Asked) -> Sequence[float]:
        return [-abs(value - self.target) for value in self.values(bank, asked)]

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        among = asked.rng.sample(list(bank), round(min(len(bank), self.candidates * asked.count)))
        return highest(among, self.scores(among, asked), asked.count, asked.rng)
