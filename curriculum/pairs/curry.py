"""Answers to one question, ranked: the best against the worst first, against the next best last."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Annotated

from pydantic import Field

from ...records import PreferencePair
from .case import Case, Said


@dataclass(frozen=True, slots=True)
class Curry:
    """The best answer against up to `ranks` − 1 worse ones, from the easiest to tell apart to the hardest;
    which of them comes when is in `stage`.

    Source: Curry-DPO, arXiv 2403.07230: of four ranked responses (R1, R4), (R1, R3), (R1, R2), in three
    stages. Differs: a rating is the chance that an answer is right (the verdict's confidence), not
    GPT-4's score. Equally rated ones are ordered by their likelihood where log-probabilities are kept (a
    likely mistake is hard to unlearn), else by the words that they share with the best. No pair has two of
    one rating, nor one for its best that is wrong: there the reference is the best. The objective `dpo`
    trains stage by stage, each from and against what the one before came to, as the paper does.
    """

    ranks: Annotated[int, Field(ge=2, le=64)] = 4

    def pairs(self, case: Case, rng: Random) -> list[PreferencePair]:
        rated = {one: case.sure(one) for one in case.rights} | {
            one: 1 - case.sure(one) for one in case.wrongs
        }
        best = _best(case, rated)
        if best is None:
            return []
        top = rated.get(best, 1.0)
        worse = [one for one, rating in rated.items() if rating < top and one != best]
        worse.sort(key=lambda one: (rated[one], case.likelihood(one) or 0.0, _alike(one.text, best.text)))
        shown = _spread(worse, self.ranks - 1)
        return [case.pair("ranked", best, one, stage=stage) for stage, one in enumerate(shown)]


def _best(case: Case, rated: dict[Said, float]) -> Said | None:
    right = case.rights
    if not right:
        return case.reference
    return max(right, key=lambda one: (rated[one], case.likelihood(one) or 0.0))


def _spread(ranked: list[Said], most: int) -> list[Said]:
    """The first, the last, and others evenly between them."""
    if len(ranked) <= most:
        return ranked
    if most == 1:
        return ranked[:1]
    return [ranked[round(place * (len(ranked) - 1) / (most - 1))] for place in range(most)]


def _alike(one: str, other: str) -> float:
    """The share of their words that two texts have in common."""
    first, second = set(one.split()), set(other.split())
    return len(first & second) / max(1, len(first | second))
