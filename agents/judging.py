"""The Verifier's model as a judge: it compares an attempt with the reference, in both orders."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Method, Opinion
from ..serving.client import Request
from ..tasks.checkers.judge.votes import ORDERS, Vote, decide
from .opinions import Case, Requests, share_right, votes_of
from .teacher import Ask


class Judging:
    """`votes` votes with the reference first, as many with the attempt first; both majorities must agree.

    Source: J1, arXiv 2505.10320 (a rationale before the verdict, and a verdict that holds in both
    orders); MT-Bench, arXiv 2306.05685, section 3.4. Differs: the judge is asked, not trained; right
    or wrong against a reference in place of the better of two.
    """

    method: Method = "judge"

    def __init__(self, requests: Requests) -> None:
        self.requests = requests

    async def opinions(self, cases: Sequence[Case], round: int, stage: str, ask: Ask) -> list[Opinion]:
        ballots = {case.rollout.id: self._ballots(case, round, stage) for case in cases if not _unfit(case)}
        asked = [request for orders in ballots.values() for order in orders for request in order]
        votes = await votes_of(asked, ask)
        return [
            judged(case, [[votes[r.subject_id] for r in order] for order in ballots[case.rollout.id]])
            if case.rollout.id in ballots
            else case.opinion(self.method, reason=_unfit(case))
            for case in cases
        ]

    def _ballots(self, case: Case, round: int, stage: str) -> list[list[Request]]:
        """The requests: (orders, votes)."""
        return [
            [
                self.requests.request(
                    "judge",
                    f"{case.rollout.id}.judge.{order}{number}",
                    number,
                    round,
                    stage,
                    **case.values,
                    reference_first=name == ORDERS[0],
                )
                for number in range(self.requests.config.votes)
            ]
            for order, name in enumerate(ORDERS)
        ]


def _unfit(case: Case) -> str:
    values = case.values
    if not values["reference"] and not values["rubric"]:
        return "neither a reference nor a rubric"
    return case.unfit


def judged(case: Case, votes: Sequence[Sequence[Vote]]) -> Opinion:
    """What the votes of both orders come to; see `tasks/checkers/judge/votes.py`.

    Args:
        votes: (orders, votes).
    """
    outcome, reason = decide(votes)
    share = share_right([vote for order in votes for vote in order])
    sure = {"right": share or 0.0, "wrong": 1 - (share or 0.0)}.get(outcome, 0.0)
    return case.opinion("judge", outcome, reason, share, sure)
