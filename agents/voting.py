"""The Verifier's model as a voter: it answers the question itself, several times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..curriculum.trust import UNANSWERABLE
from ..records import Method, Opinion, Outcome
from ..serving.client import Request
from ..tasks.checkers.answers import final_answer
from ..tasks.kinds import canonical
from ..tasks.labelling import compared, grouped
from .opinions import Case, Requests
from .teacher import Ask


class Voting:
    """The answer that most of `votes` solutions come to decides, where a program can compare it.

    Asked once for a question, however many rollouts it has; the reference is not looked at.

    Source: self-consistency, arXiv 2203.11171. Differs: the majority grades another model's answer.
    """

    method: Method = "vote"

    def __init__(self, requests: Requests) -> None:
        self.requests = requests

    async def opinions(self, cases: Sequence[Case], round: int, stage: str, ask: Ask) -> list[Opinion]:
        fit = {case.question.id: case.question for case in cases if not case.unfit}
        ballots: dict[str, list[Request]] = {
            question.id: [
                self.requests.request(
                    "solve", f"{question.id}.vote.{number}", number, round, stage, question=question.text
                )
                for number in range(self.requests.config.votes)
            ]
            for question in fit.values()
        }
        calls = await ask([request for part in ballots.values() for request in part])
        answers = {
            name: [
                final_answer(calls[request.subject_id].completions[0])
                if request.subject_id in calls
                else None
                for request in part
            ]
            for name, part in ballots.items()
        }
        return [
            case.opinion(self.method, reason=case.unfit)
            if case.unfit
            else voted(case, answers[case.question.id])
            for case in cases
        ]


def voted(case: Case, answers: Sequence[str | None]) -> Opinion:
    """What answers to its question say of a rollout.

    More than half of them must be readable, and more than half of these the same. Then the rollout
    is right where its answer is that one, wrong where a program can tell that it is another.
    """
    said = final_answer(case.rollout.completion)
    readable = [answer for answer in grouped(case.question, answers) if answer is not None]
    if said is None:
        return case.opinion("vote", reason="states no answer")
    if 2 * len(readable) <= len(answers):
        return case.opinion("vote", reason=f"{len(readable)} of {len(answers)} votes readable")
    counts = Counter(readable)
    told = {answer: compared(case.question, answer, said) for answer in counts}
    alike = sum(count for answer, count in counts.items() if told[answer])
    share = None if None in told.values() else alike / len(readable)
    top, count = counts.most_common(1)[0]
    if 2 * count <= len(readable):
        return case.opinion("vote", reason=f"no answer has most of {len(readable)} votes", share=share)
    if canonical(top) == UNANSWERABLE:
        return case.opinion("vote", reason=f"{count} of {len(readable)} votes: it has no answer")
    if told[top] is None:
        reason = "no program can compare its answer with that of the majority"
        return case.opinion("vote", reason=reason, share=share)
    outcome: Outcome = "right" if told[top] else "wrong"
    reason = f"{count} of {len(readable)} votes for {top[:100]}"
    return case.opinion("vote", outcome, reason, share, count / len(readable))
