"""What the policies share that choose a skill and level first, and then any question of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...records import Attempt
from ..draws import Shelves
from ..policy import Asked, Base, Cell, Known, Lesson


@dataclass
class Arms(Base):
    """Every slot of a round draws a skill and level by `weights`, and so does every new question."""

    @abstractmethod
    def weights(self, cells: Sequence[Cell], asked: Asked) -> Mapping[Cell, float]:
        """How often each skill and level is drawn, in any unit."""

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        cells = sorted({known.cell for known in bank})
        return Shelves(bank, asked.rng).draw(self.weights(cells, asked), asked.count, asked.rng)

    def plan(self, attempts: Sequence[Attempt], asked: Asked) -> list[Lesson]:
        return placed(self.weights(asked.cells, asked), asked) or super().plan(attempts, asked)


def placed(weights: Mapping[Cell, float], asked: Asked) -> list[Lesson]:
    """Lessons on skills and levels drawn by weight; none where nothing has any."""
    cells = [cell for cell in asked.cells if weights.get(cell, 0) > 0]
    if not cells:
        return []
    drawn = asked.rng.choices(cells, [weights[cell] for cell in cells], k=asked.count)
    return [Lesson("placed", None, cell=cell) for cell in drawn]
