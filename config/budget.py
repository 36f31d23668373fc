"""What a whole run may spend: so that it ends, and so that runs can be compared at equal cost."""

from __future__ import annotations

from pydantic import Field

from .section import Section


class RunBudget(Section):
    """Counted over the run, whatever its rounds are and whichever role spends it; 0 is none.

    A run whose budget is spent ends with the status `budget` and goes on when it is raised. A role's own
    budget (`teacher.budget`) is another thing: its requests are answered by nothing, and the run goes on.
    """

    rollouts: int = Field(0, ge=0, le=10**12)
    """Completions of the Solver sampled for training: attempts, and what an objective samples while it
    trains. Answers to the validation set and the held-out sets are not counted. The last round asks
    fewer questions, so that this is never overshot, and the run ends when not one more can be asked."""
    hours: float = Field(0, ge=0, le=10**6)
    """Of playing, all stages added up; the time between a stop and its resume is not counted. Whatever
    runs when they are over is ended, a training, too."""
    tokens: int = Field(0, ge=0, le=10**15)
    """Of prompts and completions of all calls of all roles, and what a training samples itself."""
    calls: int = Field(0, ge=0, le=10**12)
    """Requests of all roles, those that failed, too; a training samples without any."""
    money: float = Field(0, ge=0, le=10**12)
    """What all roles' calls cost by their `price`; all prices are taken to be of one currency."""
    disk_gb: float = Field(0, ge=0, le=10**9)
    """Gigabytes (10⁹ bytes) that the run folder may take. Before a training, what its checkpoint will take
    is counted already."""
