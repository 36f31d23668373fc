"""The Verifier: says of every rollout whether it is right."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Question, Rollout, Verdict
from ..tasks.checkers.finding import Finding
from ..tasks.checkers.pool import CheckerPool
from ..tasks.checkers.registry import named

_CUT_OFF = Finding("invalid", None, "cut off before its end")
"""What looks like its answer may be the beginning of a longer one."""


class Verifier:
    """Has each question's own checker decide; cut-off rollouts count as without an answer."""

    def __init__(self) -> None:
        self._pools: dict[str, CheckerPool] = {}

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
            found |= zip(places, self._pool(checker).check(completions), strict=True)
        return [_verdict(rollout, found.get(place, _CUT_OFF)) for place, (_, rollout) in enumerate(items)]

    def _pool(self, checker: str) -> CheckerPool:
        if checker not in self._pools:
            self._pools[checker] = CheckerPool(named(checker))
        return self._pools[checker]

    def close(self) -> None:
        """End the checkers' processes."""
        for pool in self._pools.values():
            pool.close()


def _verdict(rollout: Rollout, finding: Finding) -> Verdict:
    return Verdict(
        rollout_id=rollout.id,
        question_id=rollout.question_id,
        outcome=finding.outcome,
        extracted=finding.extracted,
        reason=finding.reason,
    )
