"""How different the questions of a round are from each other.

Source: distinct-n, Li et al., arXiv 1510.03055; the spread is one less the mean cosine of pairs.
Differs: both over at most `MOST` questions drawn by chance, for distinct-n falls as texts grow in
number, whatever they say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..records import Diversity

MOST = 256
COLLAPSED = 0.5
"""Share of the first round's figure below which a round's questions are said to collapse."""

_WORD = re.compile(r"\d+|[^\W\d]+|[^\w\s]")


def distinct(texts: Sequence[str], n: int) -> float:
    """Different n-grams of words, numbers and signs, as a share of all; 0 where there are none."""
    grams = [
        tuple(words[start : start + n])
        for words in (_WORD.findall(text.casefold()) for text in texts)
        for start in range(len(words) - n + 1)
    ]
    return len(set(grams)) / len(grams) if grams else 0.0


def spread(vectors: np.ndarray[Any, np.dtype[np.float32]]) -> float:
    """One less the mean cosine similarity of all pairs.

    Args:
        vectors: (questions, size), each of length 1.
    Returns:
        0 where all are the same, or there are fewer than two; about 1 where they have nothing in
        common; never below 0.
    """
    count = len(vectors)
    if count < 2:
        return 0.0
    # The squared length of the sum is the sum over all pairs, each with itself included.
    total = float(np.square(vectors.astype(np.float64).sum(axis=0)).sum())
    return max(0.0, 1 - (total - count) / (count * (count - 1)))


def collapsed(first: Diversity, now: Diversity) -> str:
    """What fell too far since the first round, in words; empty where nothing did."""
    fell = [
        f"{name} {getattr(now, key):.2f} (at first {getattr(first, key):.2f})"
        for key, name in (("distinct", "distinct pairs of words"), ("spread", "spread"))
        if getattr(now, key) < COLLAPSED * getattr(first, key)
    ]
    return ", ".join(fell)
