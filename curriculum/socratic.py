"""Socratic-Zero's curriculum: harder from what is mastered, again from what is failed.

Zones (mastered, learning, too hard) are those of the last attempt. A question that
nothing solved is set aside: its pairs come from the Teacher's reference, and no new
question is made from it.

Source: Socratic-Zero, arXiv 2509.24726, eq. 1-2 and appendix C. Differs: parents are
drawn in proportion to what their skill and level are worth now, from the weakness
profile, in place of one new question for every failure; and a share of each round
repeats what is mastered, because training on failures alone forgets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from ..records import Attempt, Move
from .policy import Cell, Known, Lesson

_FLOOR = 0.15
"""Least weight of a parent, so that no skill is ever left out for good."""


class Socratic:
    """
    Args:
        mastered: share of a round's questions that repeats what is mastered.
    """

    def __init__(self, mastered: float) -> None:
        self.mastered = mastered

    def choose(self, bank: Sequence[Known], count: int, rng: Random) -> list[str]:
        """New questions and a share of mastered ones; what is left goes to failed ones."""
        order = list(bank)
        rng.shuffle(order)
        fresh = [k.question.id for k in order if k.last is None]
        solved = [k.question.id for k in order if k.last and k.last.zone == "mastered"]
        # The longest unseen first: what was set aside comes back when the Solver has grown.
        failed = sorted(
            (k for k in order if k.last and k.last.zone != "mastered"),
            key=lambda k: (k.last.zone == "too_hard", k.last.round) if k.last else (True, 0),
        )
        repeated = solved[: round(self.mastered * count)]
        chosen = fresh[: count - len(repeated)] + repeated
        return (chosen + [k.question.id for k in failed])[:count]

    def plan(
        self, attempts: Sequence[Attempt], worth: Mapping[Cell, float], count: int, rng: Random
    ) -> list[Lesson]:
        """Mastered parents give harder questions, learning ones neighbours or harder ones."""
        parents = [a for a in attempts if a.zone != "too_hard"] or list(attempts)
        if not parents:
            return []
        weights = [_FLOOR + worth.get((a.skill, a.level), 0.0) for a in parents]
        drawn = rng.choices(parents, weights, k=count)
        return [Lesson(_move(a, rng), a.question_id) for a in drawn]


def _move(attempt: Attempt, rng: Random) -> Move:
    """A mastered question becomes harder; a failed one is met again, or made harder."""
    if attempt.zone == "mastered" or rng.random() < attempt.pass_rate:
        return "harder"
    return "neighbour"
