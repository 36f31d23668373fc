"""Drawing by weight, with a quota for each topic, so that a turn's questions do not converge on one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from .policy import Cell


def draw(
    cells: Sequence[Cell],
    weights: Sequence[float],
    needs: Sequence[float],
    count: int,
    quota: float,
    rng: Random,
) -> list[Cell]:
    """Draw `count` cells by weight, with replacement; their skills are the topics.

    A topic that has its share, at least one, is drawn no more while one that has not is in need. A quota
    of 1 is none, and draws as `Random.choices` does.
    """
    if quota >= 1:
        return rng.choices(cells, weights, k=count)
    most = max(1, int(quota * count))
    drawn: list[Cell] = []
    taken: Counter[str] = Counter()
    while len(drawn) < count:
        under = [taken[skill] < most for skill, _ in cells]
        kept = any(need > 0 for need, open in zip(needs, under, strict=True) if open)
        (cell,) = rng.choices(cells, [w * (open or not kept) for w, open in zip(weights, under, strict=True)])
        drawn.append(cell)
        taken[cell[0]] += 1
    return drawn
