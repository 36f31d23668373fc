"""WebRL: new tasks from failures, kept where a critic finds them neither hopeless nor easy.

Kept if low ≤ V(x) ≤ high.

Source: WebRL, arXiv 2411.02337 (0.05 to 0.75; ten failures as seeds of new tasks). Differs: one value model
(`curriculum/values.py`) in place of two heads of a critic; failures lead to new questions by the Teacher's
moves. Its replay, by the perplexity of past successes, is an option of the replay of pairs, not of this
policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ...records import Attempt, Move
from ..policy import Asked, Known, Lesson
from .valued import Valued

_ASIDE: tuple[Move, ...] = ("diversify", "refine", "neighbour")


@dataclass
class WebRL(Valued):
    """
    Options:
        low, high: the band of values.
    """

    low: Annotated[float, Field(ge=0, le=1)] = 0.05
    high: Annotated[float, Field(ge=0, le=1)] = 0.75

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise ValueError(f"low {self.low} is more than high {self.high}")

    def scores(self, bank: Sequence[Known], asked: Asked) -> Sequence[float]:
        """Within the band, what was never attempted; then the rest of the band; then the nearest to it."""
        missing = [max(0.0, self.low - value, value - self.high) for value in self.values(bank, asked)]
        return [-away - (known.last is not None) * 1e-6 for away, known in zip(missing, bank, strict=True)]

    def plan(self, attempts: Sequence[Attempt], asked: Asked) -> list[Lesson]:
        failed = [attempt for attempt in attempts if attempt.pass_rate < 1]
        moves = [move for move in _ASIDE if move in asked.moves]
        if not failed or not moves:
            return super().plan(attempts, asked)
        return [
            Lesson(asked.rng.choice(moves), asked.rng.choice(failed).question_id) for _ in range(asked.count)
        ]
