"""Socratic-Zero's curriculum: harder from what is mastered, again from what is failed.

Zones (mastered, learning, too hard) are those of the last attempt. A question that
nothing solved is set aside: its pairs come from the Teacher's reference, and no new
question is made from it, unless the Teacher can make an easier one on the way to it.

Which lessons there are depends on the Teacher's moves. With those of a family: mastered → harder,
learning → neighbour and harder. With those of a model: mastered → harder, learning → refine and
diversify, too hard → simplify (CLPO, arXiv 2509.25004, by our zones).

Source: Socratic-Zero, arXiv 2509.24726, eq. 1-2 and appendix C. Differs: not one new
question for every failure, but as many as a round wants, on the skills and levels with
the lowest pass rates that these moves can reach; a harder question may climb several
levels; with a family, what is being learned gives harder questions, too; and a share of
each round repeats what is mastered, because training on failures alone forgets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ...records import Attempt, Move
from ..policy import Asked, Base, Cell, Known, Lesson
from ..topics import draw

_FLOOR = 0.15
"""Least weight of a skill and level, so that none is ever left out for good."""


_BESIDE: tuple[Move, ...] = ("refine", "diversify")


@dataclass
class Socratic(Base):
    """
    Options:
        mastered: share of a round's questions that repeats what is mastered.
        leap: levels that a harder question may lie above a mastered one.
    """

    mastered: Annotated[float, Field(ge=0, le=1)] = 0.15
    leap: Annotated[int, Field(ge=1)] = 2

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        """New questions and a share of mastered ones; what is left goes to failed ones.

        In the pocket profile nothing is left after round 2: a failure comes back as the new
        questions made from it, not as itself.
        """
        order, count = list(bank), asked.count
        asked.rng.shuffle(order)
        fresh = [k.question.id for k in order if k.last is None]
        solved = [k.question.id for k in order if k.last and k.last.zone == "mastered"]
        # Learning before too hard, and the longest unseen first.
        failed = sorted(
            (k for k in order if k.last and k.last.zone != "mastered"),
            key=lambda k: (k.last.zone == "too_hard", k.last.round) if k.last else (True, 0),
        )
        repeated = solved[: round(self.mastered * count)]
        chosen = fresh[: count - len(repeated)] + repeated
        rest = [k.question.id for k in failed] + solved[len(repeated) :]
        return (chosen + rest)[:count]

    def plan(self, attempts: Sequence[Attempt], asked: Asked) -> list[Lesson]:
        """Draw what to teach by pass rate, then one of the questions that lead there.

        What was never attempted counts as failed: the moves reach it from what was solved,
        and the Teacher's reference shows the way where no rollout does.
        """
        ways: dict[Cell, list[Lesson]] = {}
        for attempt in [a for a in attempts if _leads_on(a, asked)] or attempts:
            for lesson in self._lessons(attempt, asked):
                # An easier question serves the level that it leads to.
                level = attempt.level + (lesson.levels if lesson.move == "harder" else 0)
                ways.setdefault((attempt.skill, level), []).append(lesson)
        if not ways:
            return []
        cells = sorted(ways)
        needs = [asked.need.get(cell, 1.0) for cell in cells]
        weights = [_FLOOR + needed for needed in needs]
        drawn = draw(cells, weights, needs, asked.count, asked.quota, asked.rng)
        return [asked.rng.choice(ways[cell]) for cell in drawn]

    def _lessons(self, attempt: Attempt, asked: Asked) -> list[Lesson]:
        """The moves from one question: up from what is mastered, beside and up from the rest; with a
        Teacher that can do more, beside only, and down from what is too hard."""
        if "simplify" in asked.moves and attempt.zone == "too_hard":
            return [Lesson("simplify", attempt.question_id)]
        beside = [move for move in _BESIDE if move in asked.moves]
        if beside and attempt.zone != "mastered":
            return [Lesson(move, attempt.question_id) for move in beside]
        climb = min(self.leap if attempt.zone == "mastered" else 1, asked.top - attempt.level)
        lessons = [Lesson("harder", attempt.question_id, levels) for levels in range(1, climb + 1)]
        if attempt.zone != "mastered" or not lessons:
            aside: Move = "diversify" if "diversify" in asked.moves else "neighbour"
            lessons.append(Lesson(aside, attempt.question_id))
        return lessons


def _leads_on(attempt: Attempt, asked: Asked) -> bool:
    return attempt.zone != "too_hard" or "simplify" in asked.moves
