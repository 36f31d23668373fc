"""ADCL: easy to hard in batches, each measured again when its turn comes.

The questions are sorted by difficulty once and cut into K batches; before each batch is used, its
questions, and only these, are estimated again with the Solver as it is, and sorted anew.

Source: Learning Like Humans, arXiv 2505.08364. Differs: difficulty is 1 − pass rate as far as it is known,
K the number of rounds; the bank grows, so a round's batch is that part of what is left which has its
quantile, and the easiest of it, measured again, are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from ..policy import Asked, Base, Cell, Known
from ..signals import UNKNOWN, Rates
from ..state import from_cells, to_cells


@dataclass
class ADCL(Base):
    """
    Options:
        wide: size of the batch that is measured again, in rounds' questions.
    """

    wide: Annotated[float, Field(ge=1)] = 2.0
    first: dict[Cell, float] = field(default_factory=dict, init=False)
    """Difficulty of each skill and level when it was first measured: the order that was fixed once."""

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        order = list(bank)
        asked.rng.shuffle(order)
        order.sort(key=lambda known: self.first.get(known.cell, UNKNOWN))
        fresh = [known for known in order if known.last is None]
        fresh += [known for known in order if known.last is not None] if len(fresh) < asked.count else []
        size = min(len(fresh), max(asked.count, round(min(len(fresh), self.wide * asked.count))))
        begin = round(asked.progress * (len(fresh) - size))
        batch, rates = fresh[begin : begin + size], Rates(bank)
        batch.sort(key=lambda known: 1 - rates.of(known))
        return [known.question.id for known in batch[: asked.count]]

    def update(self, outcomes: Sequence[Known], asked: Asked) -> None:
        for cell, rate in Rates(outcomes).cells.items():
            self.first.setdefault(cell, 1 - rate)

    def state_dict(self) -> dict[str, Any]:
        return {"first": from_cells(self.first)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.first = to_cells(state["first"])
