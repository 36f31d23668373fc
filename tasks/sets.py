"""The two fixed sets: validation, which decides, and held-out, which is only reported."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from random import Random

from ..errors import ConfigError
from ..records import Question
from . import arithmetic, drawing
from .seeds import family_question


@dataclass(frozen=True, slots=True)
class FixedSets:
    """Questions stratified over every skill and level, disjoint by text."""

    validation: tuple[Question, ...]
    heldout: tuple[Question, ...]

    def texts(self) -> frozenset[str]:
        """Texts that must never be trained on; for refusing questions, not for deciding."""
        return frozenset(question.text for question in (*self.validation, *self.heldout))


def build_sets(per_cell: int, seed: int, taken: Collection[str]) -> FixedSets:
    """Draw both sets; the same arguments give the same sets on every machine.

    Args:
        taken: texts that may not occur in either, such as the seed questions.
    Raises:
        ConfigError: a skill and level has too few other questions.
    """
    rng = Random(seed)
    used = set(taken)
    validation = [q for cell in arithmetic.CELLS for q in _draw(cell, per_cell, rng, used)]
    heldout = [q for cell in arithmetic.CELLS for q in _draw(cell, per_cell, rng, used)]
    return FixedSets(tuple(validation), tuple(heldout))


def _draw(cell: arithmetic.Cell, count: int, rng: Random, used: set[str]) -> list[Question]:
    questions: list[Question] = []
    for _ in range(200 * count):
        if len(questions) == count:
            return questions
        text = arithmetic.question_text(drawing.draw(*cell, rng))
        if text not in used:
            used.add(text)
            questions.append(family_question(text))
    raise ConfigError(
        f"sets.per_cell: {cell[0]} level {cell[1]} has no {count} questions to set aside twice, beside "
        "those of the seeds; lower it, or leave some seed questions of that level out"
    )
