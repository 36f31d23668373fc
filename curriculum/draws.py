"""Drawing questions: by weight, from the top, or from shelves by skill and level."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from random import Random

from .policy import Cell, Known


def softmax(values: Sequence[float], temperature: float) -> list[float]:
    """exp(v/τ), scaled to sum to 1."""
    if not values:
        return []
    highest = max(values)
    powers = [math.exp((value - highest) / temperature) for value in values]
    total = sum(powers)
    return [power / total for power in powers]


def drawn(bank: Sequence[Known], weights: Sequence[float], count: int, rng: Random) -> list[str]:
    """Ids of `count` questions by weight, without replacement; those of weight 0 only when all others are.

    Source: Efraimidis and Spirakis (2006): the largest keys u^(1/w).
    """
    keys = [
        (math.log(1 - rng.random()) / weight if weight > 0 else -math.inf, rng.random()) for weight in weights
    ]
    order = sorted(range(len(bank)), key=lambda place: keys[place], reverse=True)
    return [bank[place].question.id for place in order[:count]]


def highest(bank: Sequence[Known], scores: Sequence[float], count: int, rng: Random) -> list[str]:
    """Ids of the `count` questions with the highest scores, ties by chance."""
    ties = [rng.random() for _ in bank]
    order = sorted(range(len(bank)), key=lambda place: (scores[place], ties[place]), reverse=True)
    return [bank[place].question.id for place in order[:count]]


class Shelves:
    """The bank by skill and level: never attempted first, in random order, then the longest unseen."""

    def __init__(self, bank: Sequence[Known], rng: Random) -> None:
        order = list(bank)
        rng.shuffle(order)
        order.sort(key=lambda known: known.last.round if known.last else -1)
        self._left: dict[Cell, deque[str]] = defaultdict(deque)
        for known in order:
            self._left[known.cell].append(known.question.id)

    def draw(self, weights: Mapping[Cell, float], count: int, rng: Random) -> list[str]:
        """Ids: each slot draws a skill and level by weight, and takes from its shelf without replacement.

        What has no weight is taken last, every skill and level alike.
        """
        taken: list[str] = []
        for wanted in (weights, dict.fromkeys(self._left, 1.0)):
            cells = [cell for cell in sorted(self._left) if self._left[cell] and wanted.get(cell, 0) > 0]
            while cells and len(taken) < count:
                (cell,) = rng.choices(cells, [wanted[cell] for cell in cells])
                taken.append(self._left[cell].popleft())
                if not self._left[cell]:
                    cells.remove(cell)
        return taken
