"""What the policies share that give every question a value of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from ..draws import highest
from ..policy import Asked, Base, Known


@dataclass
class Scored(Base):
    """The questions with the highest scores, ties by chance."""

    @abstractmethod
    def scores(self, bank: Sequence[Known], asked: Asked) -> Sequence[float]:
        """(questions,) what each is worth, in any unit."""

    def select(self, bank: Sequence[Known], asked: Asked) -> list[str]:
        return highest(bank, self.scores(bank, asked), asked.count, asked.rng)
