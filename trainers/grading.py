"""Grading what a training samples: the checkers of the Verifier, and rewards of what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..records import Outcome, Question
from ..tasks.checkers.finding import Checks
from ..tasks.checkers.registry import opened
from .rewards import Reward, Sampled

Row = Mapping[str, Any]


def question_of(row: Row) -> Question:
    """The question of a row of prompts."""
    return Question.model_construct(
        id=row["question_id"], text=row["text"], answer=row["answer"], solution=row.get("solution") or "",
        skill="", level=0, origin="seed", checker=row["checker"], data=row.get("data") or "",
        parent_id=None, round=0,
    )  # fmt: skip


class Grader:
    """Has each question's own checker decide; what was cut off has no answer. To be closed."""

    def __init__(self) -> None:
        self._checks: dict[str, Checks] = {}

    def outcomes(
        self, rows: Sequence[Row], completions: Sequence[str], ended: Sequence[bool]
    ) -> list[Outcome]:
        """What each completion came to, in their order."""
        found: list[Outcome] = ["invalid"] * len(rows)
        for checker in dict.fromkeys(row["checker"] for row in rows):
            places = [i for i, row in enumerate(rows) if row["checker"] == checker and ended[i]]
            items = [(question_of(rows[i]), completions[i]) for i in places]
            for place, finding in zip(places, self._opened(checker).check(items), strict=True):
                found[place] = finding.outcome
        return found

    def _opened(self, checker: str) -> Checks:
        if checker not in self._checks:
            self._checks[checker] = opened(checker)
        return self._checks[checker]

    def close(self) -> None:
        for checks in self._checks.values():
            checks.close()


def rewarded(reward: Reward, said: Sequence[Sampled]) -> list[float | None]:
    """A reward of each; none where no checker could decide, whatever else there is to be said for it."""
    return [None if one.outcome == "undecided" else reward(one) for one in said]
