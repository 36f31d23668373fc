"""Statistics of runs that are compared: curves, paired bootstrap over seeds and questions, Holm.

Marks are an array (seeds, questions) of one variant: 1 where a run answered a held-out question right,
or any weighted mean of such. All variants of a comparison were asked the same questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Marks = NDArray[np.float64]

RESAMPLES = 4000


@dataclass(frozen=True, slots=True)
class Draws:
    """Weights of seeds and of questions in each resample; every row sums to 1."""

    seeds: Marks  # (resamples, seeds)
    questions: Marks  # (resamples, questions)

    def means(self, marks: Marks) -> NDArray[np.float64]:
        """The mean of (seeds, questions) in each resample."""
        means: NDArray[np.float64] = np.einsum("rs,rs->r", self.questions @ marks.T, self.seeds)
        return means


def draws(seeds: int, questions: int, resamples: int = RESAMPLES, seed: int = 0) -> Draws:
    """Resample seeds and questions, both with replacement, independently of each other.

    Of n seeds n − 1 are drawn: with the few there are, n would make their part of the variance too
    small by (n − 1)/n. Of one seed nothing can be drawn: what seeds do is not in the interval then.

    Source: Owen 2007, "The pigeonhole bootstrap"; n − 1 of n after Rao and Wu 1988. Differs: none.
    """
    if seeds < 1 or questions < 1:
        raise ValueError(f"nothing to resample: {seeds} seeds, {questions} questions")
    rng = np.random.default_rng(seed)
    few = max(1, seeds - 1)
    by_seed = rng.multinomial(few, [1 / seeds] * seeds, size=resamples) / few
    by_question = rng.multinomial(questions, [1 / questions] * questions, size=resamples) / questions
    return Draws(by_seed if seeds > 1 else np.ones((resamples, 1)), by_question)


def interval(marks: Marks, drawn: Draws, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval of the mean."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn.means(marks), [tail, 1 - tail])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Difference:
    mean: float
    low: float
    high: float
    p: float
    """Two-sided: how often a resample lies on the other side of no difference, twice."""


def difference(ours: Marks, control: Marks, drawn: Draws, confidence: float = 0.95) -> Difference:
    """Mean of ours less that of a control, in pairs: same seed, same question.

    Raises:
        ValueError: they are no pairs.
    """
    if ours.shape != control.shape:
        raise ValueError(f"cannot pair {ours.shape} with {control.shape} marks")
    gained = ours - control
    means = drawn.means(gained)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    # A resample that differs by rounding alone is on neither side.
    below, above = int((means <= 1e-12).sum()), int((means >= -1e-12).sum())
    p = min(1.0, 2 * (1 + min(below, above)) / (len(means) + 1))
    return Difference(float(gained.mean()), float(low), float(high), p)


def holm(ps: Sequence[float]) -> list[float]:
    """p-values corrected for their number: the chance that any of them is small without a difference.

    Formula: sorted ascending, the i-th (from 0) times (m − i), never less than the one before, at most 1.

    Source: Holm 1979. Differs: none.
    """
    adjusted, least = [0.0] * len(ps), 0.0
    for place, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        least = max(least, min(1.0, (len(ps) - place) * ps[index]))
        adjusted[index] = least
    return adjusted


def weights(at: Sequence[float], end: float) -> list[float]:
    """Share of [0, end] for which each step of a curve holds.

    Args:
        at: where each begins; the first at 0, ascending. The last holds to the end.
    """
    if not at or at[0] != 0 or end <= 0 or list(at) != sorted(at):
        raise ValueError(f"no steps from 0 to {end}: {list(at)[:5]}")
    edges = [min(x, end) for x in at] + [end]
    return [(after - before) / end for before, after in pairwise(edges)]


def place_of(at: Sequence[float], x: float) -> int:
    """Which step of a curve holds at x."""
    return max(0, int(np.searchsorted(np.asarray(at, dtype=float), x, side="right")) - 1)


def reached(at: Sequence[float], heights: Sequence[float], level: float) -> float | None:
    """Where a curve of steps first is at a level or above it; None where it never is."""
    return next((x for x, height in zip(at, heights, strict=True) if height >= level - 1e-9), None)


def forgotten(before: Sequence[bool], after: Sequence[bool]) -> tuple[int, int]:
    """How many questions were answered right and no longer are, and how many were answered right."""
    known = [then for was, then in zip(before, after, strict=True) if was]
    return sum(not then for then in known), len(known)
