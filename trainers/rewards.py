"""Rewards of sampled completions: pure functions, and by name what a configuration weighs together.

A reward of None is none: what a checker cannot decide teaches nothing, and is not called wrong. One of
yours is a dataclass that is called with a `Sampled` (`module:Class`, its fields its options); see
docs/training.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import Field

from ..errors import ConfigError
from ..plugins import found, made
from ..records import Outcome, Question
from ..tasks.checkers.answers import MARK, boxed, without_thinking

_LARGEST = 10**9
"""Numbers of an equation beyond this are not worked out."""

_EQUATION = re.compile(r"(?<![\d.])(-?\d{1,9}) ?([-+*×]|mod) ?(-?\d{1,9}) ?= ?(-?\d{1,19})(?![\d.])")
_CONFIDENCE = re.compile(r"<confidence>\s*([^<]{1,20}?)\s*</confidence>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A completion that the training sampled, and what is known of it."""

    completion: str
    tokens: int
    ended: bool
    """Whether it came to its end; what was cut off states no answer."""
    outcome: Outcome
    step: int
    """Of the run's training: those of the rounds before are counted as if they were as long."""
    max_tokens: int
    question: Question


Reward = Callable[[Sampled], float | None]


def correctness(outcome: Outcome) -> float | None:
    """1 right, 0 wrong or without an answer, None undecided."""
    return {"right": 1.0, "wrong": 0.0, "invalid": 0.0}.get(outcome)


def well_formed(completion: str, ended: bool) -> float:
    """1 where the answer is marked once, at the end; ½ where something else is marked or follows; else 0."""
    text = without_thinking(completion).strip()
    marks = text.count(MARK) + len(re.findall(r"\\boxed\s*\{", text))
    if not marks:
        return 0.0
    tail = text.rpartition(MARK)[2] if MARK in text else ""
    last = boxed(text)
    closes = bool(tail.strip()) and "\n" not in tail.strip()
    closes = closes or (last is not None and bool(re.search(r"\}[\s$.]*\Z", text)))
    return 1.0 if ended and marks == 1 and closes else 0.5


def soft_overlong(tokens: int, longest: int, cache: int) -> float:
    """0 up to `longest − cache`, −1 from `longest` on, and a line between them.

    Source: DAPO, arXiv 2503.14476, eq. 13. Differs: none.
    """
    if cache <= 0:
        return 0.0 if tokens <= longest else -1.0
    return min(0.0, max(-1.0, (longest - cache - tokens) / cache))


def budget_at(step: int, start: float, decay: float, every: int) -> float:
    """B(t) = max(1, B₀ γ^⌊t/T⌋). Source: Train Long, Think Short, arXiv 2508.08940. Differs: none."""
    return max(1.0, start * decay ** (step // every))


def triangular(tokens: int, budget: float) -> float:
    """0 for nothing, 1 at the budget, 0 from twice the budget on.

    Source: Train Long, Think Short, arXiv 2508.08940 (triangular length reward). Differs: it comes down
    to 0 at twice the budget; where the paper's does was not found.
    """
    return max(0.0, 1.0 - abs(tokens / budget - 1.0))


def brier(right: bool, confidence: float | None) -> float:
    """1 − (right − confidence)², the confidence cut to 0…1; 0 where there is none to be read.

    Source: RLCR, arXiv 2507.16806. Differs: its code does not cut the confidence, so that 50 costs 2400;
    the weights of correctness and format are the configuration's.
    """
    if confidence is None or not math.isfinite(confidence):
        return 0.0
    return 1.0 - (float(right) - min(1.0, max(0.0, confidence))) ** 2


def stated_confidence(completion: str) -> float | None:
    """The number of the last <confidence>; a percentage is one of a hundred."""
    said = _CONFIDENCE.findall(completion)
    if not said:
        return None
    try:
        return float(said[-1].removesuffix("%")) / (100 if said[-1].endswith("%") else 1)
    except ValueError:
        return None


def posterior(outcome: float, process: float) -> float:
    """The process counts only where the outcome is right.

    Source: Posterior-GRPO, arXiv 2508.05170 (R_outcome · R_thinking). Differs: the outcome itself and the
    format are rewards of their own; by default the process is scored by a program, not by a model.
    """
    return outcome * min(1.0, max(0.0, process))


def equations_right(completion: str) -> float:
    """Share of the equations of two numbers that hold, of those written; ½ where none is written."""
    found_here = _EQUATION.findall(completion)
    if not found_here:
        return 0.5
    return sum(_holds(*parts) for parts in found_here) / len(found_here)


def _holds(left: str, sign: str, right: str, value: str) -> bool:
    a, b = int(left), int(right)
    if abs(a) > _LARGEST or abs(b) > _LARGEST or (sign == "mod" and b == 0):
        return False
    worked = {"+": a + b, "-": a - b, "*": a * b, "×": a * b}
    return int(value) == (a % b if sign == "mod" else worked[sign])


@dataclass(frozen=True)
class Correctness:
    """What the question's own checker says."""

    def __call__(self, said: Sampled) -> float | None:
        return correctness(said.outcome)


@dataclass(frozen=True)
class Format:
    """Whether the answer is marked, once and at the end."""

    def __call__(self, said: Sampled) -> float | None:
        return well_formed(said.completion, said.ended)


@dataclass(frozen=True)
class Overlong:
    """DAPO's soft punishment of length: 0 to −1."""

    cache: Annotated[int, Field(ge=0)] = 0
    """Tokens before the longest over which it sets in; 0 for a fifth of the longest."""
    longest: Annotated[int, Field(ge=0)] = 0
    """0 for the most tokens that a completion may have."""

    def __call__(self, said: Sampled) -> float | None:
        longest = self.longest or said.max_tokens
        return soft_overlong(said.tokens, longest, self.cache or longest // 5)


@dataclass(frozen=True)
class Budget:
    """A length to keep to, which shrinks in the course of the run."""

    start: Annotated[float, Field(ge=1)] = 256.0
    decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    every: Annotated[int, Field(ge=1)] = 32
    """Steps after which it shrinks."""

    def __call__(self, said: Sampled) -> float | None:
        return triangular(said.tokens, budget_at(said.step, self.start, self.decay, self.every))


@dataclass(frozen=True)
class Calibration:
    """How well the confidence that a completion states fits its outcome."""

    def __call__(self, said: Sampled) -> float | None:
        return brier(said.outcome == "right", stated_confidence(said.completion))


@dataclass(frozen=True)
class Process:
    """The way to a right answer; of a wrong one nothing."""

    scorer: str = ""
    """A function of yours, `module:name`, of a `Sampled`; else the share of the
    equations written that hold."""

    def __post_init__(self) -> None:
        self._score()

    def __call__(self, said: Sampled) -> float | None:
        outcome = correctness(said.outcome)
        return None if outcome is None else posterior(outcome, float(self._score()(said)))

    def _score(self) -> Callable[[Sampled], float]:
        if not self.scorer:
            return lambda said: equations_right(said.completion)
        score: Callable[[Sampled], float] = found("rewards", self.scorer, {}, "training.options.rewards")
        if not callable(score):
            raise ConfigError(f"training.options.rewards process: {self.scorer[:60]} is no function")
        return score


REWARDS: dict[str, str] = {
    "correctness": ".trainers.rewards:Correctness",
    "format": ".trainers.rewards:Format",
    "overlong": ".trainers.rewards:Overlong",
    "budget": ".trainers.rewards:Budget",
    "calibration": ".trainers.rewards:Calibration",
    "process": ".trainers.rewards:Process",
}


def rewards_of(weights: Mapping[str, float]) -> dict[str, Reward]:
    """The rewards of a configuration, by name as written there.

    Raises:
        ConfigError: there is no such reward or option, or none at all.
    """
    setting = "training.options.rewards"
    if not weights:
        raise ConfigError(f"{setting}: there is none; the plainest is correctness: 1")
    rewards = {}
    for spec, weight in weights.items():
        if not math.isfinite(weight):
            raise ConfigError(f"{setting}.{spec[:60]}: the weight {weight} is no number")
        name, _, query = spec.partition("?")
        options: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
        rewards[spec] = made(found("rewards", name, REWARDS, setting), options, setting)
        if not callable(rewards[spec]):
            raise ConfigError(f"{setting}.{spec[:60]}: cannot be called with a Sampled; give it __call__")
    return rewards
