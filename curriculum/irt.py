"""Item response theory with one parameter: P(right) = σ(θ − b), an ability and a difficulty on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def chance(ability: float, difficulty: float) -> float:
    """σ(θ − b)."""
    return 1 / (1 + math.exp(min(700.0, difficulty - ability)))


def fitted(
    learner: Sequence[int],
    item: Sequence[int],
    right: Sequence[int],
    tried: Sequence[int],
    *,
    prior: Sequence[float],
) -> tuple[Floats, Floats]:
    """Abilities and difficulties with the highest posterior, by Newton steps on each in turn.

    Args:
        learner, item: (rows,) whose responses to what.
        right, tried: (rows,) counts.
        prior: (items,) where difficulties are expected; both sides have a standard normal around theirs.
    Returns:
        (learners,) abilities and (items,) difficulties.
    """
    who, what = np.asarray(learner, dtype=np.intp), np.asarray(item, dtype=np.intp)
    hits, trials = np.asarray(right, dtype=float), np.asarray(tried, dtype=float)
    expected = np.asarray(prior, dtype=float)
    ability, difficulty = np.zeros(int(who.max(initial=-1)) + 1), expected.copy()
    for _ in range(50):
        before = np.concatenate([ability, difficulty])
        chances = 1 / (1 + np.exp(difficulty[what] - ability[who]))
        slope = np.bincount(who, hits - trials * chances, len(ability)) - ability
        curve = np.bincount(who, trials * chances * (1 - chances), len(ability)) + 1
        ability = ability + np.clip(slope / curve, -1, 1)
        chances = 1 / (1 + np.exp(difficulty[what] - ability[who]))
        slope = np.bincount(what, trials * chances - hits, len(difficulty)) - (difficulty - expected)
        curve = np.bincount(what, trials * chances * (1 - chances), len(difficulty)) + 1
        difficulty = difficulty + np.clip(slope / curve, -1, 1)
        if np.abs(np.concatenate([ability, difficulty]) - before).max(initial=0.0) < 1e-6:
            break
    return ability, difficulty
