"""Right against wrong, a reference where nothing is right, anchors where all is: the default."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ...records import PairKind, PreferencePair
from .case import Case, Said
from .edits import change_digit


@dataclass(frozen=True, slots=True)
class Socratic:
    """Some right, some wrong: right against wrong. None right: the worked reference
    against wrong, where the question has one. All right: a right one against itself with
    one digit changed, which keeps what is mastered in the training data. Truncated, invalid
    and undecided rollouts take no part: they say nothing about the answer. A rollout that called
    tools takes part as the whole conversation. With `training.references: first`, the default, a worked
    reference stands in for the right ones.

    Source: Socratic-Zero, arXiv 2509.24726, section 3 (pairs, reference fall-back).
    Differs: the worked reference in place of right rollouts, but with `training.references: last`;
    invalid rollouts are not among the rejected; the last rule is RISE's error
    injection (2410.06638), with a changed digit in place of a model's edit. Whole conversations as
    the two sides, with the tools' words left out of the loss, are M-DPO's (2409.02392).
    """

    def pairs(self, case: Case, rng: Random) -> list[PreferencePair]:
        right, wrong = case.said("right"), case.said("wrong")
        model = [case.model_answer] if case.model_answer else []
        kind: PairKind
        if right and wrong and not model:
            kind, chosen = "rollouts", right
        elif wrong and case.question.solution:
            kind, chosen = "reference", [Said(case.question.solution)]
        elif right:
            kind, chosen = "anchor", model or right
            slip = change_digit(chosen[0].text, rng)
            wrong = [chosen[0].ending(slip)] if slip is not None else []
        else:
            return []
        couples = [(good, bad) for bad in wrong for good in chosen if good != bad]
        rng.shuffle(couples)
        return [case.pair(kind, good, bad) for good, bad in _spread(couples)[: case.most]]


Couple = tuple[Said, Said]


def _spread(couples: list[Couple]) -> list[Couple]:
    """Couples with an unused rejected text first, so that one mistake does not fill the quota."""
    seen: set[Said] = set()
    first: list[Couple] = []
    rest: list[Couple] = []
    for couple in couples:
        (rest if couple[1] in seen else first).append(couple)
        seen.add(couple[1])
    return first + rest
