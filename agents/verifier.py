"""The Verifier: says of every rollout whether it is right."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Question, Rollout, Verdict
from ..tasks.checkers.finding import Checks, Finding
from ..tasks.checkers.registry import opened

_CUT_OFF = Finding("invalid", None, "cut off before its end")
"""What looks like its answer may be the beginning of a longer one."""


class Verifier:
    """Has each question's own checker decide; cut-off rollouts count as without an answer."""

    def __init__(self) -> None:
        self._checks: dict[str, Checks] = {}

    def judge(self, items: Sequence[tuple[Question, Rollout]]) -> list[Verdict]:
        """A verdict for each rollout, in their order.

        Raises:
            ConfigError: a question names a checker that is not there.
        """
        found: dict[int, Finding] = {}
        for checker in dict.fromkeys(question.checker for question, _ in items):
            places = [
                place
                for place, (question, rollout) in enumerate(items)
                if question.checker == checker and not rollout.truncated
            ]
            completions = [(items[place][0], items[place][1].completion) for place in places]
            found |= zip(places, self._opened(checker).check(completions), strict=True)
        return [_verdict(rollout, found.get(place, _CUT_OFF)) for place, (_, rollout) in enumerate(items)]

    def _opened(self, checker: str) -> Checks:
        if checker not in self._checks:
            self._checks[checker] = opened(checker)
        return self._checks[checker]

    def summaries(self) -> list[str]:
        """What checkers say of their own work so far, such as how far a judge agrees with itself."""
        return [summary for checks in self._checks.values() if (summary := checks.summary())]

    def close(self) -> None:
        """End the checkers' processes and calls."""
        for checks in self._checks.values():
            checks.close()


def _verdict(rollout: Rollout, finding: Finding) -> Verdict:
    return Verdict(
        rollout_id=rollout.id,
        question_id=rollout.question_id,
        outcome=finding.outcome,
        extracted=finding.extracted,
        reason=finding.reason,
    )
