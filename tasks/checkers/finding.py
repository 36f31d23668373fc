"""What a checker is, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...records import Outcome, Question

LONGEST = 50_000
"""Characters of a completion that a checker looks at; longer ones have no answer."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a checker made of a completion."""

    outcome: Outcome
    extracted: str | None = None
    reason: str = ""


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
