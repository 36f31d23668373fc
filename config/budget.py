"""What a whole run may spend, so that runs can be compared at equal cost."""

from __future__ import annotations

from pydantic import Field

from .section import Section


class RunBudget(Section):
    """Counted over the run, whatever its rounds are; 0 is none."""

    rollouts: int = Field(0, ge=0, le=10**12)
    """Completions of the Solver sampled for training: attempts, and what an objective samples while it
    trains. Answers to the validation set and the held-out sets are not counted. The last round asks
    fewer questions, so that this is never overshot, and the run ends when not one more can be asked."""
