"""STAT-Sel: questions that train the skills which the Teacher found missing in failed answers.

Every difficult question has a few skills that its answers lacked; for each such (question, skill) five
questions that need the skill are taken.

Source: STAT, arXiv 2510.10023 (5 of each by its appendix; 3 by its algorithm 1). Differs: difficult is a
pass rate of `hard` and less, in place of a process reward; failed questions are those of the run, not of a
validation set, which here decides about checkpoints; where no Teacher named skills, a question lacks its
own skill at its level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ..policy import Asked, Base, Cell, Known, Skills


@dataclass
class StatSel(Base):
    """
    Options:
        hard: the highest pass rate of a difficult question.
        each: questions taken for each missing skill of each difficult question.
    """

    hard: Annotated[float, Field(ge=0, lt=1)] = 0.5
    each: Annotated[int, Field(ge=1, le=1000)] = 5

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        """Drawn for what is missing; then what was never attempted; then anything."""
        named, order = asked.missing(), list(bank)
        asked.rng.shuffle(order)
        order.sort(key=lambda known: known.last is not None)
        needed: dict[Cell, set[str]] = defaultdict(set)
        for known in order:
            if known.question.id in named:
                needed[known.cell] |= {*named[known.question.id].needed, *named[known.question.id].missing}
        tagged: dict[str, list[str]] = defaultdict(list)
        for known in order:
            for skill in {_own(known.cell), *needed[known.cell]}:
                tagged[skill].append(known.question.id)
        missed = self._missed(order, named)
        asked.rng.shuffle(missed)
        chosen: dict[str, None] = {}
        places = dict.fromkeys(missed, 0)
        for skill in missed:
            begin = places[skill]
            chosen |= dict.fromkeys(tagged[skill][begin : begin + self.each])
            places[skill] = begin + self.each
            if len(chosen) >= asked.count:
                break
        rest = [known.question.id for known in order]
        return list(dict.fromkeys([*chosen, *rest]))[: asked.count]

    def _missed(self, order: Sequence[Known], named: Mapping[str, Skills]) -> list[str]:
        """A skill for each (difficult question of the last round, skill that its answers lacked)."""
        newest = max((known.last.round for known in order if known.last), default=0)
        hard = [k for k in order if k.last and k.last.round == newest and k.last.pass_rate <= self.hard]
        said = [(k, named[k.question.id].missing if k.question.id in named else ()) for k in hard]
        return [skill for known, skills in said for skill in skills or [_own(known.cell)]]


def _own(cell: Cell) -> str:
    return f"{cell[0]}/{cell[1]}"
