"""CurES: questions by the deviation of their rewards, and rollouts by that of their gradients.

Drawn by ρ(x) ∝ exp(√(p(1−p)) / τ); n_i = N·σ_i / Σσ, with σ² = p(1−p)²·g₊ + p²(1−p)·g₋ − p²(1−p)²·(√g₊ −
√g₋)², g₊ and g₋ the mean squared gradient norms of right and wrong rollouts. p is the mean of Beta(1 +
right, 1 + wrong).

Source: CurES, arXiv 2510.01037 (4 to 16 rollouts). Differs: gradient norms are options, equal by default,
where σ² is p(1−p): measuring them would cost a backward pass for each rollout before the round. The prior
is centred on the skill and level. Each question has 2 rollouts first, where the released code has 4 at least,
and the rest is shared by σ. τ is 0.1: with that of the released code, 100 and more, all questions are drawn
alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ..draws import drawn
from ..policy import Asked, Base, Known
from ..signals import Rates, deviation


def gradient_deviation(rate: float, right: float, wrong: float) -> float:
    """σ of a question.

    Args:
        right, wrong: mean squared gradient norms g₊ and g₋.
    """
    away = 1 - rate
    apart = (math.sqrt(right) - math.sqrt(wrong)) ** 2
    return math.sqrt(max(0.0, rate * away**2 * right + rate**2 * away * wrong - (rate * away) ** 2 * apart))


@dataclass
class CurES(Base):
    """
    Options:
        temperature: τ.
        least: rollouts that a question has at least; 2 are needed for a group.
        most: rollouts that a question has at most.
        right, wrong: g₊ and g₋.
    """

    temperature: Annotated[float, Field(gt=0)] = 0.1
    least: Annotated[int, Field(ge=1, le=64)] = 2
    most: Annotated[int, Field(ge=1, le=64)] = 16
    right: Annotated[float, Field(ge=0)] = 1.0
    wrong: Annotated[float, Field(ge=0)] = 1.0

    def __post_init__(self) -> None:
        if self.least > self.most:
            raise ValueError(f"least {self.least} is more than most {self.most}")

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        rates = Rates(bank)
        weights = [math.exp((deviation(rates.of(known)) - 0.5) / self.temperature) for known in bank]
        return drawn(bank, weights, asked.count, asked.rng)

    def allocate(self, bank: Sequence[Known], chosen: Sequence[str], asked: Asked) -> dict[str, int]:
        """Whole rollouts within `least` and `most` that are, together, no more than if all had the same."""
        rates, there = Rates(bank), {known.question.id: known for known in bank}
        wide = [gradient_deviation(rates.of(there[name]), self.right, self.wrong) for name in chosen]
        counts = shared_out(wide, asked.rollouts * len(chosen), min(self.least, asked.rollouts), self.most)
        return dict(zip(chosen, counts, strict=True))


def shared_out(weights: Sequence[float], total: int, least: int, most: int) -> list[int]:
    """`total` units by weight, each share whole and within two bounds; what the bounds leave over goes to
    the largest remainders."""
    left = total - least * len(weights)
    if left < 0:
        raise ValueError(f"{total} is less than {least} for each of {len(weights)}")
    whole = sum(weights)
    wanted = [left * (w / whole if whole else 1 / len(weights)) for w in weights]
    counts = [least + min(most - least, int(more)) for more in wanted]
    spare = total - sum(counts)
    order = sorted(range(len(weights)), key=lambda i: (wanted[i] - int(wanted[i]), wanted[i]), reverse=True)
    while spare > 0 and any(count < most for count in counts):
        for place in order:
            if spare and counts[place] < most:
                counts[place] += 1
                spare -= 1
    return counts
