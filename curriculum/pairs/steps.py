"""Where rollouts of one question part: the better way on against the worse."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal

from pydantic import Field

from ...records import PreferencePair
from .case import Case, Said

_END = re.compile(r"(?<=\n)|(?<=[.;,!?])(?=[ \t])|(?=####)")
"""Where a step ends: at a line, a sentence or a clause; never within a number."""


@dataclass(frozen=True, slots=True)
class Way:
    """A rollout, as the steps that it takes."""

    steps: list[str]
    right: bool
    said: Said


@dataclass(frozen=True, slots=True)
class Steps:
    """The rollouts of a question as a tree of their steps. At each branching, the child whose rollouts
    are right most often against that where they are least often; the first `most` branchings.

    Source: MCTS-DPO, arXiv 2405.00451: siblings by value; smoothing min(1 − c, ½) with
    c = 1 / (1 + N(worse) / max(1, N(better))), where N counts visits. Differs: the tree is that of the
    round's own rollouts, not of a search, so that its visits follow the Solver's taste alone, and most
    branchings of few rollouts have none; `counts: right` counts right rollouts in place of visits. A pair
    whose smoothing would be ½ says nothing and is left out. Both sides are whole rollouts with their
    shared beginning, for our trainers end every completion: it cancels in DPO's loss, and what follows
    after the step does not. Conversations with tools take no part.
    """

    most: Annotated[int, Field(ge=1, le=1000)] = 3
    counts: Literal["visits", "right"] = "visits"

    def pairs(self, case: Case, rng: Random) -> list[PreferencePair]:
        found: list[PreferencePair] = []
        for children in _branchings(_ways(case)):
            better = max(children, key=lambda child: (_value(child), len(child)))
            worse = min(children, key=lambda child: (_value(child), -len(child)))
            if _value(better) == _value(worse):
                continue
            doubt = smoothing(self._count(better), self._count(worse))
            if doubt < 0.5:
                chosen = rng.choice([way.said for way in better if way.right])
                rejected = rng.choice([way.said for way in worse if not way.right])
                found.append(case.pair("step", chosen, rejected, smoothing=doubt))
        return found[: self.most]

    def _count(self, child: list[Way]) -> int:
        return sum(way.right for way in child) if self.counts == "right" else len(child)


def smoothing(better: int, worse: int) -> float:
    """MCTS-DPO's α from the counts of two siblings: ½ where they are alike, 0 where the worse has none."""
    confidence = 1 / (1 + worse / max(1, better))
    return min(1 - confidence, 0.5)


def split(text: str) -> list[str]:
    """A text as its steps; joined they are the text."""
    return [part for part in _END.split(text) if part]


def _ways(case: Case) -> list[Way]:
    return [
        Way(split(rollout.completion), verdict.outcome == "right", Said(rollout.completion))
        for rollout, verdict in case.judged
        if verdict.outcome in ("right", "wrong") and not rollout.messages and rollout.completion.strip()
    ]


def _branchings(ways: list[Way]) -> Iterator[list[list[Way]]]:
    """The children at every place where rollouts part, the earliest first."""
    waiting = deque([(0, ways)])
    while waiting:
        depth, together = waiting.popleft()
        children: dict[str, list[Way]] = {}
        for way in together:
            children.setdefault(way.steps[depth] if depth < len(way.steps) else "", []).append(way)
        if len(children) > 1:
            yield list(children.values())
        waiting += [(depth + 1, child) for step, child in children.items() if step and len(child) > 1]


def _value(child: list[Way]) -> float:
    return sum(way.right for way in child) / len(child)
