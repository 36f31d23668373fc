"""The Teacher: sees a question and an attempt at it, writes the next one with a reference."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from ..records import Call, Move, Question
from ..serving.client import Request
from ..tasks.families.family import Family


@dataclass(frozen=True, slots=True)
class Seen:
    """A question with a wrong completion that is remembered."""

    question: Question
    rollout_id: str
    completion: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """One question to write."""

    move: Move
    question: Question | None
    """The parent; None for the moves that need none."""
    attempt: str
    """The completion that the Teacher is shown."""
    levels: int = 1
    """Levels that a harder question is to climb, and an easier one to descend."""
    similar: tuple[Seen, ...] = ()
    """Remembered failures on questions like the parent."""
    weaknesses: str = ""
    """What the Solver finds hard now, in words."""
    id: str = ""
    """Of the proposal that this is to become: what a call is recorded under."""
    cell: tuple[str, int] | None = None
    """The skill and level of one that is `placed`."""


@dataclass(frozen=True, slots=True)
class Design:
    """A new question with its worked reference."""

    question: Question
    source: Seen | None = None
    """The remembered failure it was made from, where that was not the assignment's question."""
    why: str = ""
    """What its author says that it is for."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The skills that a question needs, and those that an attempt at it lacked."""

    needed: tuple[str, ...]
    missing: tuple[str, ...]


Ask = Callable[[Sequence[Request]], Awaitable[dict[str, Call]]]
"""Sends requests, each for one completion, and gives the calls by what they are about; one that was
refused or cut off is not among them."""


class Teacher(Protocol):
    """Writes questions and solves them; a model, or the question family itself."""

    @property
    def moves(self) -> frozenset[Move]:
        """What it can be asked to make of a question: policies plan with these."""
        ...

    async def design(
        self, assignments: Sequence[Assignment], round: int, stage: str, rng: Random, ask: Ask
    ) -> list[Design | None]:
        """One design for each assignment, None where the Teacher has none to offer."""
        ...

    async def hint(self, failed: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[str | None]:
        """A hint for each failed question, without its answer."""
        ...

    async def split(self, failed: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[list[Question]]:
        """For each failed question, smaller ones whose answers lead to its own, in that order."""
        ...

    async def missing(
        self, failed: Sequence[Seen], known: Sequence[str], round: int, stage: str, ask: Ask
    ) -> list[Missing | None]:
        """The skills that each attempt lacked.

        Args:
            known: names of skills that are in use.
        """
        ...

    async def solve(
        self, questions: Sequence[Question], times: int, round: int, stage: str, ask: Ask
    ) -> list[list[str]]:
        """So many solutions of each; empty where one was refused or cut off."""
        ...

    async def inject(self, worked: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[str | None]:
        """Each right solution with an error in one of its steps; nobody has checked it yet."""
        ...

    async def correct(self, failed: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[str | None]:
        """Each wrong attempt, put right with as few changes as can be; nobody has checked it yet."""
        ...

    async def audit(
        self, questions: Sequence[Question], round: int, stage: str, ask: Ask
    ) -> list[bool | None]:
        """Whether each reference answer holds when it is checked another way; None where none is."""
        ...


class FamilyTeacher:
    """The family of the questions as Teacher: what it can vary and extend, it teaches."""

    moves: frozenset[Move] = frozenset({"harder", "neighbour", "uniform", "placed"})

    def __init__(self, family: Family) -> None:
        self.family = family

    async def design(
        self, assignments: Sequence[Assignment], round: int, stage: str, rng: Random, ask: Ask
    ) -> list[Design | None]:
        return [self._design(assignment, rng) for assignment in assignments]

    async def hint(self, failed: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[str | None]:
        return [None for _ in failed]

    async def split(self, failed: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[list[Question]]:
        return [[] for _ in failed]

    async def missing(
        self, failed: Sequence[Seen], known: Sequence[str], round: int, stage: str, ask: Ask
    ) -> list[Missing | None]:
        return [None for _ in failed]

    async def solve(
        self, questions: Sequence[Question], times: int, round: int, stage: str, ask: Ask
    ) -> list[list[str]]:
        return [[] for _ in questions]

    async def inject(self, worked: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[str | None]:
        return [None for _ in worked]

    async def correct(self, failed: Sequence[Seen], round: int, stage: str, ask: Ask) -> list[str | None]:
        return [None for _ in failed]

    async def audit(
        self, questions: Sequence[Question], round: int, stage: str, ask: Ask
    ) -> list[bool | None]:
        return [self.family.audit(question) for question in questions]

    def _design(self, assignment: Assignment, rng: Random) -> Design | None:
        parent = assignment.question
        if assignment.cell is not None:
            return _made(self.family.draw_at(assignment.cell, rng))
        if parent is None:
            return _made(self.family.draw(rng))
        if assignment.move == "harder":
            return _made(self.family.harder(parent, assignment.levels, rng))
        # A failure seldom stands alone: vary it, or one like it.
        cell = (parent.skill, parent.level)
        alike = [seen for seen in assignment.similar if (seen.question.skill, seen.question.level) == cell]
        source = rng.choice([None, *alike])
        return _made(self.family.neighbour(source.question if source else parent, rng), source)


def _made(question: Question | None, source: Seen | None = None) -> Design | None:
    return Design(question, source) if question else None
