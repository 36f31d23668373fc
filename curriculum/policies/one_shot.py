"""1-shot RLVR's choice of data: the questions whose pass rate has varied most in the past.

Source: arXiv 2504.20571: questions ranked by the variance of their accuracy over a run made for it.
Differs: the run's own rounds are the history; a question attempted once or never has that of its skill and
level. The most questions of the newest rounds are remembered, not all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from ..policy import Asked, Known
from ..signals import Rates
from ..state import from_cells, to_cells
from .scored import Scored

_MOST_ROUNDS = 50


def variance(values: Sequence[float]) -> float:
    """Mean squared distance from the mean; 0 of fewer than two."""
    if len(values) < 2:
        return 0.0
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


@dataclass
class OneShot(Scored):
    """
    Options:
        most: questions whose history is remembered.
    """

    most: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    questions: dict[str, list[float]] = field(default_factory=dict, init=False)
    cells: dict[tuple[str, int], list[float]] = field(default_factory=dict, init=False)

    def scores(self, bank: Sequence[Known], asked: Asked) -> Sequence[float]:
        return [self._variance(known) for known in bank]

    def _variance(self, known: Known) -> float:
        own = self.questions.get(known.question.id, [])
        return variance(own) if len(own) > 1 else variance(self.cells.get(known.cell, []))

    def update(self, outcomes: Sequence[Known], asked: Asked) -> None:
        for known in outcomes:
            if known.last:
                past = self.questions.pop(known.question.id, [])
                self.questions[known.question.id] = [*past, known.last.pass_rate][-_MOST_ROUNDS:]
        for old in list(self.questions)[: max(0, len(self.questions) - self.most)]:
            del self.questions[old]
        for cell, rate in Rates(outcomes).cells.items():
            self.cells[cell] = [*self.cells.get(cell, []), rate][-_MOST_ROUNDS:]

    def state_dict(self) -> dict[str, Any]:
        return {"questions": self.questions, "cells": from_cells(self.cells)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.questions = {name: list(past) for name, past in state["questions"].items()}
        self.cells = to_cells(state["cells"])
