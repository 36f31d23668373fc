"""The Teacher: sees a question and an attempt at it, writes the next one with a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from ..memory.profile import Failure
from ..records import Move, Question
from ..tasks import arithmetic, drawing


@dataclass(frozen=True, slots=True)
class Assignment:
    """One question to write."""

    move: Move
    question: Question | None
    """The parent; None for the moves that need none."""
    attempt: str
    """The completion that the Teacher is shown."""
    levels: int = 1
    """Levels that a harder question is to climb."""
    similar: tuple[Failure, ...] = ()
    """Remembered failures on questions like the parent."""


@dataclass(frozen=True, slots=True)
class Design:
    """A new question with its worked reference."""

    text: str
    solution: str
    source: Failure | None = None
    """The remembered failure it was made from, where that was not the assignment's question."""


class Teacher(Protocol):
    """Writes questions; a model or, in the pocket profile, the question family itself."""

    async def design(self, assignments: Sequence[Assignment], rng: Random) -> list[Design | None]:
        """One design for each assignment, None where the Teacher has none to offer."""
        ...


class FamilyTeacher:
    """The arithmetic family as Teacher: it can vary and extend any question it can read."""

    async def design(self, assignments: Sequence[Assignment], rng: Random) -> list[Design | None]:
        return [self._design(assignment, rng) for assignment in assignments]

    def _design(self, assignment: Assignment, rng: Random) -> Design | None:
        parent = assignment.question
        if parent is None:
            return _written(drawing.draw(*rng.choice(arithmetic.CELLS), rng))
        if assignment.move == "harder":
            expr = arithmetic.parse_question(parent.text)
            for _ in range(assignment.levels):
                expr = drawing.harder(expr, rng)
            return _written(expr)
        # A failure seldom stands alone: vary it, or one like it.
        alike = [f for f in assignment.similar if (f.skill, f.level) == (parent.skill, parent.level)]
        source = rng.choice([None, *alike])
        varied = arithmetic.parse_question(source.question if source else parent.text)
        return _written(drawing.neighbour(varied, rng), source)


def _written(expr: arithmetic.Expr, source: Failure | None = None) -> Design:
    return Design(arithmetic.question_text(expr), arithmetic.worked(expr), source)
