"""The Teacher's moves: of each the template, what that is told, and the level of the new question.

Sources: refine and harder are the Teacher's G(q, y) of Socratic-Zero, arXiv 2509.24726. Differs: the
attempt's mistake is named first, in the same reply. simplify and diversify: CLPO, arXiv 2509.25004.
Differs: they make a new question with an answer of its own; there the question is rewritten in place
and keeps its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..prompts import shortened
from ..records import Move
from .context import failures_text
from .teacher import Assignment, Seen

_LONGEST_QUESTION, LONGEST_ATTEMPT = 8_000, 4_000
"""Characters of a question and of an attempt that the Teacher is shown."""


@dataclass(frozen=True, slots=True)
class Lead:
    """What the Teacher is asked with."""

    template: str
    values: dict[str, str]
    level: int
    """Of the question that is to come."""


def refine(given: Assignment) -> Lead:
    """From a failure: what it gets wrong, and a question that needs exactly that."""
    return Lead("refine", {**_shown(given), **_attempt(given)}, _level(given, 0))


def harder(given: Assignment) -> Lead:
    """From what is mastered: some levels up."""
    levels = {"levels": str(given.levels)}
    return Lead("harder", {**_shown(given), **_attempt(given), **levels}, _level(given, given.levels))


def simplify(given: Assignment) -> Lead:
    """From what is too hard: an easier question on the way to it."""
    return Lead("simplify", {**_shown(given), **_attempt(given)}, _level(given, -given.levels))


def diversify(given: Assignment) -> Lead:
    """From what is being learned: the same skill and difficulty in another situation."""
    return Lead("diversify", _shown(given), _level(given, 0))


MOVES: Mapping[Move, Callable[[Assignment], Lead]] = {
    "refine": refine,
    "harder": harder,
    "simplify": simplify,
    "diversify": diversify,
}


def lead_of(given: Assignment) -> Lead:
    """What a model is asked with for any move: those that only a family has are refined."""
    return MOVES.get(given.move, refine)(given)


def of_failure(seen: Seen) -> dict[str, str]:
    """What hint, subproblems and skills are told."""
    return {
        "question": shortened(seen.question.text, _LONGEST_QUESTION),
        "answer": seen.question.answer,
        "attempt": shortened(seen.completion, LONGEST_ATTEMPT),
    }


def of_text(seen: Seen, name: str) -> dict[str, str]:
    """What inject and correct are told: a text of which all is needed, by the name that it has there."""
    return {
        "question": shortened(seen.question.text, _LONGEST_QUESTION),
        "answer": seen.question.answer,
        name: seen.completion,
    }


def _shown(given: Assignment) -> dict[str, str]:
    assert given.question is not None
    others = [seen for seen in given.similar if seen.question.id != given.question.id]
    return {
        "question": shortened(given.question.text, _LONGEST_QUESTION),
        "answer": given.question.answer,
        "weaknesses": given.weaknesses,
        "failures": failures_text(others),
    }


def _attempt(given: Assignment) -> dict[str, str]:
    return {"attempt": shortened(given.attempt, LONGEST_ATTEMPT)}


def _level(given: Assignment, climb: int) -> int:
    assert given.question is not None
    return max(1, given.question.level + climb)
