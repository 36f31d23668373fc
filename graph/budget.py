"""What a run may spend on rollouts: counted from its records, so that a resume counts the same."""

from __future__ import annotations

import json
import math
from random import Random
from typing import Any

from ..config import RunConfig
from ..errors import RunError
from ..memory.run import RunFolder
from ..trainers import estimates, groups
from ..trainers.jobs import result_of
from ..trainers.objectives import configured
from .sums import sum_up_to

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

    def add(total: int, number: int) -> int:
        return total + attempted(folder, number) + sampled(folder, number)

    return sum_up_to(folder, "rollouts_so_far", round - 1, add, lambda there: int(there or 0), int)


def over(folder: RunFolder, config: RunConfig, round: int) -> bool:
    """Whether `round` is not to begin any more: no question can be asked, or, of an objective that samples
    by itself, so few that nothing would be trained on their prompts. The first round is always played."""
    budget = config.budget.rollouts
    if not budget:
        return False
    left = budget - spent(folder, round)
    if round == 1 or configured(config.training).rows != "prompts":
        return left < config.rollouts.n
    return left < max(1, config.training.least_pairs) * _price(folder, config, round)


def questions_left(folder: RunFolder, config: RunConfig, round: int) -> int:
    """How many questions a round may ask: those of the configuration, or fewer where the budget ends.

    Where training samples, too, a question is taken to cost what it did in the last round, or what the
    settings say, so that the round's training has its part of what is left.
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
    """Rollouts that a question costs with what training samples of it: as in the last round, and in the
    first as the objective's settings say."""
    asked = attempted(folder, round - 1) if round > 1 else 0
    more = sampled(folder, round - 1) / asked * config.rollouts.n if asked else 0.0
    return config.rollouts.n + more if more else estimates.price(config, configured(config.training))


def left_for_training(
    folder: RunFolder, config: RunConfig, round: int, tokens: float | None = None
) -> int | None:
    """Rollouts that a round's training may sample, once its attempts are there; None for any number.

    Args:
        tokens: that are left of their budget; None for any number.
    """
    budget, left = config.budget.rollouts, []
    if budget:
        left.append(max(0, budget - spent(folder, round) - attempted(folder, round)))
    if tokens is not None:
        left.append(max(0, int(tokens / _length(folder, config, round))))
    return min(left, default=None)


def _length(folder: RunFolder, config: RunConfig, round: int) -> float:
    """Tokens of a completion that a training samples: as in the last one, or the most there may be."""
    for number in range(round - 1, 0, -1):
        made = result_of(folder.checkpoint(f"solver-{number:04d}"))
        if made is not None and made.rollouts and made.tokens:
            return made.tokens / made.rollouts
    return config.rollouts.max_tokens


def payable(
    folder: RunFolder,
    config: RunConfig,
    round: int,
    rows: list[dict[str, Any]],
    objective: Any,
    rng: Random,
    tokens: float | None = None,
) -> list[dict[str, Any]]:
    """The rows that a training can pay for: of one that samples by itself as many prompts, drawn by
    chance, as the budget lets it sample for, of any other all.

    Args:
        tokens: as in `left_for_training`.
    """
    if objective.rows != "prompts":
        return rows
    left = left_for_training(folder, config, round, tokens)
    if left is None:
        return rows
    rows = rng.sample(rows, min(len(rows), getattr(objective, "prompts", 0) or len(rows)))
    times, batches = [float(row["times"]) for row in rows], estimates.batches(config, objective)
    return rows[: groups.payable(times, batches, left // getattr(objective, "tries", 1))]
