"""The gate: is a candidate kept?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..records import Question, Verdict

Rule = Literal["no_fall", "no_sure_fall"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Differences are candidate minus incumbent, in accuracy."""

    promoted: bool
    difference: float
    low: float
    high: float


def right_marks(questions: Sequence[Question], verdicts: Sequence[Verdict]) -> list[bool]:
    """Right or not on every question, in the order of the questions; no verdict counts as wrong."""
    right = {verdict.question_id for verdict in verdicts if verdict.outcome == "right"}
    return [question.id in right for question in questions]


def decide(
    before: Sequence[bool],
    after: Sequence[bool],
    *,
    rule: Rule,
    tolerance: float,
    confidence: float,
    resamples: int,
    seed: int,
) -> Decision:
    """Keep the candidate if it is no worse than the incumbent by more than `tolerance`.

    Args:
        rule: what must not lie below −tolerance. `no_fall`: the difference itself, so that
            small falls cannot add up. `no_sure_fall`: the upper end of its paired bootstrap
            interval, so that chance alone refuses few good checkpoints.
        before, after: right or not, on the same validation questions in the same order.
    Raises:
        ValueError: the two have different lengths or are empty.
    """
    low, high = paired_interval(before, after, confidence, resamples, seed)
    difference = (sum(after) - sum(before)) / len(before)
    decides = difference if rule == "no_fall" else high
    return Decision(decides >= -tolerance, difference, low, high)


def paired_interval(
    before: Sequence[bool], after: Sequence[bool], confidence: float, resamples: int, seed: int
) -> tuple[float, float]:
    """Percentile bootstrap interval of mean(after) − mean(before), questions resampled in pairs.

    Source: Efron and Tibshirani 1993, chapter 13. Differs: none.
    """
    if len(before) != len(after) or not before:
        raise ValueError(f"cannot pair {len(before)} with {len(after)} results")
    gained = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)  # (questions,)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(gained), size=(resamples, len(gained)))
    means = gained[rows].mean(axis=1)  # (resamples,)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson score interval of a share, (0, 1) where n is 0.

    Source: Wilson 1927. Differs: none.
    """
    if not 0 <= right <= n:
        raise ValueError(f"{right} right of {n}")
    if n == 0:
        return 0.0, 1.0
    share, z2 = right / n, z * z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5
    # At the ends the formula gives 0 and 1 but for rounding.
    low = 0.0 if right == 0 else max(0.0, centre - half)
    high = 1.0 if right == n else min(1.0, centre + half)
    return low, high
