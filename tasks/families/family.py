"""What a family of questions is: the world that a run is played in."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol

from ...records import Question


class Unreadable(ValueError):
    """A text is no question of this family; the message says why."""


class Unsolvable(Unreadable):
    """It reads well, and has no answer here."""


class Family(Protocol):
    """Draws, varies and reads questions, each with a reference that it vouches for.

    A family that cannot do one of these returns None, or raises Unreadable from `read`: what
    it cannot do is left out of the run, or done by a Teacher that is a model.
    """

    @property
    def top(self) -> int:
        """Highest level of its questions; the lowest is 1."""
        ...

    @property
    def reads(self) -> bool:
        """Whether it can work out the answer of a text that somebody else wrote."""
        ...

    def read(self, text: str) -> Question:
        """The question that a text asks, with the answer worked out.

        Raises:
            Unreadable: it is none of this family.
        """
        ...

    def draw(self, rng: Random) -> Question | None:
        """Any question of the family, every skill and level alike."""
        ...

    @property
    def cells(self) -> Sequence[tuple[str, int]]:
        """Skills and levels that it can draw at; none where it cannot."""
        ...

    def draw_at(self, cell: tuple[str, int], rng: Random) -> Question | None:
        """A question of one skill and level."""
        ...

    def harder(self, question: Question, levels: int, rng: Random) -> Question | None:
        """One that lies so many levels above."""
        ...

    def neighbour(self, question: Question, rng: Random) -> Question | None:
        """Another of the same skill and level."""
        ...

    def audit(self, question: Question) -> bool | None:
        """Whether another way of working it out gives the same answer; None where there is none."""
        ...


def spread(cells: Sequence[tuple[str, int]], rng: Random) -> tuple[str, int]:
    """A cell, every skill alike however many levels it has."""
    skill = rng.choice(sorted({name for name, _ in cells}))
    return rng.choice([cell for cell in cells if cell[0] == skill])
