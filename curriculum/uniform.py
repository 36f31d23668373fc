"""The control: every skill and level alike, whatever the Solver can do.

It spends the same budget as any other policy and looks at no outcome. What a
curriculum gains is what it gains over this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from ..records import Attempt
from .policy import Cell, Known, Lesson


class Uniform:
    """Looks at no outcome and has no settings."""

    def choose(self, bank: Sequence[Known], count: int, rng: Random) -> list[str]:
        """Questions never attempted first, in random order; then any others."""
        fresh = [k.question.id for k in bank if k.last is None]
        rest = [k.question.id for k in bank if k.last is not None]
        rng.shuffle(fresh)
        rng.shuffle(rest)
        return (fresh + rest)[:count]

    def plan(
        self, attempts: Sequence[Attempt], need: Mapping[Cell, float], count: int, rng: Random
    ) -> list[Lesson]:
        """As many lessons, each on a skill and level drawn alike."""
        return [Lesson("uniform", None)] * count
