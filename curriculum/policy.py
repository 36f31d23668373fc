"""What decides the next questions: the protocol that every curriculum policy follows.

A policy is a dataclass: its fields are its options. It knows nothing of models, files or the graph. What it
learns it learns in `update`, once a round, and gives out in `state_dict`, which is kept with the round.
`select`, `allocate` and `plan` change nothing, so that a stage that starts again decides the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..records import Attempt, Move, Question

Cell = tuple[str, int]
"""A skill and a level."""

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts → (texts, size), rows of length 1."""


@dataclass(frozen=True, slots=True)
class Known:
    """A question of the bank as a policy sees it."""

    question: Question
    last: Attempt | None

    @property
    def cell(self) -> Cell:
        return (self.question.skill, self.question.level)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the Teacher is asked for: one move, from one question where the move needs one."""

    move: Move
    question_id: str | None
    levels: int = 1
    """Levels that a harder question is to climb, and an easier one to descend."""
    cell: Cell | None = None
    """Where a question that is `placed` is to lie."""


@dataclass(frozen=True, slots=True)
class Skills:
    """What the Teacher said of a failed attempt."""

    needed: Sequence[str]
    missing: Sequence[str]


def _blind(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.ones((len(texts), 1), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a policy is asked with, beside the questions."""

    count: int
    """Questions to select, or lessons to plan."""
    rng: Random
    round: int = 1
    rounds: int = 1
    rollouts: int = 4
    """Of a question, where the policy does not allocate them."""
    need: Mapping[Cell, float] = field(default_factory=dict)
    """For each skill and level seen so far, how much there is to learn, in [0, 1]."""
    cells: Sequence[Cell] = ()
    """Where the Teacher can place a question; none where it needs one to start from."""
    moves: frozenset[Move] = frozenset({"harder", "neighbour", "uniform"})
    """What the Teacher can be asked for."""
    top: int = 1
    """Highest level that is taught."""
    quota: float = 1.0
    """Largest share of a turn's lessons on one skill while others have need."""
    embed: Embed = _blind
    signal: Mapping[str, float] = field(default_factory=dict)
    """What the policy names in `measures`, by the question's id."""
    missing: Callable[[], Mapping[str, Skills]] = dict
    """Skills that the Teacher named for questions that were attempted, by the question's id."""

    @property
    def progress(self) -> float:
        """Share of the rounds that is over, from 0 in the first to 1 in the last."""
        return min(1.0, (self.round - 1) / max(1, self.rounds - 1))


class Policy(Protocol):
    """Decides which questions are attempted, how often, and what the Teacher is asked for."""

    measures: str
    """What must be measured of a question by a model before `select`: `angles`, or nothing."""

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        """Ids of the questions to attempt in this round: at most `asked.count`, no two alike."""
        ...

    def allocate(self, bank: Sequence[Known], chosen: Sequence[str], asked: Asked) -> dict[str, int]:
        """Rollouts of each question that was chosen, together `asked.rollouts` × their number at most;
        nothing for as many of each."""
        ...

    def plan(self, attempts: Sequence[Attempt], asked: Asked) -> list[Lesson]:
        """Lessons for `asked.count` new questions, from the outcomes of this round."""
        ...

    def update(self, outcomes: Sequence[Known], asked: Asked) -> None:
        """Learn from the questions of a round with how each went; called once, before `plan`."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What was learned, as JSON takes it; of a size that does not grow with the rounds."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave out."""
        ...

    def metrics(self) -> dict[str, float]:
        """Figures for the round's report."""
        ...


@dataclass
class Base(ABC):
    """A policy that learns nothing and asks for new questions of every kind alike: write `select` only."""

    @property
    def measures(self) -> str:
        return ""

    @abstractmethod
    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        """As `Policy.select`."""

    def allocate(self, bank: Sequence[Known], chosen: Sequence[str], asked: Asked) -> dict[str, int]:
        return {}

    def plan(self, attempts: Sequence[Attempt], asked: Asked) -> list[Lesson]:
        return [Lesson("uniform", None)] * asked.count

    def update(self, outcomes: Sequence[Known], asked: Asked) -> None:
        return

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        return

    def metrics(self) -> dict[str, float]:
        return {}
