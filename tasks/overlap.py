"""Whether a question is one that is set aside: the same words, or a long run of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from . import arithmetic

LONGEST_RUN = 13
"""Words in a row that two questions share by chance only seldom.

Source: GPT-3, arXiv 2005.14165, appendix C (13-grams). Differs: none.
"""

_WORD = re.compile(r"\w+|[^\w\s]")


def normal(text: str) -> str:
    """A text without what says nothing: case and spaces."""
    return " ".join(text.casefold().split())


def expression(text: str) -> str | None:
    """An arithmetic question's terms in a fixed order; None where a text is no such question."""
    try:
        return arithmetic.unordered(arithmetic.parse_question(text))
    except arithmetic.NotArithmetic:
        return None


def key_of(text: str) -> str:
    """What a text asks: the same for texts that differ only in the order of terms, case and spaces."""
    return expression(text) or normal(text)


class Overlap:
    """Finds questions of a fixed set in other texts."""

    def __init__(self, texts: Collection[str]) -> None:
        self._texts = frozenset(map(normal, texts))
        self._runs = frozenset(run for text in texts for run in _runs(text))

    def find(self, text: str) -> str | None:
        """`same text` or `13 words in a row`; None where there is neither."""
        if not self._texts:
            return None
        if normal(text) in self._texts:
            return "same text"
        if any(run in self._runs for run in _runs(text)):
            return f"{LONGEST_RUN} words in a row"
        return None


def _runs(text: str) -> Iterator[str]:
    words = _WORD.findall(text.casefold())
    for start in range(len(words) - LONGEST_RUN + 1):
        yield " ".join(words[start : start + LONGEST_RUN])
