"""What the Solver's training data is made of: pairs, by which builders, how balanced."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from .section import Section

ASKING = ("rise", "spar")
"""Builders of ours that have a Teacher that is a model write."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | Mapping) else value


Named = str | dict[str, Any]
"""`curry`, or with options `{name: curry, ranks: 3}`."""


class PairsConfig(Section):
    """Preference pairs; how many of a question is `training.pairs_per_question`, where a builder has no
    number of its own, and how many of earlier rounds is `training.replay`."""

    builders: Annotated[list[Named], BeforeValidator(_listed), Field(min_length=1, max_length=16)] = [
        "socratic"
    ]
    """Who makes pairs, in this order: socratic, curry, crew, rise, spar, steps, lengths, `module:Name`."""
    per_question: int = Field(0, ge=0)
    """Pairs of one question at most, of all builders together, the first builders' first; 0 for no end."""
    calls: int = Field(32, ge=0, le=100_000)
    """Of the Teacher in a round, for each builder that has it write; 0 for none."""
    anchors: float = Field(1.0, ge=0, le=1)
    """Largest share of a round's pairs that keep what is mastered."""
    largest_skill: float = Field(1.0, gt=0, le=1)
    """Largest share of a round's pairs on one skill; the rest, by chance, is left out."""
    largest_zone: float = Field(1.0, gt=0, le=1)
    """The same for one zone."""
    weigh: list[Literal["skill", "zone"]] = []
    """What is to count alike as a whole, however many pairs it has: by the pairs' weights."""
    smoothing: bool = False
    """Whether a pair says how likely it is the wrong way round, from the confidence of its question's
    label and of its verdicts."""
    replay_band: list[float] = []
    """Two likelihoods a token: of earlier pairs, those whose chosen side lay between them
    (WebRL: [0.5, 0.95]). Needs `rollouts.logprobs`; without, any earlier pair."""

    @field_validator("builders")
    @classmethod
    def _have_names(cls, value: list[Named]) -> list[Named]:
        names = [_name(one) for one in value]
        for one, name in zip(value, names, strict=True):
            if not isinstance(name, str) or not name:
                raise ValueError(
                    f"pairs.builders: {reprlib.repr(one)[:60]!r} has no name; write {{name: curry, ranks: 3}}"
                )
            if names.count(name) > 1:
                raise ValueError(f"pairs.builders: {name[:60]} is named twice; name it once")
        return value

    @field_validator("replay_band")
    @classmethod
    def _is_a_band(cls, value: list[float]) -> list[float]:
        if value and not (len(value) == 2 and 0 <= value[0] < value[1] <= 1):
            raise ValueError(
                f"pairs.replay_band {value[:4]}: expected two likelihoods between 0 and 1, the smaller one "
                "first, such as [0.5, 0.95]"
            )
        return value

    @property
    def named(self) -> list[tuple[str, dict[str, Any]]]:
        """Each builder's name and options."""
        whole = [{"name": one} if isinstance(one, str) else one for one in self.builders]
        return [(one["name"], {key: one[key] for key in one if key != "name"}) for one in whole]

    @property
    def asking(self) -> int:
        """How many of them have the Teacher write, as far as they are ours."""
        return sum(name in ASKING for name, _ in self.named)


def _name(one: Named) -> Any:
    return one if isinstance(one, str) else one.get("name")
