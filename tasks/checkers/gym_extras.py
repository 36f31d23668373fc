"""What an answer to a question of reasoning-gym must not hold beside the answer.

Some of the library's scorers look for what is right anywhere in a text, and some for what is wrong, so that
"5 or 7" is 5, and anything but "False" is True. Found by giving each scorer what is no answer
(`tests/test_gym_scorers.py`). What is told here makes an answer unreadable, not wrong: its form may be an
accident.
"""

from __future__ import annotations

import re
from collections import Counter

from ...records import Question

_WORD = re.compile(r"[^\W\d_]{2,}")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_DOUBT = frozenset({"or", "not", "no", "nor", "either", "neither", "maybe", "perhaps", "wrong", "unless"})
_ALONE = re.compile(r"[\w.,+-]+")
_ASKED_WITH = 60
"""Characters of a question that no answer repeats."""

_OF_ITS_OWN = {
    "palindrome_generation": re.compile(r"[^\W\d_]+"),
    "sokoban": re.compile(r"[UDLR]+"),
    "word_ladder": re.compile(r"[^\W\d_]+(?:\s*,\s*[^\W\d_]+)+"),
}
"""Families whose questions have many right answers, in words that stand nowhere else, and whose scorers read
an answer as a whole: what such an answer is."""


def beside_the_answer(question: Question, family: str, said: str) -> str:
    """Why an answer that the scorer takes for right is none; empty where it is one."""
    reference = question.answer
    if family in _OF_ITS_OWN and _OF_ITS_OWN[family].fullmatch(said.strip()):
        return ""
    if _spaced(question.text)[:_ASKED_WITH] in _spaced(said):
        return "restates the question"
    if not reference:
        return ""  # what it may say is not known
    words = _words(said)
    if (_DOUBT & words) - _words(reference):
        return "names more than one answer, or denies one"
    if new := sorted(words - _words(reference) - _words(question.text)):
        return f"says more than an answer: {new[0][:40]}"
    if _ALONE.fullmatch(reference) and len(_NUMBER.findall(said)) > len(_NUMBER.findall(reference)):
        return "more than one number"
    if reference in ("True", "False") and said.strip().rstrip(".").casefold() not in ("true", "false"):
        return "neither True nor False"
    return "other numbers than those given" if family == "puzzle24" and _others(question, said) else ""


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _others(question: Question, said: str) -> bool:
    """Whether an expression is made of other numbers than those of its question: the library asks for
    four numbers and 24 alone, so that one expression would do for every question."""
    asked = re.findall(r"\d+", question.answer)  # its own solution uses each once
    return Counter(asked) != Counter(re.findall(r"\d+", said))
