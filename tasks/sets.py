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
    """Questions stratified over every skill and level; none in both, in whatever order of terms."""

    validation: tuple[Question, ...]
    heldout: tuple[Question, ...]

    def keys(self) -> frozenset[str]:
        """What must never be trained on, as `key_of`; for refusing questions, not for deciding."""
        return frozenset(key_of(question.text) for question in (*self.validation, *self.heldout))


def key_of(text: str) -> str:
    """What a question and its near copies, the same terms in another order, have in common."""
    return arithmetic.unordered(arithmetic.parse_question(text))


def build_sets(per_cell: int, seed: int, taken: Collection[str]) -> FixedSets:
    """Draw both sets; the same arguments give the same sets on every machine.

    Args:
        taken: texts of which no near copy may occur in either, such as the seed questions.
    Raises:
        ConfigError: a skill and level has too few other questions.
    """
    rng = Random(seed)
    used = {key_of(text) for text in taken}
    validation = [q for cell in arithmetic.CELLS for q in _draw(cell, per_cell, rng, used)]
    heldout = [q for cell in arithmetic.CELLS for q in _draw(cell, per_cell, rng, used)]
    return FixedSets(tuple(validation), tuple(heldout))


def _draw(cell: arithmetic.Cell, count: int, rng: Random, used: set[str]) -> list[Question]:
    questions: list[Question] = []
    for _ in range(200 * count):
        if len(questions) == count:
            return questions
        expr = drawing.draw(*cell, rng)
        key = arithmetic.unordered(expr)
        if key not in used:
            used.add(key)
            questions.append(family_question(arithmetic.question_text(expr)))
    raise ConfigError(
        f"sets.per_cell: {cell[0]} level {cell[1]} has no {count} questions to set aside twice, beside "
        "those of the seeds; lower it, or leave some seed questions of that level out"
    )
