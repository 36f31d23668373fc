"""Socratic-Zero's curriculum: harder from what is mastered, again from what is failed.

Zones (mastered, learning, too hard) are those of the last attempt. A question that
nothing solved is set aside: its pairs come from the Teacher's reference, and no new
question is made from it.

Source: Socratic-Zero, arXiv 2509.24726, eq. 1-2 and appendix C. Differs: not one new
question for every failure, but as many as a round wants, on the skills and levels with
the lowest pass rates that these moves can reach; a harder question may climb several
levels; what is being learned gives harder questions, too; and a share of each round
repeats what is mastered, because training on failures alone forgets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from ..records import Attempt
from .policy import Cell, Known, Lesson

_FLOOR = 0.15
"""Least weight of a skill and level, so that none is ever left out for good."""


class Socratic:
    """
    Args:
        mastered: share of a round's questions that repeats what is mastered.
        leap: levels that a harder question may lie above a mastered one.
        top: highest level there is.
    """

    def __init__(self, mastered: float, leap: int, top: int) -> None:
        self.mastered, self.leap, self.top = mastered, leap, top

    def choose(self, bank: Sequence[Known], count: int, rng: Random) -> list[str]:
        """New questions and a share of mastered ones; what is left goes to failed ones.

        In the pocket profile nothing is left after round 2: a failure comes back as the new
        questions made from it, not as itself.
        """
        order = list(bank)
        rng.shuffle(order)
        fresh = [k.question.id for k in order if k.last is None]
        solved = [k.question.id for k in order if k.last and k.last.zone == "mastered"]
        # Learning before too hard, and the longest unseen first.
        failed = sorted(
            (k for k in order if k.last and k.last.zone != "mastered"),
            key=lambda k: (k.last.zone == "too_hard", k.last.round) if k.last else (True, 0),
        )
        repeated = solved[: round(self.mastered * count)]
        chosen = fresh[: count - len(repeated)] + repeated
        return (chosen + [k.question.id for k in failed])[:count]

    def plan(
        self, attempts: Sequence[Attempt], need: Mapping[Cell, float], count: int, rng: Random
    ) -> list[Lesson]:
        """Draw what to teach by pass rate, then one of the questions that lead there.

        What was never attempted counts as failed: the moves reach it from what was solved,
        and the Teacher's reference shows the way where no rollout does.
        """
        ways: dict[Cell, list[Lesson]] = {}
        for attempt in [a for a in attempts if a.zone != "too_hard"] or attempts:
            for lesson in self._lessons(attempt):
                level = attempt.level + (lesson.levels if lesson.move == "harder" else 0)
                ways.setdefault((attempt.skill, level), []).append(lesson)
        if not ways:
            return []
        cells = sorted(ways)
        weights = [_FLOOR + need.get(cell, 1.0) for cell in cells]
        return [rng.choice(ways[cell]) for cell in rng.choices(cells, weights, k=count)]

    def _lessons(self, attempt: Attempt) -> list[Lesson]:
        """The moves from one question: up from what is mastered, beside and up from the rest."""
        climb = min(self.leap if attempt.zone == "mastered" else 1, self.top - attempt.level)
        lessons = [Lesson("harder", attempt.question_id, levels) for levels in range(1, climb + 1)]
        if attempt.zone != "mastered" or not lessons:
            lessons.append(Lesson("neighbour", attempt.question_id))
        return lessons
