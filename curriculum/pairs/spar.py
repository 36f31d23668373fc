"""A wrong attempt, put right with as few changes as can be, against itself."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from ...config import RunConfig
from ...errors import ConfigError
from ...records import PreferencePair
from .case import Asks, Case, Said


@dataclass(frozen=True, slots=True)
class Spar:
    """Up to `pairs.calls` wrong attempts of a round, one of a question, are corrected by the Teacher; the
    checker must call the correction right. The two sides differ only where they must.

    Source: SPaR, arXiv 2412.11605 (refined against original negative). Differs: one correction by the
    Teacher, who knows the answer, in place of a tree search by the model itself; the checker decides in
    place of the model's votes.
    """

    asks: ClassVar[Asks] = "correct"

    def check(self, config: RunConfig) -> None:
        if not config.teacher.is_model:
            raise ConfigError(
                "pairs.builders: spar has a Teacher correct attempts, and a family cannot; set "
                "teacher.endpoint, or leave spar out"
            )

    def wish(self, case: Case, rng: Random) -> Said | None:
        """What the Teacher is to correct."""
        wrong = case.wrongs
        return rng.choice(wrong) if wrong else None

    def pairs(self, case: Case, rng: Random) -> list[PreferencePair]:
        changed = case.changed
        if changed is None or changed.after.strip() in ("", changed.before.text.strip()):
            return []
        return [case.pair("refined", changed.before.ending(changed.after), changed.before)]
