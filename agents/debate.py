"""The Verifier's model against itself: one side argues for right, one for wrong, then judges read it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from ..records import Method, Opinion, Outcome
from ..serving.client import Request
from ..tasks.checkers.answers import without_thinking
from ..tasks.checkers.judge.votes import Vote
from .opinions import Case, Requests, sendable, share_right, votes_of
from .teacher import Ask

Side = Literal["right", "wrong"]
SIDES: tuple[Side, Side] = ("right", "wrong")
_LONGEST_ARGUMENT = 3_000
"""Characters of one turn that the others are shown."""

Turn = Mapping[Side, str]
"""What each side said in it."""


class Debate:
    """Both sides speak in every turn at once, so that none has the last word; judges then read the
    transcript, as many with one side first as with the other. The share of their votes decides.

    Source: arXiv 2501.13124. Differs: over one attempt (right or wrong) in place of two answers; the
    judges are the same model, asked several times, in place of four trained ones; the soft label
    becomes a verdict from a threshold on.
    """

    method: Method = "debate"

    def __init__(self, requests: Requests) -> None:
        self.requests = requests

    async def opinions(self, cases: Sequence[Case], round: int, stage: str, ask: Ask) -> list[Opinion]:
        turns: dict[str, list[Turn]] = {case.rollout.id: [] for case in cases if not case.unfit}
        for _ in range(self.requests.config.turns):
            await self._turn([case for case in cases if case.rollout.id in turns], turns, round, stage, ask)
        ballots = {
            case.rollout.id: self._ballots(case, turns[case.rollout.id], round, stage)
            for case in cases
            if case.rollout.id in turns
        }
        asked = [request for orders in ballots.values() for order in orders for request in order]
        votes = await votes_of(asked, ask)
        return [
            debated(
                case,
                [[votes[r.subject_id] for r in order] for order in ballots[case.rollout.id]],
                self.requests.config.threshold,
            )
            if case.rollout.id in ballots
            else case.opinion(self.method, reason=case.unfit or "a side of the debate said nothing")
            for case in cases
        ]

    async def _turn(
        self, cases: Sequence[Case], turns: dict[str, list[Turn]], round: int, stage: str, ask: Ask
    ) -> None:
        """Add a turn to each debate; one in which a side says nothing is over, and is taken out."""
        requests = {
            (case.rollout.id, side): self._speech(case, side, turns[case.rollout.id], round, stage)
            for case in cases
            for side in SIDES
        }
        calls = await ask(list(requests.values()))
        for case in cases:
            name = case.rollout.id
            subjects = {side: requests[name, side].subject_id for side in SIDES}
            turn = {
                side: sendable(without_thinking(calls[subject].completions[0]).strip()[:_LONGEST_ARGUMENT])
                for side, subject in subjects.items()
                if subject in calls
            }
            if len(turn) == len(SIDES) and all(turn.values()):
                turns[name].append(turn)
            else:
                del turns[name]

    def _speech(self, case: Case, side: Side, turns: Sequence[Turn], round: int, stage: str) -> Request:
        subject = f"{case.rollout.id}.debate.{side}{len(turns)}"
        transcript = _lines(turns, SIDES)
        return self.requests.request(
            "debater", subject, 0, round, stage, **case.values, side=side, transcript=transcript
        )

    def _ballots(self, case: Case, turns: Sequence[Turn], round: int, stage: str) -> list[list[Request]]:
        """The requests of the judges: (orders, votes)."""
        return [
            [
                self.requests.request(
                    "debate_judge",
                    f"{case.rollout.id}.debate.vote.{first}{number}",
                    number,
                    round,
                    stage,
                    **case.values,
                    transcript=_lines(turns, order),
                )
                for number in range(self.requests.config.votes)
            ]
            for first, order in (("right", SIDES), ("wrong", SIDES[::-1]))
        ]


def _lines(turns: Sequence[Turn], order: Sequence[Side]) -> list[tuple[Side, str]]:
    """The transcript, in every turn the sides in an order."""
    return [(side, turn[side]) for turn in turns for side in order]


def debated(case: Case, votes: Sequence[Sequence[Vote]], threshold: float) -> Opinion:
    """The soft label of a debate, and the verdict that it comes to.

    Each order needs more than half of its votes readable, and weighs the same: judges who go by
    the order alone come to one half.

    Args:
        votes: (orders, votes).
    """
    shares = [share_right(order) for order in votes]
    readable = [sum(vote.verdict is not None for vote in order) for order in votes]
    asked = sum(map(len, votes))
    if any(2 * read <= len(order) for read, order in zip(readable, votes, strict=True)):
        return case.opinion("debate", reason=f"{sum(readable)} of {asked} votes readable")
    share = sum(part for part in shares if part is not None) / len(shares)
    # Half of the votes is a tie, whatever the threshold.
    least = max(threshold, math.nextafter(0.5, 1))
    outcome: Outcome = "right" if share >= least else "wrong" if 1 - share >= least else "undecided"
    sure = {"right": share, "wrong": 1 - share}.get(outcome, 0.0)
    reasons = (vote.reason for order in votes for vote in order if vote.verdict == outcome and vote.reason)
    why = f": {reason}" if (reason := next(reasons, "")) else ""
    return case.opinion(
        "debate", outcome, f"{100 * share:.0f} % of {sum(readable)} votes for right{why}", share, sure
    )
