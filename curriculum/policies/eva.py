"""eva: evolve the questions whose rewards lie furthest apart, and train on what came of them.

info(x) = max r − min r over a question's rollouts (or max − mean); a quarter of the questions is drawn by
info as parents of new ones; a round is four fifths evolved questions and one fifth of those it began with.

Source: eva, arXiv 2411.00062 (reward gap, 25 %, 20/80). Differs: rewards are right or wrong, so the gap of
a question is 1 where some rollouts are right and some wrong, and 0 elsewhere; `gap: mean` tells more.
Evolving is the Teacher's moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ...records import Attempt, Move
from ..policy import Asked, Base, Known, Lesson
from ..signals import learnability

_EVOLVING: tuple[Move, ...] = ("harder", "diversify", "neighbour")


def information(rate: float, gap: Literal["worst", "mean"]) -> float:
    """Best reward less the worst, or less the mean, of rollouts that are right or wrong."""
    if gap == "mean":
        return learnability(rate)
    return float(0 < rate < 1)


@dataclass
class Eva(Base):
    """
    Options:
        gap: what the best reward is compared with: `worst` or `mean`.
        parents: share of a round's questions that new ones are made from.
        base: share of a round that is questions it began with.
    """

    gap: Literal["worst", "mean"] = "worst"
    parents: Annotated[float, Field(gt=0, le=1)] = 0.25
    base: Annotated[float, Field(ge=0, le=1)] = 0.2

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        """New questions that somebody evolved, seeds, then whatever there is; each in random order."""
        order = list(bank)
        asked.rng.shuffle(order)
        order.sort(key=lambda known: known.last.round if known.last else -1)
        seeds = [k.question.id for k in order if k.question.origin == "seed"]
        evolved = [k.question.id for k in order if k.question.origin != "seed"]
        kept = seeds[: max(round(self.base * asked.count), asked.count - len(evolved))]
        return (kept + evolved)[: asked.count]

    def plan(self, attempts: Sequence[Attempt], asked: Asked) -> list[Lesson]:
        worth = [(information(a.pass_rate, self.gap), asked.rng.random(), a) for a in attempts]
        informative = [row for row in worth if row[0] > 0] or worth
        if not informative:
            return super().plan(attempts, asked)
        # Drawn by weight without replacement: the largest of u^(1/w).
        ranked = sorted(informative, key=lambda row: row[1] ** (1 / (row[0] or 1)), reverse=True)
        parents = [a for *_, a in ranked[: max(1, round(self.parents * len(attempts)))]]
        moves = [move for move in _EVOLVING if move in asked.moves]
        lessons = []
        for place in range(asked.count):
            parent, move = parents[place % len(parents)], moves[place // len(parents) % len(moves)]
            if move == "harder" and parent.level >= asked.top:
                move = moves[-1]
            lessons.append(Lesson(move, parent.question_id))
        return lessons
