"""Votes of a judge, and what they come to: no network here.

Source: MT-Bench, arXiv 2306.05685, section 3.4: a judge asked in both orders, and no winner where
the order decides. Differs: right or wrong against a reference in place of the better of two;
several votes in each order.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ....records import Outcome

ORDERS = ("reference first", "completion first")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "verdict": {"type": "string", "enum": ["right", "wrong"]}},
    "required": ["reason", "verdict"],
    "additionalProperties": False,
}
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Vote:
    """What one reply says; without a verdict it does not count, and the reason says why."""

    verdict: Literal["right", "wrong"] | None
    reason: str = ""


def read_vote(reply: str) -> Vote | None:
    """The vote that a reply holds; None where it cannot be read.

    The whole reply must be the object, alone or in one fence: an object somewhere in it may be
    one that the completion wrote and the judge quotes.
    """
    text = reply.rpartition("</think>")[2].strip()
    fenced = _FENCED.fullmatch(text)
    try:
        said = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("verdict") not in ("right", "wrong"):
        return None
    return Vote(said["verdict"], " ".join(str(said.get("reason", "")).split())[:_LONGEST_REASON])


def decide(votes: Sequence[Sequence[Vote]]) -> tuple[Outcome, str]:
    """What the votes of both orders come to, and why.

    Each order needs more than half of its votes readable and a majority among them, and both
    majorities must be the same: a verdict that turns with the order is about the order.

    Args:
        votes: (orders, votes), in the sequence of `ORDERS`.
    """
    said = [[vote.verdict for vote in order if vote.verdict] for order in votes]
    together = [verdict for order in said for verdict in order]
    asked = sum(map(len, votes))
    if any(2 * len(readable) <= len(order) for readable, order in zip(said, votes, strict=True)):
        why = next(vote.reason for order in votes for vote in order if not vote.verdict)
        return "undecided", f"{len(together)} of {asked} votes readable: {why}"
    majorities = [majority(order) for order in said]
    for name, found, readable in zip(ORDERS, majorities, said, strict=True):
        if found is None:
            return "undecided", f"a tie, {len(readable) // 2} to {len(readable) // 2}, {name}"
    if len(set(majorities)) > 1:
        each = ", ".join(f"{found} {name}" for name, found in zip(ORDERS, majorities, strict=True))
        return "undecided", f"the orders disagree: {each}"
    outcome = majorities[0]
    assert outcome is not None
    unread = f" ({asked - len(together)} unreadable)" if len(together) < asked else ""
    reason = next(vote.reason for order in votes for vote in order if vote.verdict == outcome)
    why = f": {reason}" if reason else ""
    return outcome, f"{together.count(outcome)} of {len(together)} votes{unread}, orders agree{why}"


def majority(verdicts: Sequence[Literal["right", "wrong"]]) -> Literal["right", "wrong"] | None:
    """What more than half of them say; None for a tie, or for none at all."""
    for verdict, count in Counter(verdicts).most_common(1):
        return verdict if 2 * count > len(verdicts) else None
    return None


@dataclass(slots=True)
class Agreement:
    """How far a judge agrees with itself, over all completions it was asked about."""

    asked: int = 0
    """Completions about which votes were asked."""
    voted: int = 0
    """Of them, those with a readable vote."""
    with_majority: float = 0.0
    """Sum over them of the share of votes that say what most say."""
    both_orders: int = 0
    """Completions where each order has a majority."""
    orders_agree: int = 0
    """Of them, those where both say the same."""

    def add(self, votes: Sequence[Sequence[Vote]]) -> None:
        """Count the votes about one completion."""
        said = [[vote.verdict for vote in order if vote.verdict] for order in votes]
        together = [verdict for order in said for verdict in order]
        self.asked += 1
        if together:
            self.voted += 1
            self.with_majority += max(Counter(together).values()) / len(together)
        majorities = [majority(order) for order in said]
        if None not in majorities:
            self.both_orders += 1
            self.orders_agree += len(set(majorities)) == 1

    @property
    def share_with_majority(self) -> float | None:
        """Mean share of votes with the majority; ½ is chance. None before any vote."""
        return self.with_majority / self.voted if self.voted else None

    @property
    def share_of_orders(self) -> float | None:
        """Share of completions whose verdict does not turn with the order; None before any."""
        return self.orders_agree / self.both_orders if self.both_orders else None

    def __str__(self) -> str:
        if self.share_with_majority is None:
            return "no readable votes"
        votes = f"{100 * self.share_with_majority:.1f} % of votes with the majority"
        if self.share_of_orders is None:
            return votes
        return f"{votes}, orders agree on {100 * self.share_of_orders:.1f} % of {self.both_orders}"
