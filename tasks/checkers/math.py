"""The `math` checker: numbers at once and exactly, everything else by math-verify in a worker.

Source: math-verify 0.9. Differs: what is text-for-text the same, and what is one number on
both sides, never reaches it; several boxes side by side are one answer of several parts, in
their order; "10%" is not both 10 and 0.1 beside a reference without the sign.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, ClassVar

from ...records import Question
from .answers import LONGEST_ANSWER, final_answer, plain
from .finding import LONGEST, Finding
from .numbers import read_number, same_quantity

_NAMED = re.compile(r"\s*\\?[A-Za-z](?:_\w|\([a-z]\))?\s*(?:=|\\approx|≈|:)\s*(?P<value>[^=]+)")
_IDLE_SPACE = re.compile(r"(?<!\d)\s+|\s+(?!\d)")
"""Between two digits a space says something: 4 2 is not 42."""

_LONGEST_PRODUCT = 3
"""Letters in a row that are read as variables multiplied; more are a word."""

_WORD = re.compile(r"[^\W\d_]{2,}")


class MathChecker:
    """Compares a completion's final answer with the reference as mathematics."""

    needs: ClassVar = ("math_verify",)

    def quick(self, question: Question, completion: str) -> Finding | None:
        if len(completion) > LONGEST:
            return Finding("invalid", None, f"longer than {LONGEST} characters")
        said = final_answer(completion)
        if said is None:
            return Finding("invalid", None, "no answer: none is boxed, marked with #### or stated")
        if len(said) > LONGEST_ANSWER:
            return Finding("invalid", said[:100], f"an answer of more than {LONGEST_ANSWER} characters")
        if len(question.answer) > LONGEST_ANSWER:
            return Finding("undecided", said, f"a reference of more than {LONGEST_ANSWER} characters")
        same = compare_quickly(question.answer, said)
        if same is None:
            return None
        return _finding(same, said, question.answer)

    def slow(self, question: Question, completion: str) -> Finding:
        said = final_answer(completion) or ""
        try:
            same = compare_by_sympy(question.answer, said)
        except UnreadableReference as error:
            return Finding("undecided", said, str(error))
        except Exception as error:
            # math-verify lets errors of sympy through; an answer must not end a run.
            return Finding("undecided", said, f"math-verify failed: {type(error).__name__}")
        return _finding(same, said, question.answer)


class UnreadableReference(ValueError):
    """math-verify reads nothing in the reference answer."""


def _finding(same: bool, said: str, expected: str) -> Finding:
    return Finding("right", said, "") if same else Finding("wrong", said, f"expected {expected[:100]}")


def compare_quickly(expected: str, said: str) -> bool | None:
    """Whether two answers are the same, where text or numbers settle it; otherwise None."""
    expected, said = _bare(expected), _bare(said)
    if _IDLE_SPACE.sub("", expected) == _IDLE_SPACE.sub("", said):
        return True
    if _WORD.fullmatch(expected) and _WORD.fullmatch(said):
        # Capitals say nothing in a word, but much in a single letter. Short ones may be products.
        if expected.casefold() == said.casefold():
            return True
        return False if max(len(expected), len(said)) > _LONGEST_PRODUCT else None
    wanted, found = read_number(expected), read_number(said)
    if wanted is not None and found is not None:
        return same_quantity(wanted, found)
    return None


def _bare(answer: str) -> str:
    """Plain, and without a name before it: `x = 5` says 5."""
    text = plain(answer)
    match = _NAMED.fullmatch(text)
    return match["value"].strip() if match and read_number(match["value"].strip()) else text


def compare_by_sympy(expected: str, said: str) -> bool:
    """Whether math-verify takes two answers for the same; may take long.

    Raises:
        UnreadableReference: it can read nothing in `expected`.
    """
    from math_verify import verify

    wanted = _parsed(plain(expected))
    if not wanted:
        raise UnreadableReference(f"math-verify cannot read the reference {expected[:60]!r}")
    found = _parsed(plain(said))
    # No alarm of its own: the worker has one for everything.
    return bool(found) and bool(verify(list(wanted), list(found), timeout_seconds=None))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> tuple[Any, ...]:
    """What math-verify reads in an answer; cached, because all rollouts share a reference."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    return tuple(
        parse(
            f"${text}$",
            extraction_config=[LatexExtractionConfig(), ExprExtractionConfig()],
            parsing_timeout=None,
        )
    )
