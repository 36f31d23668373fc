"""What a checker is, and what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from ...records import Outcome, Question
from .answers import LONGEST_ANSWER, final_answer

LONGEST = 50_000
"""Characters of a completion that a checker looks at; longer ones have no answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a checker made of a completion."""

    outcome: Outcome
    extracted: str | None = None
    reason: str = ""


def stated(question: Question, completion: str) -> str | Finding:
    """The answer that a completion states, or why there is nothing to compare."""
    if len(completion) > LONGEST:
        return Finding("invalid", None, f"longer than {LONGEST} characters")
    said = final_answer(completion)
    if said is None:
        return Finding("invalid", None, "no answer: none is boxed, marked with #### or stated")
    if len(said) > LONGEST_ANSWER:
        return Finding("invalid", said[:100], f"an answer of more than {LONGEST_ANSWER} characters")
    if len(question.answer) > LONGEST_ANSWER:
        return Finding("undecided", said, f"a reference of more than {LONGEST_ANSWER} characters")
    return said


def data_of(question: Question) -> dict[str, Any]:
    """What a checker is given beside the reference: choices, a schema, a rubric."""
    if not question.data:
        return {}
    try:
        data = json.loads(question.data)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


class Checker(Protocol):
    """A program that decides whether a completion answers a question.

    The two halves let plain cases be decided at once, and the rest in a worker process
    with a time limit (`pool.py`). Neither raises, whatever the completion is.
    """

    @property
    def needs(self) -> Sequence[str]:
        """Modules that `slow` imports: a worker has them before its time is counted."""

    def quick(self, question: Question, completion: str) -> Finding | None:
        """Decide where that is cheap and always ends; None leaves it to `slow`."""

    def slow(self, question: Question, completion: str) -> Finding:
        """Decide with whatever it takes; runs in a worker, and may be killed there."""


class Checks(Protocol):
    """A checker at work: the pool that a program runs in, or a judge that is asked."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def check(self, items: Sequence[tuple[Question, str]]) -> list[Finding]:
        """A finding for each item, in their order."""

    def summary(self) -> str:
        """What is to be known of all checks so far beside their findings; empty for nothing."""

    def close(self) -> None:
        """End what works for it; safe to call twice."""
