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
    similar: tuple[Failure, ...] = ()
    """Remembered failures on questions like the parent."""


@dataclass(frozen=True, slots=True)
class Design:
    """A new question with its worked reference."""

    text: str
    solution: str


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
        expr = self._expression(assignment, rng)
        if expr is None:
            return None
        return Design(arithmetic.question_text(expr), arithmetic.worked(expr))

    def _expression(self, assignment: Assignment, rng: Random) -> arithmetic.Expr | None:
        if assignment.question is None:
            return drawing.draw(*rng.choice(arithmetic.CELLS), rng)
        if assignment.move == "harder":
            expr = arithmetic.parse_question(assignment.question.text)
            return drawing.harder(expr, rng)
        # A failure seldom stands alone: vary it, or one of those it resembles.
        texts = [assignment.question.text, *(failure.question for failure in assignment.similar)]
        return drawing.neighbour(arithmetic.parse_question(rng.choice(texts)), rng)
