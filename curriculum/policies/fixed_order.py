"""A fixed order: every question once, by how hard it was meant to be; the classic curriculum and its reverse.

Source: Bengio et al., Curriculum Learning (ICML 2009). Differs: new questions keep coming, so the order is
kept by a level that rises, or falls, with the rounds: round r of R asks the (r−1)/(R−1) quantile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...records import Attempt
from ..policy import Asked, Base, Cell, Known, Lesson
from ..signals import difficulties, scaled_levels
from .arms import placed


@dataclass
class EasyToHard(Base):
    """Easy questions first; what was attempted comes back only when all others are used up."""

    def _due(self, asked: Asked) -> float:
        """How hard this round's questions are to be, in [0, 1]."""
        return asked.progress

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        due, hard = self._due(asked), difficulties(bank, asked.cells)
        rows = [
            (k.last is not None, abs(d - due), asked.rng.random(), k) for k, d in zip(bank, hard, strict=True)
        ]
        rows.sort(key=lambda row: row[:3])
        return [known.question.id for *_, known in rows[: asked.count]]

    def plan(self, attempts: Sequence[Attempt], asked: Asked) -> list[Lesson]:
        levels = scaled_levels(asked.cells)
        due = self._due(next_round(asked))
        near = min((abs(d - due) for d in levels.values()), default=0.0)
        weights: Mapping[Cell, float] = {c: float(abs(levels[c[1]] - due) <= near) for c in asked.cells}
        return placed(weights, asked) or super().plan(attempts, asked)


@dataclass
class HardToEasy(EasyToHard):
    """Hard questions first."""

    def _due(self, asked: Asked) -> float:
        return 1 - asked.progress


def next_round(asked: Asked) -> Asked:
    """The same, a round later: what is planned now is attempted then."""

    return replace(asked, round=asked.round + 1)
