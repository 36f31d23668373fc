"""How a run will go, were every round full: what estimates of it are made from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Course(BaseModel):
    """Told by whoever knows the Solver's objective: what is served does not."""

    model_config = ConfigDict(frozen=True)

    rounds: int
    """Those of the configuration, or fewer where `budget.rollouts` ends the run before."""
    questions: int
    """Asked in all rounds together."""
    rows: str
    """Kind of rows that the objective takes: pairs, labelled, completions, prompts."""
    reference: bool
    """Whether the model as it was when the round began is held beside the one that is trained."""
    sampled: int = 0
    """Completions that training samples by itself, in all rounds together."""
    uses: int = 1
    """How often each of these is trained on."""
    engine: bool = False
    """Whether they are sampled by a vLLM engine, in place of transformers."""
