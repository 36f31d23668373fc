"""Hints that are none: what gives the answer away is no guidance."""

from __future__ import annotations

import re

from ..records import Question
from ..tasks.arithmetic import ANSWER_MARK
from ..tasks.kinds import canonical

_TERM = re.compile(r"[^\s,;:!?()\[\]{}\"'“”„‘’`*$=\\≈→…€£%#—–]+")
_NUMBER = re.compile(r"(?:(?<!\w)-)?\d+(?:[.,]\d+)*(?:/\d+)?")
_MARKED = (ANSWER_MARK, "\\boxed", "answer is")


def reveals(hint: str, question: Question) -> bool:
    """Whether a hint holds the answer to its question, where the question itself does not.

    Told by words and values: a short answer as one of the hint's terms, whatever its form; a longer one
    as it stands. Not told: an answer that is only described.
    """
    if any(mark in hint.casefold() for mark in _MARKED):
        return True
    answer = canonical(question.answer)
    if not answer:
        return False
    given = _terms(question.text)
    return answer not in given and (answer in _terms(hint) or _holds(hint, question))


def _terms(text: str) -> set[str]:
    """Words and numbers, those that stand within words, too."""
    found = [*(term.rstrip(".") for term in _TERM.findall(text)), *_NUMBER.findall(text)]
    return {canonical(term) for term in found}


def _holds(hint: str, question: Question) -> bool:
    """An answer of several terms, as it stands."""
    answer = " ".join(question.answer.casefold().split())
    if len(answer.split()) < 2:
        return False
    texts = (" ".join(text.casefold().split()) for text in (hint, question.text))
    return [answer in text for text in texts] == [True, False]
