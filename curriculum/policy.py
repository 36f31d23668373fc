"""What decides the next questions: the protocol that every curriculum policy follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from ..records import Attempt, Move, Question

Cell = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Known:
    """A question of the bank as a policy sees it."""

    question: Question
    last: Attempt | None


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the Teacher is asked for: one move, from one question where the move needs one."""

    move: Move
    question_id: str | None
    levels: int = 1
    """Levels that a harder question is to climb, and an easier one to descend."""


class Policy(Protocol):
    """Decides which questions are attempted, and what the Teacher is asked for."""

    def choose(self, bank: Sequence[Known], count: int, rng: Random) -> list[str]:
        """Ids of the questions to attempt in this round: at most `count`, no two alike."""
        ...

    def plan(
        self, attempts: Sequence[Attempt], need: Mapping[Cell, float], count: int, rng: Random
    ) -> list[Lesson]:
        """Lessons for `count` new questions after a round.

        Args:
            attempts: outcomes of this round.
            need: for each skill and level seen so far, how much there is to learn, in [0, 1].
        """
        ...
