"""The Verifier: says of every rollout whether it is right."""

from __future__ import annotations

from ..records import Question, Rollout, Verdict
from ..tasks.checkers.family import check_exact


class Verifier:
    """Compares marked final answers exactly; cut-off rollouts count as without an answer."""

    def judge(self, question: Question, rollout: Rollout) -> Verdict:
        if rollout.truncated:
            # What looks like its answer may be the beginning of a longer one.
            return self._verdict(rollout, "invalid", None, "cut off before its end")
        finding = check_exact(question.answer, rollout.completion)
        return self._verdict(rollout, finding.outcome, finding.extracted, finding.reason)

    @staticmethod
    def _verdict(rollout: Rollout, outcome: str, extracted: str | None, reason: str) -> Verdict:
        return Verdict.model_validate(
            {
                "rollout_id": rollout.id,
                "question_id": rollout.question_id,
                "outcome": outcome,
                "extracted": extracted,
                "reason": reason,
            }
        )
