"""Right against wrong, the surest right and the least sure wrong first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Annotated

from pydantic import Field

from ...config import RunConfig
from ...errors import ConfigError
from ...records import PreferencePair, Rollout
from .case import Case, Said


@dataclass(frozen=True, slots=True)
class Crew:
    """Of all pairs of a right and a wrong answer, the `most` with the largest difference in confidence:
    the mean probability of the tokens that an answer is written in.

    Source: CRew-DPO, arXiv 2510.13501: the top K by conf(chosen) − conf(rejected), K = 10 (MATH; 15 for
    GSM8K), of 30 samples. Differs: the answer's tokens are found by their texts, as the endpoint sends
    them; where they do not add up to the completion, the mean is over all tokens. No more than are there.
    """

    most: Annotated[int, Field(ge=1, le=1000)] = 10

    def check(self, config: RunConfig) -> None:
        if not config.rollouts.logprobs:
            raise ConfigError(
                "pairs.builders: crew ranks by the probabilities of tokens; set rollouts.logprobs to true"
            )

    def pairs(self, case: Case, rng: Random) -> list[PreferencePair]:
        sure = {one: _of(case, one) for one in [*case.rights, *case.wrongs]}
        couples = [
            (sure[good] - sure[bad], good, bad)  # type: ignore[operator]
            for good in case.rights
            for bad in case.wrongs
            if sure[good] is not None and sure[bad] is not None
        ]
        couples.sort(key=lambda couple: -couple[0])
        return [case.pair("confident", good, bad) for _, good, bad in couples[: self.most]]


def _of(case: Case, said: Said) -> float | None:
    both = case.found(said)
    return confidence(both[0]) if both else None


def confidence(rollout: Rollout) -> float | None:
    """Mean probability of the answer's tokens, or of all where those are not known; None without any."""
    known = rollout.answer_logprobs or rollout.logprobs
    return sum(min(1.0, math.exp(one)) for one in known) / len(known) if known else None
