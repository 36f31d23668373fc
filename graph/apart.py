"""What must never be trained on: exact copies, long runs of words, and near copies of a fixed set."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..memory.bank import QuestionBank
from ..records import Question
from ..tasks.overlap import Overlap
from ..tasks.sets import FixedSets, keys_of, texts_of


class KeptApart:
    """
    Args:
        likeness: cosine similarity from which a question counts as a copy.
    """

    def __init__(self, sets: FixedSets, bank: QuestionBank, likeness: float) -> None:
        self._keys = sets.keys()
        self._texts = [text for question in sets.all() for text in texts_of(question)]
        self._bank, self._likeness = bank, likeness

    def holds(self, question: Question) -> bool:
        """Whether a question, or a part of it, is in a fixed set, or is a near copy of one there.

        Texts that a family wrote are compared by what they ask, in whatever order: all of them
        share long runs of words, which for other texts tell a copy.
        """
        if keys_of(question) & self._keys:
            return True
        if question.label in ("family", "executed") or not self._texts:
            return False
        texts = texts_of(question)
        if any(self._overlap.find(text) for text in texts):
            return True
        alike = self._bank.embedded(texts) @ self._vectors.T
        return bool(alike.size) and float(alike.max()) >= self._likeness

    @cached_property
    def _overlap(self) -> Overlap:
        return Overlap(self._texts)

    @cached_property
    def _vectors(self) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return self._bank.embedded(list(dict.fromkeys(self._texts)))
