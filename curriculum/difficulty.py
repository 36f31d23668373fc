"""How hard a question is for the Solver, and what that is worth."""

from __future__ import annotations

import math

from ..records import Zone


def zone_of(pass_rate: float) -> Zone:
    """Socratic-Zero's three zones: all rollouts right, some, none.

    Source: Socratic-Zero, arXiv 2509.24726, appendix C. Differs: none.
    """
    if not 0 <= pass_rate <= 1:
        raise ValueError(f"pass rate {pass_rate} is not within 0 and 1")
    if pass_rate == 1:
        return "mastered"
    return "too_hard" if pass_rate == 0 else "learning"


def utility(pass_rate: float, mean: float = 0.5, deviation: float = 0.2) -> float:
    """What a question is worth as a lesson: exp(−(s−μ)²/2σ²), 1 at s = μ.

    Source: Socratic-Zero, arXiv 2509.24726, section 3 (μ 0.5, σ 0.2). Differs: none.
    """
    if not 0 <= pass_rate <= 1:
        raise ValueError(f"pass rate {pass_rate} is not within 0 and 1")
    return math.exp(-((pass_rate - mean) ** 2) / (2 * deviation**2))


def generator_quota(least: int, most: int, admitted: float, usefulness: float) -> int:
    """Questions to ask of the Generator: more, the more of its last ones were of use.

    Between `least` and `most` by the geometric mean of the two shares: it must be
    readable and useful, and being good at one cannot stand in for the other.

    Args:
        admitted: share of its last proposals that were admitted.
        usefulness: mean utility of those of the round before, which this round's attempts
            measured; 0 where none was.
    """
    return least + round(max(0, most - least) * math.sqrt(admitted * usefulness))
