"""What an objective will sample, train on and hold, by its settings alone: for budgets and plans."""

from __future__ import annotations

import math
from typing import Any

from ..config import RunConfig
from ..serving.course import Course
from ..serving.hardware import Hardware
from ..serving.plan import make_plan
from ..serving.planned import Plan
from .groups import Batches
from .objectives import configured


def plan_of(config: RunConfig, hardware: Hardware, tokens_per_second: float = 0.0) -> Plan:
    """Place a run on hardware; see `make_plan`.

    Raises:
        ConfigError: there is no such objective, or the shape of a model cannot be found out.
    """
    return make_plan(config, course_of(config), hardware, tokens_per_second)


def course_of(config: RunConfig) -> Course:
    """How a run with this configuration will go, were every round full.

    Raises:
        ConfigError: there is no such objective.
    """
    objective: Any = configured(config.training)
    questions, rounds = config.rounds * config.curriculum.questions, config.rounds
    if config.budget.rollouts:
        payable = int(config.budget.rollouts / price(config, objective))
        questions = min(questions, max(1, payable))  # as a run does, which begins with what it can ask
        rounds = math.ceil(questions / config.curriculum.questions)
    return Course(
        rounds=rounds,
        questions=questions,
        rows=objective.rows,
        reference=bool(getattr(objective, "reference", True)),
        sampled=sampled(config, objective) * questions // config.curriculum.questions,
        uses=getattr(objective, "iterations", 1),
        engine=getattr(objective, "vllm", "off") != "off",
    )


def price(config: RunConfig, objective: Any) -> float:
    """Rollouts that a question costs: its attempts, and its part of what a full round's training samples."""
    return config.rollouts.n + sampled(config, objective) / config.curriculum.questions


def sampled(config: RunConfig, objective: Any) -> int:
    """Completions that a full round's training samples; 0 of an objective that samples none."""
    if objective.rows != "prompts":
        return 0
    questions = config.curriculum.questions
    return batches(config, objective).sampled(min(questions, getattr(objective, "prompts", 0) or questions))


def batches(config: RunConfig, objective: Any) -> Batches:
    """What a training samples by; of an objective of the user's that does not say, steps of its rollouts."""
    training = config.training
    if hasattr(objective, "batches"):
        made: Batches = objective.batches(training.batch_size, training.accumulation, training.epochs)
        return made
    rollouts = getattr(objective, "rollouts", 0) or config.rollouts.n
    return Batches(rollouts, rollouts, 1, 1, epochs=training.epochs)
