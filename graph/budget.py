"""What a run may spend on rollouts: counted from its records, so that a resume counts the same."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from random import Random
from typing import Any

from ..config import RunConfig
from ..errors import RunError
from ..memory.run import RunFolder

STAGE = "attempt"


def attempted(folder: RunFolder, round: int) -> int:
    """Rollouts that a round's attempts left; of a stage that was cut off, those that are there."""
    return sum(row["stage"] == STAGE for row in folder.columns(round, "rollouts", ["stage"]))


def sampled(folder: RunFolder, round: int) -> int:
    """Rollouts that a round's training sampled by itself: of an objective that does, also where a guard
    stopped it."""
    output = folder.checkpoint(f"solver-{round:04d}")
    for place in (output, output.with_name(f"{output.name}.stopped")):
        file = place / "result.json"
        if file.exists():
            try:
                return int(json.loads(file.read_bytes()).get("rollouts", 0))
            except (ValueError, TypeError, AttributeError) as error:
                raise RunError(f"{file} is damaged ({error}); bring it back from a copy") from error
    return 0


def spent(folder: RunFolder, round: int) -> int:
    """Rollouts of all rounds before this one."""
    return sum(attempted(folder, number) + sampled(folder, number) for number in range(1, round))


def over(folder: RunFolder, config: RunConfig, round: int) -> bool:
    """Whether no further question can be asked before `round` would begin."""
    budget = config.budget.rollouts
    return bool(budget) and budget - spent(folder, round) < config.rollouts.n


def questions_left(folder: RunFolder, config: RunConfig, round: int) -> int:
    """How many questions a round may ask: those of the configuration, or fewer where the budget ends.

    Where training samples, too, a question is taken to cost what it did in the last round, so that
    the round's training has its part of what is left.
    """
    wanted, budget = config.curriculum.questions, config.budget.rollouts
    if not budget:
        return wanted
    left = budget - spent(folder, round)
    return max(1, min(wanted, int(left / _price(folder, config, round))))


def rounds_expected(folder: RunFolder, config: RunConfig, round: int) -> int:
    """How many rounds a run will have, seen from the beginning of one: those of the configuration, or
    fewer where the budget is spent before."""
    if not config.budget.rollouts:
        return config.rounds
    left = config.budget.rollouts - spent(folder, round)
    each = config.curriculum.questions * _price(folder, config, round)
    return max(round, min(config.rounds, round - 1 + math.ceil(left / each)))


def _price(folder: RunFolder, config: RunConfig, round: int) -> float:
    """Rollouts that a question costs with what training samples of it."""
    asked = attempted(folder, round - 1) if round > 1 else 0
    more = sampled(folder, round - 1) / asked if asked else 0.0
    return config.rollouts.n * (1 + more)


def left_for_training(folder: RunFolder, config: RunConfig, round: int) -> int | None:
    """Rollouts that a round's training may sample, once its attempts are there; None for any number."""
    budget = config.budget.rollouts
    if not budget:
        return None
    return max(0, budget - spent(folder, round) - attempted(folder, round))


def payable(
    folder: RunFolder, config: RunConfig, round: int, rows: list[dict[str, Any]], objective: Any, rng: Random
) -> list[dict[str, Any]]:
    """The rows that a training can pay for: of one that samples by itself as many prompts as the budget
    lets it sample for, of any other all."""
    left, training = left_for_training(folder, config, round), config.training
    if left is None or objective.rows != "prompts":
        return rows
    wanted = getattr(objective, "prompts", 0)
    drawn = rng.sample(rows, wanted) if 0 < wanted < len(rows) else rows
    return affordable(
        drawn,
        left // getattr(objective, "tries", 1),
        getattr(objective, "rollouts", 0) or config.rollouts.n,
        training.epochs,
        training.batch_size * (getattr(objective, "ahead", 0) or training.accumulation),
    )


def affordable(
    rows: Sequence[dict[str, Any]], left: int | None, rollouts: int, epochs: float, step: int
) -> list[dict[str, Any]]:
    """As many of a training's prompts, the first ones, as it can sample for with what is left.

    Args:
        rows: `n` is the rollouts of a prompt, or 0 for the objective's own number.
        left: None for any number.
        rollouts: the objective's own number.
        step: rollouts in one step, of which a training samples whole ones.
    """
    if left is None:
        return list(rows)
    kept, cost = 0, 0.0
    for row in rows:
        # A number that is no multiple of the objective's own is met on average: here it is rounded up.
        cost += epochs * math.ceil((row.get("n") or rollouts) / rollouts) * rollouts
        if math.ceil(cost / step) * step > left:
            break
        kept += 1
    return list(rows[:kept])
