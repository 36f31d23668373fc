"""The fixed sets: validation, which decides, and held-out, which is only reported."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from random import Random

from ..errors import ConfigError
from ..records import Question
from . import arithmetic, drawing
from .families.chain import parts_of
from .overlap import expression, key_of
from .seeds import family_question


@dataclass(frozen=True)
class FixedSets:
    """Questions that are never trained on; none is in two of them, in whatever order of terms."""

    validation: tuple[Question, ...]
    heldout: tuple[Question, ...]
    further: Mapping[str, tuple[Question, ...]] = field(default_factory=dict)
    """Held-out sets beside the first, by name; each is reported by itself."""

    def all(self) -> list[Question]:
        return [*self.validation, *self.heldout, *(q for part in self.further.values() for q in part)]

    def keys(self) -> frozenset[str]:
        """What must never be trained on, as `keys_of`; for refusing questions, not for deciding."""
        return frozenset(key for question in self.all() for key in keys_of(question))

    def expressions(self) -> frozenset[str]:
        """Those of the built-in arithmetic alone, which the pocket model is warmed up on."""
        texts = [text for question in self.all() for text in texts_of(question)]
        return frozenset(key for text in texts if (key := expression(text)) is not None)


def texts_of(question: Question) -> list[str]:
    """What a question asks: of a chain, its parts."""
    return [part["text"] for part in parts_of(question)] or [question.text]


def keys_of(question: Question) -> frozenset[str]:
    """What a question and its near copies have in common; of a chain, what its parts have."""
    return frozenset(key_of(text) for text in texts_of(question))


def build_sets(per_cell: int, seed: int, taken: Collection[str]) -> FixedSets:
    """Draw both sets; the same arguments give the same sets on every machine.

    Args:
        taken: texts of which no near copy may occur in either, such as the seed questions.
    Raises:
        ConfigError: a skill and level has too few other questions.
    """
    rng = Random(seed)
    used = {key for text in taken if (key := expression(text)) is not None}
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
