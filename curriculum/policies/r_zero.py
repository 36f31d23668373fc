"""R-Zero: questions that the Solver is unsure of, and that do not repeat each other.

r = max(0, (1 − 2·|p − ½|) − λ·|C|/B), C the cluster of the question among B questions, by 1 − BLEU. Only
questions with |p − ½| ≤ δ are asked while there are any.

Source: R-Zero, arXiv 2508.05004 (λ 1, δ ¼, clusters cut at ½; the paper's forms, not those of its code).
Differs: there r trains the Challenger; here it ranks questions. p is the pass rate as far as it is known,
in place of the share of the majority answer, because our labels do not come from the Solver. Clusters are
made within 2,048 questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ..policy import Asked, Known
from ..repetition import cluster_shares
from ..signals import Rates, uncertainty
from .scored import Scored

_TOGETHER = 2048


@dataclass
class RZero(Scored):
    """
    Options:
        penalty: λ.
        band: δ.
        threshold: distance at which clusters are cut.
    """

    penalty: Annotated[float, Field(ge=0)] = 1.0
    band: Annotated[float, Field(ge=0, le=0.5)] = 0.25
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.5

    def scores(self, bank: Sequence[Known], asked: Asked) -> Sequence[float]:
        """Their reward within the band, at least 0; below 0 outside, by how far."""
        rates = Rates(bank)
        rate_of = [rates.of(known) for known in bank]
        inside = [place for place, rate in enumerate(rate_of) if abs(rate - 0.5) <= self.band]
        asked.rng.shuffle(inside)
        scores = [self.band - abs(rate - 0.5) for rate in rate_of]
        for begin in range(0, len(inside), _TOGETHER):
            part = inside[begin : begin + _TOGETHER]
            shares = cluster_shares([bank[place].question.text for place in part], self.threshold)
            for place, share in zip(part, shares, strict=True):
                scores[place] = max(0.0, uncertainty(rate_of[place]) - self.penalty * share)
        return scores
