"""The `math` checker: numbers at once and exactly, everything else by math-verify in a worker.

Source: math-verify 0.9. Differs: what is text-for-text the same, and what is one number on
both sides, never reaches it; several boxes side by side are one answer of several parts; words,
relations and units beside a number are not read past; a decimal equals only what it is.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any, ClassVar

from ...records import Question
from .answers import final_answer, plain
from .finding import Finding, stated
from .numbers import read_number, same_quantity
from .restating import restates
from .terms import same_term

_NAMED = re.compile(r"\s*(?P<name>\\?[A-Za-z](?:_\w|\([a-z]\))?)\s*(?:=|\\approx|≈|:)\s*(?P<value>[^=]+)")
_IDLE_SPACE = re.compile(r"(?<![\d,])\s+|\s+(?!\d)")
"""Before a digit a space may say something: 4 2 is not 42, and 1, 234 is not 1,234."""

_WORDS = re.compile(r"[^\W\d_]{2,}(?:[ '-]+[^\W\d_]+)*")
"""Letters and spaces alone: an answer in words, to be compared as such."""

_LONGEST_PRODUCT = 3
"""Letters in a row that may be variables multiplied; more are a word."""

_RELATION = re.compile(r"[<>≤≥≠]|\\(?:leq?|geq?|neq?|lt|gt)\b")
_BESIDE = re.compile(
    r"\\(?:lor|land|vee|wedge|[hv]?phantom|tag|label|color|textcolor|cancel|not|sout|smash|hidewidth)\b"
    r"|\\begin\s*\{(?:cases|aligned|array|gathered)\*?\}"
)
"""What offers several answers at once, or hides one of them; math-verify takes one of what stands there."""

_LATIN = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_FUNCTIONS = frozenset({
    "sin", "cos", "tan", "sec", "csc", "cot", "log", "ln", "exp", "sqrt", "pi", "max", "min", "mod", "gcd",
    "lcm", "and",
})  # fmt: skip
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[a-z*]+\}")


class MathChecker:
    """Compares a completion's final answer with the reference as mathematics."""

    needs: ClassVar = ("math_verify",)

    def quick(self, question: Question, completion: str) -> Finding | None:
        said = stated(question, completion)
        if isinstance(said, Finding):
            return said
        same = compare_quickly(question.answer, said, question.text)
        if same is not False and restates(question.text, said, question.answer):
            return Finding("invalid", said, "restates the question")
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


def compare_quickly(expected: str, said: str, about: str = "") -> bool | None:
    """Whether two answers are the same, where text or numbers settle it; otherwise None.

    Args:
        about: the question, which tells what is counted.
    """
    (name, expected), (other, said) = _bare(expected), _bare(said)
    if _IDLE_SPACE.sub("", expected) == _IDLE_SPACE.sub("", said):
        return name == other or not name or not other
    if (same := same_term(expected, said)) is not None:
        return same
    wanted, found = read_number(expected), read_number(said)
    if wanted is not None and found is not None:
        if name and other and name != other:
            return False
        return same_quantity(wanted, found, about) is True
    if _WORDS.fullmatch(expected) and (_WORDS.fullmatch(said) or len(expected) > _LONGEST_PRODUCT):
        # Capitals say nothing in a word, but much in a single letter.
        return expected.casefold() == said.casefold()
    return False if _says_more(expected, said) else None


def _says_more(expected: str, said: str) -> bool:
    """Whether an answer holds what the reference does not: a relation, words, another box.

    math-verify reads past such things: to it, "3 or more" and "4 = 3" both say 3.
    """
    if any(map(_unseen, said)) or (_BESIDE.search(said) and not _BESIDE.search(expected)):
        return True
    if _RELATION.search(said) and not _RELATION.search(expected) and expected[:1] not in "([":
        return True
    if said.count("=") > expected.count("=") and (read_number(expected) or said.count("=") > 1):
        return True
    words = {word.casefold() for word in _LATIN.findall(_ENVIRONMENT.sub(" ", said))} - _FUNCTIONS
    known = {word.casefold() for word in _LATIN.findall(expected)}
    return any(len(word) > 3 or "or" in words for word in words - known) or "\\boxed" in said


def _unseen(sign: str) -> bool:
    """Whether a character is drawn over another one, or not at all."""
    return unicodedata.category(sign) in ("Mn", "Me", "Cf", "Cc") and sign not in "\n\t\r"


def _bare(answer: str) -> tuple[str, str]:
    """(the name before a number, such as x in `x = 5`; the answer plainly, without it)."""
    text = plain(answer)
    match = _NAMED.fullmatch(text)
    if match and read_number(match["value"].strip()):
        return match["name"], match["value"].strip()
    return "", text


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
    return bool(found) and bool(verify(list(wanted), list(found), float_rounding=12, timeout_seconds=None))


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
