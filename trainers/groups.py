"""How often a training samples for each prompt, in how many steps, and what that comes to.

Nothing heavy is imported: what is paid for is worked out by the loop, what is sampled by the training
process, both by these functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batches:
    """The sizes that a training samples by.

    TRL samples for `generation` completions at once, in whole groups of `rollouts`; each is used for
    `iterations` passes of `per_generation` micro-batches, of which a step takes `accumulation`.
    """

    rollouts: int
    """Of a prompt, in one group."""
    batch: int
    accumulation: int
    per_generation: int
    iterations: int = 1
    epochs: float = 1.0

    @property
    def generation(self) -> int:
        return self.batch * self.per_generation

    @property
    def least(self) -> int:
        """Prompts of one generation; fewer are repeated."""
        return max(1, self.generation // self.rollouts)

    def steps(self, groups: int) -> int:
        """Steps that use every group so often as there are epochs and iterations."""
        whole = math.ceil(self.epochs * max(groups, self.least) * self.rollouts / self.generation)
        return max(1, math.ceil(whole * self.per_generation * self.iterations / self.accumulation))

    def sampled(self, groups: int) -> int:
        """Completions that these steps sample: whole generations."""
        passes = self.per_generation * self.iterations
        return math.ceil(self.steps(groups) * self.accumulation / passes) * self.generation


def counts(times: Sequence[float]) -> Iterator[int]:
    """Groups of each prompt: whole numbers whose sums are never more than ½ from those of `times`."""
    due, given = 0.0, 0
    for each in times:
        due += each
        more = max(0, math.floor(due + 0.5) - given)
        given += more
        yield more


def spread(rows: Sequence[T], times: Sequence[float], least: int) -> list[T]:
    """Rows as often as they have groups, the shortest of lists repeated until it fills one generation."""
    found = [row for row, count in zip(rows, counts(times), strict=True) for _ in range(count)]
    found = found or list(rows[:1])
    while len(found) < least:
        found += found[: least - len(found)]
    return found


def payable(times: Sequence[float], batches: Batches, left: int) -> int:
    """How many prompts, the first ones, a training can have that may sample `left` completions."""
    groups, most = 0, 0
    for place, count in enumerate(counts(times), 1):
        groups += count
        if batches.sampled(groups) > left:
            break
        most = place
    return most
