"""A short right answer against longer right ones."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Annotated

from pydantic import Field

from ...records import PreferencePair
from .case import Case, Said


@dataclass(frozen=True, slots=True)
class Lengths:
    """The shortest right answer against right ones at least `ratio` times as long, the longest first.

    Source: Kimi k1.5, arXiv 2501.12599, long2short DPO: the shortest right solution against right ones
    1.5 times as long, and against longer wrong ones. Differs: wrong ones only with `wrong: true`, for
    `socratic` has them; length is in characters of the whole conversation.
    """

    ratio: Annotated[float, Field(ge=1, le=100)] = 1.5
    wrong: bool = False

    def pairs(self, case: Case, rng: Random) -> list[PreferencePair]:
        right = case.rights
        if not right:
            return []
        short = min(right, key=length)
        longer = [one for one in right if one != short and length(one) >= self.ratio * length(short)]
        if self.wrong:
            longer += [one for one in case.wrongs if length(one) > length(short)]
        longer = [one for one in longer if length(one) > length(short)]
        longer.sort(key=lambda one: -length(one))
        return [case.pair("shorter", short, one) for one in longer[: case.most]]


def length(said: Said) -> int:
    return len(said.messages or said.text)
