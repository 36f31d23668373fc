"""What a pair builder is given: one question with all that the Solver said to it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Literal, Protocol, runtime_checkable

from ...records import Outcome, PreferencePair, Question, Rollout, Verdict, Zone, short_id

Judged = Sequence[tuple[Rollout, Verdict]]
Asks = Literal["inject", "correct"]
"""What a builder has the Teacher write: an error into a right solution, or a wrong one put right."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the Solver said: a completion, and the conversation that led to it where there was one."""

    text: str
    messages: str = ""

    @property
    def parts(self) -> list[str]:
        """What tells it from another."""
        return [self.text, self.messages] if self.messages else [self.text]

    @property
    def altered(self) -> bool:
        """Whether some of it had to be put right before it was sent again, and is not the Solver's own."""
        return bool(self.messages) and any(one.get("altered") for one in json.loads(self.messages))

    def ending(self, text: str) -> Said:
        """The same conversation with another answer at its end."""
        if not self.messages:
            return Said(text)
        *before, last = json.loads(self.messages)
        return Said(text, json.dumps([*before, {**last, "content": text}]))


@dataclass(frozen=True, slots=True)
class Changed:
    """What the Teacher made of something that a builder showed it; the checker has agreed."""

    before: Said
    after: str


@dataclass(frozen=True, slots=True)
class Case:
    """A question of the round, its judged rollouts, and the prompt that training shows."""

    question: Question
    """Its solution is empty where it is not to be trained on."""
    judged: Judged
    prompt: str
    most: int = 2
    """Pairs that a builder without a number of its own makes: `training.pairs_per_question`."""
    zone: Zone | None = None
    """Of this round's attempts; None where nobody could judge them."""
    reference_first: bool = False
    """Whether the reference is to be learned even where a rollout is right."""
    changed: Changed | None = None
    """For a builder that asks the Teacher, where it was asked and gave something."""

    @property
    def round(self) -> int:
        return self.judged[0][0].round if self.judged else 0

    def said(self, outcome: Outcome) -> list[Said]:
        """What was judged so, each once; what had to be mended on the way takes no part."""
        said = [Said(r.completion, r.messages) for r, verdict in self.judged if verdict.outcome == outcome]
        return [one for one in dict.fromkeys(said) if not one.altered]

    @property
    def rights(self) -> list[Said]:
        """Without what is blank, and what was judged now so, now otherwise."""
        return self._plainly("right", "wrong")

    @property
    def wrongs(self) -> list[Said]:
        return self._plainly("wrong", "right")

    def _plainly(self, outcome: Outcome, other: Outcome) -> list[Said]:
        otherwise = set(self.said(other))
        return [one for one in self.said(outcome) if one.text.strip() and one not in otherwise]

    @property
    def reference(self) -> Said | None:
        """The worked solution, where there is one to train on."""
        return Said(self.question.solution) if self.question.solution.strip() else None

    @property
    def model_answer(self) -> Said | None:
        """What is to be learned in place of right rollouts, where there is such."""
        return self.reference if self.reference_first else None

    def found(self, said: Said) -> tuple[Rollout, Verdict] | None:
        """The first rollout that said it, and its verdict; None where no rollout did."""
        same = (both for both in self.judged if Said(both[0].completion, both[0].messages) == said)
        return next(same, None)

    def sure(self, said: Said) -> float:
        """How sure its verdict is, given that the label is right; of what nobody judged, entirely."""
        both = self.found(said)
        return both[1].confidence if both else 1.0

    def likelihood(self, said: Said) -> float | None:
        """Of a token, on geometric average; None where no log-probabilities were kept."""
        both = self.found(said)
        if both is None or not both[0].logprobs:
            return None
        return min(1.0, math.exp(sum(both[0].logprobs) / len(both[0].logprobs)))

    def pair(
        self, kind: str, chosen: Said, rejected: Said, smoothing: float = 0.0, stage: int = 0
    ) -> PreferencePair:
        """A pair of this question; two builders that come to the same two sides give it the same id."""
        return PreferencePair(
            id=short_id("pair", self.question.id, self.round, *chosen.parts, *rejected.parts),
            question_id=self.question.id,
            round=self.round,
            kind=kind,
            prompt=self.prompt,
            chosen=chosen.text,
            rejected=rejected.text,
            chosen_messages=chosen.messages,
            rejected_messages=rejected.messages,
            smoothing=smoothing,
            stage=stage,
            likelihood=self.likelihood(chosen),
        )


class Builder(Protocol):
    """Makes pairs of one question. A dataclass: its fields are its options.

    It may also have `check(config)`, which raises a ConfigError where the run lacks what it needs, and
    what `Asking` has.
    """

    def pairs(self, case: Case, rng: Random) -> list[PreferencePair]:
        """The same for the same case and numbers; [] where there is nothing to compare."""
        ...


@runtime_checkable
class Asking(Protocol):
    """A builder that has a Teacher that is a model rework a solution; it comes back as `case.changed`."""

    asks: ClassVar[Asks]

    def wish(self, case: Case, rng: Random) -> Said | None:
        """What the Teacher is to be shown; None for nothing."""
        ...

    def pairs(self, case: Case, rng: Random) -> list[PreferencePair]: ...
