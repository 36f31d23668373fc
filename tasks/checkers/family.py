"""The `arithmetic` checker of the built-in family: an integer after the answer mark."""

from __future__ import annotations

import re
from typing import ClassVar

from ...records import Question
from ..arithmetic import ANSWER_MARK
from .finding import Finding

_INTEGER = re.compile(r"[+-]?(\d{1,18}|\d{1,3}(,\d{3}){1,5})")


class Family:
    """Stricter than `math`: exactly what the family's worked solutions end with."""

    needs: ClassVar = ()

    def quick(self, question: Question, completion: str) -> Finding | None:
        return self.slow(question, completion)

    def slow(self, question: Question, completion: str) -> Finding:
        try:
            return check_exact(question.answer, completion)
        except ValueError:
            return Finding("undecided", None, f"the reference {question.answer[:60]!r} is no integer")


def marked_integer(completion: str) -> str | None:
    """The integer after the last answer mark in canonical form, or None.

    Thousands separators, a leading plus and leading zeros are dropped. Anything but
    one integer after the mark is no answer: guessing one from the text would reward
    a completion for what it did not say.
    """
    _, mark, tail = completion.rpartition(ANSWER_MARK)
    text = tail.strip().rstrip(".")
    if not mark or not _INTEGER.fullmatch(text) or not text.isascii():
        return None
    return str(int(text.replace(",", "")))


def check_exact(answer: str, completion: str) -> Finding:
    """Compare the marked final answer with the reference, as integers.

    Raises:
        ValueError: the reference itself is no integer.
    """
    expected = str(int(answer))
    found = marked_integer(completion)
    if found is None:
        return Finding("invalid", None, f"no integer after {ANSWER_MARK}")
    if found == expected:
        return Finding("right", found, "")
    return Finding("wrong", found, f"expected {expected}")
