"""How far a reference answer is trusted, from who said what: one pure rule.

Every answer that was given is a candidate. A vote for it speaks for it by what is known of the
voter: one that is right with chance a, and else gives one of K other answers, makes its answer
a·K/(1−a) times as likely. Votes of one model are no independent witnesses, for it makes the same
mistake again: n of them count as n/(1+(n−1)ρ), shared out over what they said. What nobody said
stays possible, too. The confidence is an answer's share of it all.

An author's claim is confirmed or refused, never replaced: where a model contradicts a right claim it
mostly does so with one mind, and putting its mistake in the claim's place made more wrong labels than
it mended (`benchmarks/labels.py --model`). Only where nobody claims anything do the votes elect.

Source: the votes of Dawid and Skene (1979, Applied Statistics 28) with known accuracies in place of
estimated ones; majority labels as in R-Zero, arXiv 2508.05004; ρ is the design effect of
clustered sampling (Kish 1965). Differs: one rule for all of them.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..records import LabelSource

TEACHER, SOLVER, AUTHOR = 0.8, 0.5, 0.5
"""Chance that one answer of the Teacher, the Solver, the Generator about its own question, is right:
chosen, not measured, as are the two below."""

UNANSWERABLE = "none"
"""What a voter says of a question that has no answer, or more than one: a candidate like any other,
which is elected where it leads, and never trained on."""

OTHERS = 10
"""K: wrong answers that are as likely as each other."""

SHARED = 0.5
"""ρ: how much the answers of one model err together."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the answer to one question; answers in canonical form, None unreadable."""

    claimed: str | None = None
    """What its author says."""
    by_teacher: bool = False
    """Whether the author is the Teacher: its claim is then one of the Teacher's answers."""
    executed: str | None = None
    """What a program worked out from the text."""
    teacher: tuple[str | None, ...] = ()
    solver: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """An answer with how it was made and how far it is trusted; None where nobody gave one."""

    answer: str | None
    source: LabelSource
    confidence: float


def label_of(evidence: Evidence) -> Label:
    """The claimed answer, else the one that the evidence speaks for most, and how much does.

    What a program worked out decides alone. Of answers that tie the first in order is elected; without
    a claim it takes at least one answer of the Teacher, for a Solver that labels its own questions
    learns its own mistakes.
    """
    if evidence.executed is not None:
        return Label(evidence.executed, "executed", 1.0)
    teacher = (evidence.claimed, *evidence.teacher) if evidence.by_teacher else evidence.teacher
    author = () if evidence.by_teacher or evidence.claimed is None else (evidence.claimed,)
    support: defaultdict[str, float] = defaultdict(float)
    for votes, right in ((teacher, TEACHER), (evidence.solver, SOLVER), (author, AUTHOR)):
        for answer, weight in _counted(votes).items():
            support[answer] += weight * math.log(right * OTHERS / (1 - right))
    taught = {answer for answer in teacher if answer is not None}
    if not support or not (taught or evidence.claimed):
        return Label(None, "none", 0.0)
    best = evidence.claimed or min(support, key=lambda answer: (-support[answer], answer))
    unsaid = max(1, OTHERS + 1 - len(support))
    every = unsaid + sum(math.exp(value) for value in support.values())
    return Label(best, "teacher" if set(teacher) == {best} else "vote", math.exp(support[best]) / every)


def _counted(votes: Sequence[str | None]) -> dict[str, float]:
    """Effective votes for each answer; one that cannot be read is a vote for nobody."""
    if not votes:
        return {}
    effective = len(votes) / (1 + (len(votes) - 1) * SHARED)
    said = Counter(answer for answer in votes if answer is not None)
    return {answer: effective * count / len(votes) for answer, count in said.items()}
