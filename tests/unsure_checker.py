"""A checker that decides about half of the answers, and leaves the others to a model."""

from __future__ import annotations

from maieutic.records import Question
from maieutic.tasks.checkers.answers import final_answer
from maieutic.tasks.checkers.finding import Finding


def check(question: Question, completion: str) -> Finding:
    said = final_answer(completion)
    if said is None:
        return Finding("invalid", None, "no answer")
    if len(question.text) % 2:
        return Finding("undecided", said, "cannot tell")
    return Finding("right" if said == question.answer else "wrong", said, "compared")


def never(question: Question, completion: str) -> Finding:
    return Finding("undecided", None, "who knows")
