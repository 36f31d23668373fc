"""Questions of the user's own as a family: they are what they are, and nothing can be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ...records import Question
from .family import Unreadable


class Rows:
    """A fixed list; new questions come from chaining them (`chain.py`), or from a Teacher."""

    reads = False
    cells: tuple[tuple[str, int], ...] = ()

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = tuple(questions)

    @property
    def top(self) -> int:
        return max((question.level for question in self.questions), default=1)

    def read(self, text: str) -> Question:
        raise Unreadable("nothing here can work out the answer of a new text")

    def draw(self, rng: Random) -> Question | None:
        return None

    def draw_at(self, cell: tuple[str, int], rng: Random) -> Question | None:
        return None

    def harder(self, question: Question, levels: int, rng: Random) -> Question | None:
        return None

    def neighbour(self, question: Question, rng: Random) -> Question | None:
        return None

    def audit(self, question: Question) -> bool | None:
        return None
