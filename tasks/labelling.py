"""Answers that several people gave to one question: which are the same, and whose work to keep."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Question
from .arithmetic import ANSWER_MARK
from .checkers.answers import final_answer
from .checkers.finding import data_of
from .checkers.registry import JUDGE, named
from .columns import SeedRow
from .kinds import SUITED, canonical, kind_of


def suited(question: Question, answer: str) -> str | None:
    """The checker for an answer to a question; None where a program cannot tell."""
    return SUITED[kind_of(SeedRow("", question.text, answer, given=data_of(question)))]


def same(question: Question, one: str, other: str) -> bool:
    """Whether two answers are the same, as far as the question's checker can tell at once.

    What it would have to think about is the same only in its plainest form: a vote that is lost
    costs a label, one that is won wrongly makes a wrong one.
    """
    return compared(question, one, other) is True


def compared(question: Question, one: str, other: str) -> bool | None:
    """Whether two answers are the same; None where no program can tell at once, such as of two
    answers in words, which may say the same."""
    if canonical(one) == canonical(other):
        return True
    spec = suited(question, one)
    if spec is None or question.checker.partition("?")[0] == JUDGE:
        return None
    asked = question.model_copy(update={"answer": one, "checker": spec})
    found = named(spec).quick(asked, f"{ANSWER_MARK} {other}")
    if found is None or found.outcome not in ("right", "wrong"):
        return None
    in_words = spec == "exact" and question.checker.partition("?")[0] != spec
    return True if found.outcome == "right" else None if in_words else False


def grouped(question: Question, answers: Sequence[str | None]) -> list[str | None]:
    """Each answer as the first that is the same; None stays None."""
    found: list[str] = []
    groups: list[str | None] = []
    for answer in answers:
        known = None if answer is None else next((f for f in found if same(question, f, answer)), answer)
        if known is not None and known not in found:
            found.append(known)
        groups.append(known)
    return groups


def with_answer(question: Question, solution: str) -> str | None:
    """A worked solution that ends in the question's marked answer; None where it comes to another."""
    before, mark, _ = solution.rpartition(ANSWER_MARK)
    said = final_answer(solution) if mark or "boxed" in solution else None
    if said is not None and not same(question, question.answer, said):
        return None
    work = before.strip() if mark else solution.strip()
    return f"{work} {ANSWER_MARK} {question.answer}".strip()
