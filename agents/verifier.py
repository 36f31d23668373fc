"""The Verifier: says of every rollout whether it is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..config import VerifierConfig
from ..prompts import Prompts
from ..records import Opinion, Question, Rollout, Verdict
from ..tasks.checkers.finding import Checks, Finding
from ..tasks.checkers.registry import opened
from .debate import Debate
from .judging import Judging
from .opinions import Examiner, Requests
from .voting import Voting

_CUT_OFF = Finding("invalid", None, "cut off before its end")
"""What looks like its answer may be the beginning of a longer one."""


def examiners_of(config: VerifierConfig, seed: int, prompts: Prompts) -> list[Examiner]:
    """The configured ways of asking the Verifier's model, in their order; none where there is no model.

    Args:
        seed: the run's.
    """
    if not config.is_model:
        return []
    requests = Requests(config, seed, prompts)
    known: dict[str, Callable[[Requests], Examiner]] = {"vote": Voting, "judge": Judging, "debate": Debate}
    return [known[name](requests) for name in config.then]


class Verifier:
    """Has each question's own checker decide; cut-off rollouts count as without an answer.

    Args:
        examiners: ask a model about what no checker decides; see `graph/verify.py`.
    """

    def __init__(self, examiners: Sequence[Examiner] = ()) -> None:
        self.examiners = examiners
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


def weighed(opinion: Opinion, threshold: float) -> Opinion:
    """An opinion that decides nothing where too small a share of the votes is for it."""
    if opinion.outcome == "undecided" or opinion.confidence >= threshold:
        return opinion
    reason = f"{100 * opinion.confidence:.0f} % are too few for {opinion.outcome}: {opinion.reason}"
    return opinion.model_copy(update={"outcome": "undecided", "reason": reason})


def concluded(verdict: Verdict, opinions: Sequence[Opinion]) -> Verdict:
    """A checker's verdict, with what the model said of it where the checker could not decide.

    The first opinion that decides counts; where none does, it stays undecided, by who was asked last.
    """
    if verdict.outcome != "undecided" or not opinions:
        return verdict
    said = next((opinion for opinion in opinions if opinion.outcome in ("right", "wrong")), opinions[-1])
    before = [verdict.reason, *(f"{o.method}: {o.reason}" for o in opinions[: opinions.index(said)])]
    return verdict.model_copy(
        update={
            "outcome": said.outcome,
            "by": said.method,
            "confidence": said.confidence,
            "reason": "; ".join(part for part in (*before, said.reason) if part),
        }
    )
